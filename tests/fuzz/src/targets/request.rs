//! What is decided on is what the provider will read: scanner and provider must agree on every body.

use bytes::Bytes;
use moorline_translate::{Edits, ScanError, multipart};
use serde_json::Value;

/// The request scanner, held against serde_json, and the body with another model spliced in.
pub(super) fn scan(bytes: &[u8]) {
    let scanned = moorline_translate::scan(bytes);
    let parsed: Option<Value> = serde_json::from_slice(bytes).ok();
    let fields = match (scanned, &parsed) {
        (Ok(fields), Some(Value::Object(_))) => fields,
        // serde_json's tree refuses what its grammar does not: numbers beyond a double, and its own limit of depth.
        (Ok(_), None) if serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok() => return,
        (Ok(_), None) => return assert!(is_too_deep(bytes), "accepted, and it is no JSON"),
        (Ok(_), Some(_)) => panic!("accepted, and it is no object"),
        (Err(ScanError::Malformed(_) | ScanError::Truncated | ScanError::NotUtf8(_)), parsed) => {
            return assert!(parsed.is_none(), "refused as malformed, and it is JSON");
        }
        (Err(ScanError::NotAnObject), parsed) => {
            return assert!(!matches!(parsed, Some(Value::Object(_))), "refused, and it is an object");
        }
        (Err(_), _) => return,
    };
    let parsed = parsed.unwrap_or_default();
    assert_eq!(parsed.get("model").and_then(Value::as_str), fields.model.as_deref());
    assert_eq!(parsed.get("stream").and_then(Value::as_bool).unwrap_or(false), fields.stream);
    assert_eq!(parsed.get("n").and_then(Value::as_u64), fields.answers);

    let original = Bytes::copy_from_slice(bytes);
    let mut edits = Edits::new();
    edits.model(&fields, "another");
    if fields.stream {
        edits.include_usage(bytes, &fields);
    }
    let parts = edits.apply(&original);
    let length = parts.length();
    let spliced: Vec<u8> = parts.iter().flat_map(|part| part.to_vec()).collect();
    assert_eq!(spliced.len() as u64, length);
    let mut spliced: Value = serde_json::from_slice(&spliced).expect("a spliced body is JSON");
    let mut expected = parsed;
    assert_eq!(spliced["model"], "another");
    expected["model"] = "another".into();
    if fields.stream {
        assert_eq!(spliced["stream_options"]["include_usage"], true);
        expected["stream_options"] = Value::Null;
        spliced["stream_options"] = Value::Null;
    }
    assert_eq!(spliced, expected, "another field changed");
}

/// Whether serde_json's own limit of depth is what refused it.
fn is_too_deep(bytes: &[u8]) -> bool {
    bytes.iter().filter(|byte| matches!(byte, b'{' | b'[')).count() >= 127
}

/// Forms with a file. The boundary is the input's first line, as far as it can be one.
pub(super) fn form(bytes: &[u8]) {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let Ok(content_type) = std::str::from_utf8(line) else { return };
    let body = Bytes::copy_from_slice(bytes.get(line.len() + 1..).unwrap_or_default());
    let Ok(boundary) = multipart::boundary(content_type.trim_end()) else { return };
    let Ok(form) = multipart::scan(&body, boundary) else { return };
    let Ok(parts) = multipart::with_model(&body, &form, boundary, "another") else { return };
    let spliced: Vec<u8> = parts.iter().flat_map(|part| part.to_vec()).collect();
    let again = multipart::scan(&spliced, boundary).expect("a spliced form is a form");
    assert_eq!(again.model, "another");
    let other = |form: &multipart::Form| (form.stream, form.response_format.clone(), form.file_bytes);
    assert_eq!(other(&again), other(&form), "another field changed");
}
