//! Reference pages of the three documents that people write.
//!
//! In: a document's JSON Schema, and an example of it that has every field. Out: a page in Markdown with every field: its
//! path, type, default, bounds, description and an example; or the paths of fields that the example lacks. Nothing is cut:
//! what has no room in a table stands below it.

mod example;
mod wording;

use std::fmt::Write as _;

use serde_json::Value;

use self::example::example;
use self::wording::{default_of, meaning, title};

/// What a page is made of.
#[derive(Debug)]
pub struct Page<'a> {
    pub title: &'a str,
    /// What stands below it.
    pub intro: &'a str,
    /// The document's JSON Schema.
    pub schema: &'a Value,
    /// A document with every field, as it is read.
    pub example: &'a Value,
}

/// An object of the document: a heading and a table.
struct Section<'a> {
    /// Its name among the schema's definitions. Absent: it stands where it is used.
    name: Option<&'a str>,
    /// Its heading. Objects at one place are distinguished by their names.
    heading: String,
    /// Where it may stand.
    places: Vec<String>,
    object: &'a Value,
}

/// All objects, each before those inside of it, and the names of values that are no objects.
pub(crate) struct Walk<'a> {
    schema: &'a Value,
    sections: Vec<Section<'a>>,
    values: Vec<&'a str>,
}

impl Page<'_> {
    /// The page.
    ///
    /// # Errors
    /// Paths of fields that the example lacks.
    pub fn write(&self) -> Result<String, Vec<String>> {
        let mut walk = Walk { schema: self.schema, sections: Vec::new(), values: Vec::new() };
        walk.open("", None, self.schema);
        let mut text = format!("# {}\n\n{}\n", self.title, self.intro);
        let mut lacking = Vec::new();
        for section in &walk.sections {
            walk.write_section(section, self.example, &mut text, &mut lacking);
        }
        walk.write_values(&mut text);
        if lacking.is_empty() { Ok(text) } else { Err(lacking) }
    }
}

impl<'a> Walk<'a> {
    /// What a schema refers to, by name.
    fn named(&self, schema: &'a Value) -> Option<(&'a str, &'a Value)> {
        let name = schema["$ref"].as_str()?.strip_prefix("#/$defs/")?;
        Some((name, &self.schema["$defs"][name]))
    }

    /// Goes through what may stand at a path.
    fn visit(&mut self, path: &str, schema: &'a Value) {
        if let Some((name, found)) = self.named(schema) {
            if is_object(found) {
                match self.sections.iter_mut().find(|section| section.name == Some(name)) {
                    Some(known) => known.places.push(path.to_owned()),
                    None => self.open(path, Some(name), found),
                }
            } else if is_union(found) {
                self.visit(path, found);
            } else if !self.values.contains(&name) {
                self.values.push(name);
            }
            return;
        }
        if is_object(schema) {
            self.open(path, None, schema);
        }
        for alternative in schema["anyOf"].as_array().into_iter().flatten() {
            self.visit(path, alternative);
        }
        if !schema["items"].is_null() {
            self.visit(&format!("{path}[]"), &schema["items"]);
        }
        if let Some(below) = map_of(schema) {
            self.visit(&join(path, "NAME"), below);
        }
    }

    fn open(&mut self, path: &str, name: Option<&'a str>, object: &'a Value) {
        let is_taken = self.sections.iter().any(|section| section.places[0] == path);
        let heading = match (path, name.filter(|_| is_taken)) {
            ("", _) => "Top level".to_owned(),
            (path, None) => format!("`{path}`"),
            (path, Some(name)) => format!("`{path}` {}", title(name)),
        };
        self.sections.push(Section { name, heading, places: vec![path.to_owned()], object });
        for (field, schema) in fields(object) {
            self.visit(&join(path, field), schema);
        }
    }

    /// The heading below which an object of that name is described.
    pub(crate) fn heading_of(&self, name: &str) -> Option<&str> {
        let section = self.sections.iter().find(|section| section.name == Some(name))?;
        Some(&section.heading)
    }

