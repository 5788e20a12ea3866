//! A channel as it is declared, and what a declaration needs to know of its kind.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use moorline_config::Reference;
use moorline_config::check::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Longest name of a channel.
const NAME_LENGTH_MAX: usize = 64;

/// A channel's name. Narrower than other names: it is a metric's label and a part of a message's id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChannelName(String);

/// Says why a text is no channel's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a channel's name: expected 1 to {NAME_LENGTH_MAX} letters, digits or any of `-_`, beginning with a letter or digit"
)]
pub struct InvalidChannelName(String);

impl ChannelName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn of_the_short_form(name: &'static str) -> Self {
        Self(name.to_owned())
    }
}

impl FromStr for ChannelName {
    type Err = InvalidChannelName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let begins_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
        if begins_well && is_plain && text.len() <= NAME_LENGTH_MAX {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidChannelName(text.chars().take(NAME_LENGTH_MAX).collect()))
        }
    }
}

impl TryFrom<String> for ChannelName {
    type Error = InvalidChannelName;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ChannelName> for String {
    fn from(name: ChannelName) -> Self {
        name.0
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl JsonSchema for ChannelName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ChannelName".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A name that `channels` declares, or `slack` or `email` for those of the short form.",
            "pattern": "^[A-Za-z0-9][-A-Za-z0-9_]*$",
            "maxLength": NAME_LENGTH_MAX,
        })
    }
}

/// A channel's kind and the kind's settings: `{KIND: {…}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Channel(pub(super) BTreeMap<String, Value>);

impl Channel {
    /// Its one kind; `None` when it has none or several.
    pub(super) fn kind(&self) -> Option<(&str, &Value)> {
        let mut kinds = self.0.iter();
        match (kinds.next(), kinds.next()) {
            (Some((kind, settings)), None) => Some((kind, settings)),
            _ => None,
        }
    }
}

impl JsonSchema for Channel {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Channel".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "description": "A channel: exactly one kind, with its settings.",
            "minProperties": 1,
            "maxProperties": 1,
            "properties": {},
            "additionalProperties": false,
        })
    }
}

/// A declared channel, in whichever form it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredChannel<'a> {
    pub name: ChannelName,
    /// Its kind's name.
    pub kind: &'a str,
    /// The kind's settings, as written.
    pub settings: &'a Value,
    /// Where the settings stand in the declaration.
    pub path: String,
}

/// What reading a declaration needs to know of a kind of channel.
#[derive(Debug, Clone, Copy)]
pub struct ChannelKind {
    /// The key under which its settings stand.
    pub name: &'static str,
    /// The JSON Schema of its settings, with title and description.
    pub schema: fn() -> Value,
    /// Every mistake in its settings, with paths inside of them.
    pub check: fn(&Value) -> Vec<Problem>,
}

/// Every text in a channel's settings that is a reference, with its path: a kind cannot forget to name its secret.
pub(in super::super) fn references(channel: &DeclaredChannel<'_>) -> Vec<(String, Reference)> {
    let mut found = Vec::new();
    collect(channel.path.clone(), channel.settings, &mut found);
    found
}

fn collect(path: String, value: &Value, found: &mut Vec<(String, Reference)>) {
    match value {
        Value::String(text) => found.extend(text.parse().ok().map(|reference| (path, reference))),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(format!("{path}[{index}]"), item, found);
            }
        }
        Value::Object(fields) => {
            for (field, below) in fields {
                collect(format!("{path}.{field}"), below, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Writes the kinds' schemas into that of the declaration.
pub(in super::super) fn add_kinds(schema: &mut Value, kinds: &[ChannelKind]) {
    for kind in kinds {
        let mut settings = (kind.schema)();
        let Some(fields) = settings.as_object_mut() else { continue };
        let title = fields.remove("title").and_then(|title| title.as_str().map(str::to_owned));
        let title = title.unwrap_or_else(|| kind.name.to_owned());
        let description = fields.get("description").cloned();
        fields.remove("$schema");
        let below = fields.remove("$defs");
        let Some(definitions) = schema.get_mut("$defs").and_then(Value::as_object_mut) else { return };
        for (name, definition) in below.iter().filter_map(Value::as_object).flatten() {
            definitions.entry(name).or_insert_with(|| definition.clone());
        }
        let reference = json!({ "$ref": format!("#/$defs/{title}") });
        let described = json!({ "$ref": reference["$ref"], "description": description });
        definitions.insert(title, settings);
        if let Some(properties) = properties(definitions, "Channel") {
            properties.insert(kind.name.to_owned(), described);
        }
        let short = properties(definitions, "Notifications").and_then(|fields| fields.get_mut(kind.name));
        if let Some(short) = short.and_then(Value::as_object_mut) {
            short.insert("anyOf".to_owned(), json!([reference, {"type": "null"}]));
        }
    }
}

fn properties<'a>(definitions: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Map<String, Value>> {
    definitions.get_mut(name)?.get_mut("properties")?.as_object_mut()
}
