//! The schema is what editors believe: it must know every field, and no more.

use serde_json::{Value, json};

use super::*;
use crate::{Document, Source, decode};

/// Whether a schema accepts a value: the few keywords our schemas use. Patterns are not looked at.
fn accepts(root: &Value, schema: &Value, value: &Value) -> bool {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let definition = name.strip_prefix("#/$defs/").and_then(|name| root["$defs"].get(name)).unwrap();
        return accepts(root, definition, value);
    }
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let is = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("a type this test does not know: {other}"),
    };
    let any = |key: &str| {
        schema
            .get(key)
            .and_then(Value::as_array)
            .is_none_or(|all| all.iter().any(|one| accepts(root, one, value)))
    };
    (types.is_empty() || types.iter().any(|name| is(name)))
        && schema.get("enum").and_then(Value::as_array).is_none_or(|known| known.contains(value))
        && schema.get("const").is_none_or(|known| known == value)
        && any("anyOf")
        && any("oneOf")
        && accepts_inside(root, schema, value)
}

fn accepts_inside(root: &Value, schema: &Value, value: &Value) -> bool {
    if let Some(items) = value.as_array() {
        return schema.get("items").is_none_or(|schema| items.iter().all(|item| accepts(root, schema, item)));
    }
    let Some(map) = value.as_object() else { return true };
    let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    required.iter().filter_map(Value::as_str).all(|field| map.contains_key(field))
        && map.iter().all(|(field, value)| match field_schema(schema, field) {
            Some(Value::Bool(allowed)) => *allowed,
            Some(schema) => accepts(root, schema, value),
            None => true,
        })
}

/// What the schema says of a field: its own, the pattern's (a map keyed by names has one), or any other's.
fn field_schema<'schema>(schema: &'schema Value, field: &str) -> Option<&'schema Value> {
    let own = schema.get("properties").and_then(|known| known.get(field));
    let patterns = schema.get("patternProperties").and_then(Value::as_object);
    own.or_else(|| patterns.and_then(|all| all.values().next()))
        .or_else(|| schema.get("additionalProperties"))
}

fn everything() -> Value {
    let source = Source { name: "everything.yaml", text: include_str!("../../tests/everything.yaml") };
    decode::<Document>(&[source]).unwrap().value
}

#[test]
fn the_schema_accepts_a_document_with_everything_in_it() {
    let schema = schema::<Document>();
    assert!(accepts(&schema, &schema, &everything()));
}

#[test]
fn the_schema_refuses_what_decoding_refuses() {
    let schema = schema::<Document>();
    let changes: [(&str, Value); 8] = [
        ("/version", json!(2)),
        ("/name", json!(5)),
        ("/providers/openai/kind", json!("opneai")),
        ("/models/gpt-4o/targets/0", json!({"provider": "openai"})),
        ("/routes/0/limits/0", json!({"requests": 5, "window": "1h", "colour": "red"})),
        ("/stores/limits", json!("disk")),
        ("/stores/cache", json!({"memory": "1MiB", "disk": true})),
        ("/tags/Environment", json!(5)),
    ];
    for (pointer, put) in changes {
        let mut document = everything();
        *document.pointer_mut(pointer).unwrap() = put;
        assert!(!accepts(&schema, &schema, &document), "{pointer}");
        assert!(crate::decode_value::<Document>("f", &document, |_| Vec::new()).is_err(), "{pointer}");
    }
}

#[test]
fn every_map_of_fields_refuses_fields_it_does_not_know() {
    fn walk(path: &str, schema: &Value) {
        if let Some(map) = schema.as_object() {
            if map.contains_key("properties") {
                assert_eq!(map.get("additionalProperties"), Some(&json!(false)), "{path}");
            }
            for (key, below) in map {
                walk(&format!("{path}/{key}"), below);
            }
        }
        for (index, below) in schema.as_array().into_iter().flatten().enumerate() {
            walk(&format!("{path}/{index}"), below);
        }
    }
    let schema = schema::<Document>();
    insta::assert_json_snapshot!(schema);
    walk("", &schema);
}