    fn write_section(
        &self,
        section: &Section<'_>,
        document: &Value,
        text: &mut String,
        lacking: &mut Vec<String>,
    ) {
        let object = section.object;
        let place = &section.places[0];
        write!(text, "\n## {}\n\n{}\n", section.heading, meaning(object)).unwrap();
        if section.places.len() > 1 {
            let others: Vec<_> = section.places[1..].iter().map(|place| format!("`{place}`")).collect();
            write!(text, "\nThe same at {}.\n", others.join(", ")).unwrap();
        }
        text.push_str("\n| field | type | default | example | meaning |\n|---|---|---|---|---|\n");
        let mut below = String::new();
        for (field, schema) in fields(object) {
            let path = join(place, field);
            let shown = section.places.iter().find_map(|place| example(document, &join(place, field)));
            let shown = match shown {
                Some(value) => wording::code(value),
                None => {
                    lacking.push(path.clone());
                    String::new()
                }
            };
            let is_needed =
                object["required"].as_array().is_some_and(|all| all.iter().any(|one| one == field));
            let default = if is_needed { "required".to_owned() } else { default_of(schema) };
            let (words, meaning) = (self.words(schema), self.meaning_with_choices(schema));
            let cells =
                [format!("`{path}`"), words, default, shown, meaning].map(|cell| cell.replace('|', "\\|"));
            writeln!(text, "| {} |", cells.join(" | ")).unwrap();
            for (which, pattern) in self.patterns(schema) {
                writeln!(below, "* `{path}`{which} matches `{pattern}`").unwrap();
            }
            if let Some(more) = wording::examples(schema) {
                writeln!(below, "* `{path}`, for example {more}").unwrap();
            }
        }
        if !below.is_empty() {
            write!(text, "\n{below}").unwrap();
        }
    }

    fn write_values(&self, text: &mut String) {
        text.push_str("\n# Kinds of values\n");
        for name in &self.values {
            let schema = &self.schema["$defs"][name];
            write!(text, "\n## {}\n", title(name)).unwrap();
            let bounds = Some(wording::bounds(schema)).filter(|bounds| !bounds.is_empty());
            let bounds = bounds.map(|bounds| format!("Bounds: {bounds}."));
            for paragraph in [Some(meaning(schema)), bounds]
                .into_iter()
                .flatten()
                .filter(|paragraph| !paragraph.is_empty())
            {
                write!(text, "\n{paragraph}\n").unwrap();
            }
            if let Some(words) = schema["oneOf"].as_array() {
                text.push_str("\n| value | meaning |\n|---|---|\n");
                for word in words {
                    let shown = wording::code(&word["const"]);
                    writeln!(text, "| {shown} | {} |", meaning(word).replace('|', "\\|")).unwrap();
                }
            }
            if let Some(examples) = wording::examples(schema) {
                write!(text, "\nExamples: {examples}\n").unwrap();
            }
            for (_, pattern) in self.patterns(schema) {
                write!(text, "\n```text\n{pattern}\n```\n").unwrap();
            }
        }
    }
}

/// The fields of an object, those that are required first.
fn fields(object: &Value) -> Vec<(&String, &Value)> {
    let mut fields: Vec<_> = object["properties"].as_object().into_iter().flatten().collect();
    let is_needed =
        |field: &str| object["required"].as_array().is_some_and(|all| all.iter().any(|one| one == field));
    fields.sort_by_key(|(field, _)| !is_needed(field));
    fields
}

/// Whether it has fields of its own. One inside a condition has no type.
fn is_object(schema: &Value) -> bool {
    schema["type"] == "object" && schema["properties"].is_object()
}

/// Whether it is one of several things, each of which is described where it stands.
pub(crate) fn is_union(schema: &Value) -> bool {
    schema["anyOf"].is_array() && schema["type"].is_null()
}

/// What a map holds by name.
pub(crate) fn map_of(schema: &Value) -> Option<&Value> {
    let named = schema["patternProperties"].as_object().and_then(|patterns| patterns.values().next());
    named.or_else(|| Some(&schema["additionalProperties"]).filter(|below| below.is_object()))
}

fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}
