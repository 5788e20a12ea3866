//! JSON Schema of a document type, for editors.

use schemars::JsonSchema;
use serde_json::Value;

/// The JSON Schema (2020-12) of a document type.
#[must_use]
pub fn schema<T: JsonSchema>() -> Value {
    schemars::schema_for!(T).to_value()
}

#[cfg(test)]
mod tests;
