//! A schema in words: what type a field has, its bounds, its default, its meaning.

use serde_json::Value;

use super::{Walk, is_union, map_of};

/// Longest example that stands in a table; an object that is longer is described field by field.
const EXAMPLE_CHARACTERS_MAX: usize = 60;

impl<'a> Walk<'a> {
    /// The type, with a link to where it is described, and its bounds.
    pub(super) fn words(&self, schema: &'a Value) -> String {
        let words = self.words_alone(schema);
        match bounds(schema) {
            bounds if bounds.is_empty() => words,
            bounds => format!("{words} ({bounds})"),
        }
    }

    fn words_alone(&self, schema: &'a Value) -> String {
        if let Some((name, found)) = self.named(schema) {
            return match self.heading_of(name) {
                Some(heading) => format!("[object](#{})", anchor(heading)),
                None if is_union(found) => self.words(found),
                None => format!("[{}](#{})", title(name), anchor(&title(name))),
            };
        }
        if let Some(alternatives) = schema["anyOf"].as_array() {
            let each = alternatives.iter().filter(|one| one["type"] != "null").map(|one| self.words(one));
            return each.collect::<Vec<_>>().join(" or ");
        }
        if !schema["items"].is_null() {
            return format!("list of {}", self.words(&schema["items"]));
        }
        if let Some(below) = map_of(schema) {
            return format!("map of names to {}", self.words(below));
        }
        match &schema["type"] {
            Value::Array(types) => types
                .iter()
                .filter_map(Value::as_str)
                .find(|one| *one != "null")
                .unwrap_or_default()
                .to_owned(),
            other => other.as_str().unwrap_or_default().to_owned(),
        }
    }

    /// The meaning; of one of several things, that of each.
    pub(super) fn meaning_with_choices(&self, schema: &'a Value) -> String {
        let (own, choices) = (meaning(schema), self.choices(schema));
        match choices.as_slice() {
            [] => own,
            [one] => format!("{own} {one}"),
            all => format!("{own} Either: {}", all.join(" Or: ")),
        }
    }

    fn choices(&self, schema: &'a Value) -> Vec<String> {
        let schema =
            self.named(schema).map(|(_, found)| found).filter(|found| is_union(found)).unwrap_or(schema);
        let each = schema["anyOf"].as_array().into_iter().flatten();
        each.flat_map(|choice| match meaning(choice) {
            text if text.is_empty() => self.choices(choice),
            text => vec![text],
        })
        .collect()
    }

    /// The patterns that its text must match, each with what it is about.
    pub(super) fn patterns(&self, schema: &'a Value) -> Vec<(&'static str, &'a str)> {
        if let Some((_, found)) = self.named(schema) {
            return if is_union(found) { self.patterns(found) } else { Vec::new() };
        }
        let names = schema["patternProperties"].as_object().into_iter().flatten();
        let names = names.map(|(pattern, _)| (" (names)", pattern.as_str()));
        let places = [
            ("", &schema["pattern"]),
            (" (each)", &schema["items"]["pattern"]),
            (" (names that are not allowed)", &schema["propertyNames"]["not"]["pattern"]),
        ];
        let own = places.into_iter().filter_map(|(which, pattern)| Some((which, pattern.as_str()?)));
        let below = schema["anyOf"].as_array().into_iter().flatten().flat_map(|one| self.patterns(one));
        own.chain(names).chain(below).collect()
    }
}

/// How many, how long, how large.
pub(super) fn bounds(schema: &Value) -> String {
    let number = |key: &str| schema[key].as_u64().filter(|number| *number > 0);
    let range = |unit: &str, least: &str, most: &str| match (number(least), number(most)) {
        (Some(1), None) if !unit.is_empty() => Some("not empty".to_owned()),
        (Some(least), Some(most)) => Some(format!("{least} to {most}{unit}")),
        (Some(least), None) => Some(format!("at least {least}{unit}")),
        (None, Some(most)) => Some(format!("at most {most}{unit}")),
        (None, None) => None,
    };
    let is_more_than_nothing = !schema["not"].is_null()
        && (schema["not"]["const"] == 0
            || schema["not"]["pattern"].as_str().is_some_and(|not| not.starts_with("^[0.]+")));
    [
        range("", "minimum", "maximum"),
        range(" entries", "minItems", "maxItems"),
        range(" characters", "minLength", "maxLength"),
        range(" entries", "minProperties", "maxProperties"),
        is_more_than_nothing.then(|| "more than 0".to_owned()),
        schema.get("const").map(|only| format!("always {}", code(only))),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join(", ")
}

/// The default, from the schema or from the words of the description.
pub(super) fn default_of(schema: &Value) -> String {
    match &schema["default"] {
        Value::Null => {}
        Value::Object(map) if map.is_empty() => return "empty".to_owned(),
        Value::Object(_) => return "its fields' defaults".to_owned(),
        Value::Array(items) if items.is_empty() => return "none".to_owned(),
        value => return format!("`{}`", plain(value)),
    }
    let text = description(schema);
    let text = text
        .split_once("Default: ")
        .map(|(_, rest)| rest.split_once(". ").map_or(rest, |(default, _)| default));
    text.map_or_else(|| "absent".to_owned(), |text| text.trim_end_matches('.').to_owned())
}

/// The examples that the schema itself has.
pub(super) fn examples(schema: &Value) -> Option<String> {
    let examples: Vec<_> = schema["examples"].as_array()?.iter().map(code).collect();
    Some(examples.join(", "))
}

/// The meaning, on one line.
pub(super) fn meaning(schema: &Value) -> String {
    // What is written of the default and nothing else stands in a column of its own; links are the source code's.
    let default = default_of(schema).replace('`', "");
    let mut text = description(schema);
    for default in [format!(" Default: `{default}`."), format!(" Default: {default}.")] {
        text = text.replace(&default, "");
    }
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("[`") {
        let Some((name, after)) = after.split_once("`]") else { break };
        out.push_str(before);
        match name.strip_suffix("::default") {
            Some(_) => out.push_str("the defaults of its fields"),
            None => out.push_str(&format!("`{name}`")),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The description without what is written once for the whole page.
fn description(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default().replace('\n', " ");
    text.split(" Applies: ").next().unwrap_or_default().to_owned()
}

/// A value as one types it; an object too long for a line is named only.
pub(super) fn code(value: &Value) -> String {
    match plain(value) {
        text if text.chars().count() > EXAMPLE_CHARACTERS_MAX && (value.is_object() || value.is_array()) => {
            "see its fields".to_owned()
        }
        text => format!("`{text}`"),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let each = map.iter().filter(|(_, value)| !value.is_null());
            let each = each.map(|(key, value)| format!("{key}: {}", plain(value)));
            format!("{{{}}}", each.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// A type's name in words: `ProviderKind` is `provider kind`.
pub(super) fn title(name: &str) -> String {
    let mut words = String::new();
    for character in name.chars() {
        if character.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(character.to_lowercase());
    }
    words
}

/// The anchor that a heading gets.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
}
