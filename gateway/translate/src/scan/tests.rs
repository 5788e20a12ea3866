//! The scanner against serde_json, and the table of refusals.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn fields(body: &str) -> Fields {
    scan(body.as_bytes()).unwrap()
}

#[test]
fn the_deciding_fields_are_found_wherever_they_stand() {
    let body = r#" {"messages":[{"role":"user","content":"{\"model\":\"x\"}"}], "model" : "gpt-4o","stream":true, "stream_options":{"include_usage":true},"max_tokens":12}"#;
    let found = fields(body);
    assert_eq!(found.model.as_deref(), Some("gpt-4o"));
    assert_eq!(found.model_span.unwrap().of(body.as_bytes()), b"\"gpt-4o\"");
    assert!(found.stream);
    assert_eq!(found.stream_options.unwrap().of(body.as_bytes()), br#"{"include_usage":true}"#);
    assert_eq!(found.tokens_max, Some(12));
    assert_eq!(&body[..found.open], " {");
}

#[test]
fn nested_fields_of_the_same_name_decide_nothing() {
    let found = fields(r#"{"a":{"model":"x","stream":true},"b":[{"model":"y"}]}"#);
    assert_eq!((found.model, found.stream), (None, false));
}

#[test]
fn a_key_written_with_escapes_is_the_key_it_spells() {
    assert_eq!(fields(r#"{"mod\u0065l":"gpt-4o"}"#).model.as_deref(), Some("gpt-4o"));
    let doubled = r#"{"model":"a","\u006dodel":"b"}"#;
    assert_eq!(scan(doubled.as_bytes()), Err(ScanError::Duplicate("model")));
}

#[test]
fn what_a_provider_might_read_otherwise_is_refused() {
    for (body, error) in [
        (r#"{"model":"a","model":"a"}"#, ScanError::Duplicate("model")),
        (r#"{"stream":true,"stream":false}"#, ScanError::Duplicate("stream")),
        (r#"{"model":"a","Model":"b"}"#, ScanError::Ambiguous("model")),
        (r#"{"STREAM":true}"#, ScanError::Ambiguous("stream")),
        (r#"{"model":1}"#, ScanError::WrongType { field: "model", expected: "a string" }),
        (r#"{"model":null}"#, ScanError::WrongType { field: "model", expected: "a string" }),
        (r#"{"stream":"yes"}"#, ScanError::WrongType { field: "stream", expected: "true or false" }),
        (r#"{"stream_options":[]}"#, ScanError::WrongType { field: "stream_options", expected: "an object" }),
        (r#"{"max_tokens":-1}"#, ScanError::WrongType { field: "max_tokens", expected: "a whole number" }),
        ("", ScanError::Truncated),
        ("  ", ScanError::Truncated),
        ("{", ScanError::Truncated),
        (r#"{"model":"a""#, ScanError::Truncated),
        (r#"{"model":"a"} x"#, ScanError::Malformed(14)),
        (r#"{"model":"a"}{}"#, ScanError::Malformed(13)),
        ("[]", ScanError::NotAnObject),
        ("\"model\"", ScanError::NotAnObject),
        ("nul", ScanError::Truncated),
        (r#"{"a":01}"#, ScanError::Malformed(6)),
        (r#"{"a":1,}"#, ScanError::Malformed(7)),
        ("{\"a\":\"\n\"}", ScanError::Malformed(6)),
    ] {
        assert_eq!(scan(body.as_bytes()), Err(error), "{body}");
    }
    assert_eq!(scan(b"{\"a\":\"\xff\"}"), Err(ScanError::NotUtf8(6)));
}

#[test]
fn depth_is_bounded_and_costs_no_stack() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    let most = DEPTH_MAX as usize - 1;
    assert!(scan(nested(most).as_bytes()).is_ok());
    assert_eq!(scan(nested(most + 1).as_bytes()), Err(ScanError::TooDeep));
    assert_eq!(scan(nested(1_000_000).as_bytes()), Err(ScanError::TooDeep));
    assert_eq!(scan("[".repeat(100_000).as_bytes()), Err(ScanError::TooDeep));
}

#[test]
fn an_inline_file_weighs_a_flat_amount() {
    let picture = "A".repeat(1_000_000);
    let body = format!(r#"{{"messages":[{{"image_url":{{"url":"data:image/png;base64,{picture}"}}}}]}}"#);
    assert!(fields(&body).weight_bytes < 5_000);
    assert_eq!(fields(r#"{"a":"data"}"#).weight_bytes, 12);
}

/// JSON-like text: valid JSON, sometimes with a byte changed, dropped or doubled.
fn nearly_json() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[a-z\\\\\"/\u{1}-\u{20}]{0,12}".prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(6, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map("[a-z\\\\\" ]{0,6}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    (value, any::<bool>(), prop::collection::vec((any::<prop::sample::Index>(), 0u8..4, any::<u8>()), 0..3))
        .prop_map(|(value, pretty, edits)| {
            let text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) };
            let mut text = text.unwrap();
            for (index, kind, byte) in edits {
                if text.is_empty() {
                    break;
                }
                let at = index.index(text.len());
                match kind {
                    0 => text[at] = byte,
                    1 => {
                        text.remove(at);
                    }
                    2 => text.insert(at, text[at]),
                    _ => text.truncate(at),
                }
            }
            text
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn it_accepts_exactly_what_serde_json_accepts(text in nearly_json()) {
        let is_object = text.trim_ascii_start().first() == Some(&b'{');
        let valid = std::str::from_utf8(&text).is_ok()
            && serde_json::from_slice::<serde::de::IgnoredAny>(&text).is_ok();
        match scan(&text) {
            Ok(_) => prop_assert!(valid && is_object),
            Err(ScanError::NotAnObject) => prop_assert!(valid && !is_object),
            Err(ScanError::Duplicate(_) | ScanError::Ambiguous(_) | ScanError::WrongType { .. }) => {}
            Err(_) => prop_assert!(!valid, "refused: {}", String::from_utf8_lossy(&text)),
        }
    }

    #[test]
    fn every_proper_prefix_of_an_object_is_refused(text in nearly_json(), cut in any::<prop::sample::Index>()) {
        if text.trim_ascii_end().ends_with(b"}") && scan(&text).is_ok() {
            let whole = text.trim_ascii_end();
            let at = cut.index(whole.len());
            prop_assert!(scan(&whole[..at]).is_err());
        }
    }

    #[test]
    fn spans_are_the_values_serde_json_reads(model in "[ -~]{0,20}", stream: bool, other in any::<String>()) {
        let body = serde_json::json!({"a": other, "model": model, "stream": stream, "zz": [other]}).to_string();
        let found = fields(&body);
        prop_assert_eq!(found.model.as_ref(), Some(&model));
        prop_assert_eq!(found.stream, stream);
        let at = found.model_span.unwrap().of(body.as_bytes());
        prop_assert_eq!(serde_json::from_slice::<String>(at).unwrap(), model);
    }
}
