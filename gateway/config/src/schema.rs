//! JSON Schema of a document type, for editors: what [`crate::decode`] and [`crate::check`] refuse, as far as JSON
//! Schema can say it, so that a mistake is seen while it is written.
//!
//! Types say their own shape (derived), and their own rules (the pieces below). What is added here to all of them: an
//! `$id` of this release, an example, and for each field whether a change of it is live or asks for a restart.

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

/// When a change of a document is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applies {
    /// As soon as it is taken.
    Live,
    /// When the process starts again.
    Restart,
}

impl Applies {
    /// The value of `x-moorline-applies`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Restart => "restart",
        }
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::Live => "Applies: live, without a restart.",
            Self::Restart => "Applies: when the process starts again.",
        }
    }
}

/// What a document type's schema says of itself.
#[derive(Debug)]
pub struct About {
    /// Its name, as `moorline schema NAME` knows it.
    pub name: &'static str,
    /// When a change is in force.
    pub applies: Applies,
    /// A document to begin with.
    pub example: Value,
}

/// The JSON Schema (2020-12) of a document type.
#[must_use]
pub fn schema<T: JsonSchema>(about: &About) -> Value {
    schema_with::<T>(about, |_| {})
}

/// The same, with what the type itself does not know of its parts.
#[must_use]
pub fn schema_with<T: JsonSchema>(about: &About, complete: impl FnOnce(&mut Value)) -> Value {
    let mut schema = schemars::schema_for!(T).to_value();
    complete(&mut schema);
    mark(&mut schema, about.applies);
    if let Value::Object(root) = &mut schema {
        root.insert("$id".to_owned(), json!(id(about.name)));
        root.insert("examples".to_owned(), json!([about.example]));
    }
    schema
}

/// The schema of the gateway document.
#[must_use]
pub fn gateway() -> Value {
    let example = json!({
        "version": 1,
        "name": "ai-gateway-prod",
        "providers": {"openai": {"kind": "openai", "api_key": "env:OPENAI_API_KEY"}},
        "models": {"gpt-4o-mini": {"targets": [{"provider": "openai", "model": "gpt-4o-mini"}]}},
        "routes": [{"path": "/v1/*", "limits": [{"per": "key", "requests": 1000, "window": "1h"}]}],
        "keys": [{
            "name": "team-search",
            "sha256": "5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5",
        }],
    });
    schema::<crate::Document>(&About { name: "gateway", applies: Applies::Live, example })
}

/// The name of a schema, of this release: a document is held to the rules of the release that reads it.
fn id(name: &str) -> String {
    format!("urn:moorline:{}:{name}", env!("CARGO_PKG_VERSION"))
}

/// Says of every field when a change of it is in force.
fn mark(schema: &mut Value, applies: Applies) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::Object(fields)) = map.get_mut("properties") {
                // A field that is described says it; one inside a condition is none.
                fields
                    .values_mut()
                    .filter_map(Value::as_object_mut)
                    .for_each(|field| mark_field(field, applies));
            }
            map.values_mut().for_each(|below| mark(below, applies));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mark(item, applies)),
        _ => {}
    }
}

fn mark_field(field: &mut Map<String, Value>, applies: Applies) {
    if let Some(Value::String(description)) = field.get_mut("description") {
        *description = format!("{description} {}", applies.sentence());
        field.insert("x-moorline-applies".to_owned(), json!(applies.as_str()));
    }
}

/// A share, a duration or a size of nothing, for `not`.
#[must_use]
pub fn zero() -> Value {
    json!({"type": "string", "pattern": r"^[0.]+(%|ms|s|m|h|d|B|KiB|MiB|GiB)$"})
}

/// A map that holds this field, and not as null.
#[must_use]
pub fn given(field: &str) -> Value {
    json!({"required": [field], "properties": {field: {"not": {"type": "null"}}}})
}

/// A map that holds this field with this value.
#[must_use]
pub fn is(field: &str, value: &Value) -> Value {
    json!({"required": [field], "properties": {field: {"const": value}}})
}

/// A list that is not empty, where a list stands in this field.
#[must_use]
pub fn given_and_filled(field: &str) -> Value {
    json!({"required": [field], "properties": {field: {"type": "array", "minItems": 1}}})
}

/// A text that is an address to speak HTTP to, without a user, a query or a fragment.
pub const HTTP_URL: &str = r"^https?://[^@?#\s]+$";

/// The same, and by TLS, or on this machine: what is sent there is a secret.
pub const SECRET_URL: &str =
    r"^(https://[^@?#\s]+|http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?(/[^@?#\s]*)?)$";

/// A path inside a repository: relative, of plain parts, without `..`.
pub const RELATIVE_PATH: &str = r"^(?!/)(?!(.*/)?\.\.(/|$))(?!.*//+[^/])[^\\\u0000]+$";

#[cfg(test)]
mod tests;
