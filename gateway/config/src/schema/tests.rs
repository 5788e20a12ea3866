//! The schema is what editors believe: it refuses what reading refuses, as far as it can be said, and nothing else.

mod edit;

use jsonschema::Validator;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use self::edit::edited;
use super::*;
use crate::{Config, Document, Source, decode};

fn validator() -> Validator {
    jsonschema::validator_for(&gateway()).unwrap()
}

/// Whether reading refuses a document.
fn is_refused(document: &Value) -> bool {
    Config::from_value("f", document).is_err()
}

fn everything() -> Value {
    let source = Source { name: "everything.yaml", text: include_str!("../../tests/everything.yaml") };
    decode::<Document>(&[source]).unwrap().value
}

#[test]
fn the_schema_accepts_a_document_with_everything_in_it_and_its_own_example() {
    let schema = gateway();
    for document in [everything(), schema["examples"][0].clone()] {
        assert!(!is_refused(&document));
        let mistakes: Vec<_> = validator().iter_errors(&document).map(|error| error.to_string()).collect();
        assert_eq!(mistakes, Vec::<String>::new());
    }
}

/// Mistakes that both see: where, and what is put there.
fn mistakes() -> Vec<(&'static str, Value)> {
    let limit = |fields: Value| ("/routes/0/limits/0", fields);
    vec![
        ("/version", json!(2)),
        ("/name", json!(5)),
        ("/name", json!("-dash")),
        ("/name", json!("a".repeat(129))),
        ("/providers/openai/kind", json!("opneai")),
        ("/providers/openai/api_key", json!("sk-live-123")),
        ("/providers/openai/api_key", json!("env:1X")),
        ("/providers/openai/api_key", json!("vault:path")),
        ("/providers/openai", json!({"kind": "openai", "region": "us-east-1"})),
        ("/providers/openai", json!({"kind": "openai", "base_url": "ftp://x"})),
        ("/providers/openai", json!({"kind": "openai", "base_url": "https://user@x/v1"})),
        ("/providers/local", json!({"kind": "openai_compatible"})),
        ("/providers/bedrock", json!({"kind": "bedrock"})),
        (
            "/providers/bedrock",
            json!({"kind": "bedrock", "region": "us-east-1", "api_key": "env:K",
                "aws": {"access_key_id": "env:I", "secret_access_key": "env:S"}}),
        ),
        ("/models/gpt-4o/targets", json!([])),
        ("/models/gpt-4o/targets/0", json!({"provider": "openai"})),
        ("/models/gpt-4o/price", json!({"input": -1, "output": 1})),
        ("/models/spread/breaker/failures", json!(0)),
        ("/models/spread/breaker/window", json!("0s")),
        ("/models/spread/hedge/max", json!(9)),
        ("/models/spread/shadow/share", json!("0%")),
        ("/models/spread/shadow/share", json!("101%")),
        ("/models/spread/shadow/share", json!("5")),
        ("/models/spread/context_window", json!(0)),
        ("/routes/0/path", json!("v1/chat")),
        ("/routes/0/path", json!("/v1/*/chat")),
        ("/routes/0/cache/ttl", json!("0ms")),
        ("/routes/0/retry/attempts", json!(11)),
        ("/routes/0/timeouts/total", json!("5")),
        ("/routes/0/timeouts/total", json!("5w")),
        ("/routes/0/min_stream_rate/events", json!(0)),
        ("/routes/0/log_bodies/expires", json!("tomorrow")),
        limit(json!({"requests": 5, "window": "1h", "colour": "red"})),
        limit(json!({"requests": 5, "tokens": 5, "window": "1h"})),
        limit(json!({"requests": 5})),
        limit(json!({"requests": 0, "window": "1h"})),
        limit(json!({"concurrency": 5, "window": "1h"})),
        limit(json!({"window": "1h"})),
        limit(json!({"per": {"header": "a b"}, "requests": 5, "window": "1h"})),
        limit(json!({"per": "house", "requests": 5, "window": "1h"})),
        limit(json!({"budget": -5, "window": "1h"})),
        ("/keys/0/sha256", json!("short")),
        ("/keys/0/sha256", json!("A".repeat(64))),
        ("/guardrails/size", json!({"max_bytes": "5MB"})),
        ("/guardrails/size", json!({"max_bytes": "5MiB", "words": ["x"]})),
        ("/guardrails/size", json!({"on": "both"})),
        ("/guardrails/size", json!({"words": []})),
        ("/guardrails/size", json!({"webhook": {"url": "http://10.0.0.1/judge"}})),
        ("/auth/jwt/jwks_url", json!("http://id.example/keys")),
        ("/auth/jwt/algorithms", json!([])),
        ("/auth/jwt/algorithms", json!(["HS256"])),
        ("/stores/limits", json!("disk")),
        ("/stores/cache", json!({"memory": "1MiB", "disk": true})),
        ("/location", json!("")),
        ("/tags/Environment", json!(5)),
    ]
}

#[test]
fn the_schema_refuses_what_reading_refuses_where_it_can_say_so() {
    let validator = validator();
    for (pointer, put) in mistakes() {
        let mut document = everything();
        *document.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = put.clone();
        assert!(is_refused(&document), "reading takes {put} at {pointer}");
        assert!(!validator.is_valid(&document), "the schema takes {put} at {pointer}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn what_reading_accepts_the_schema_accepts(edit in any::<Index>(), put in prop_oneof![
        "[0-9]{0,3}(\\.[0-9]{0,3})?(ms|s|m|h|d|%|B|KiB|MiB)?".prop_map(Value::from),
        "(https?://)?[a-z0-9.:/]{0,12}".prop_map(Value::from),
        "(env|file|ssm|vault|secretsmanager):[/#A-Za-z0-9_]{0,8}".prop_map(Value::from),
        "[/!-~]{0,12}".prop_map(Value::from),
        "[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9:]{5}(Z|\\+02:00)?".prop_map(Value::from),
        any::<u16>().prop_map(Value::from),
        (0.0..20.0f64).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
    ]) {
        thread_local!(static VALIDATOR: Validator = validator());
        let document = edited(&everything(), &edit, &put);
        let is_valid = VALIDATOR.with(|validator| validator.is_valid(&document));
        prop_assert!(is_valid || is_refused(&document), "{put}: {document}");
    }
}

#[test]
fn every_map_of_fields_refuses_fields_it_does_not_know() {
    fn walk(path: &str, schema: &Value) {
        if let Some(map) = schema.as_object() {
            if map.contains_key("properties") && map.contains_key("type") {
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
    let mut schema = gateway();
    let id = schema.as_object_mut().unwrap().remove("$id").unwrap();
    assert_eq!(id, json!(format!("urn:moorline:{}:gateway", env!("CARGO_PKG_VERSION"))));
    insta::assert_json_snapshot!(schema);
    walk("", &schema);
}

#[test]
fn every_field_says_when_a_change_of_it_is_in_force() {
    fn walk(path: &str, schema: &Value) {
        let fields =
            schema.get("properties").and_then(Value::as_object).filter(|_| schema.get("type").is_some());
        for (name, field) in fields.into_iter().flatten() {
            assert_eq!(field.get("x-moorline-applies"), Some(&json!("live")), "{path}/{name}");
        }
        for (key, below) in schema.as_object().into_iter().flatten() {
            walk(&format!("{path}/{key}"), below);
        }
        for below in schema.as_array().into_iter().flatten() {
            walk(path, below);
        }
    }
    walk("", &gateway());
}
