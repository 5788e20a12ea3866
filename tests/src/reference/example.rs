//! The example of a field: the first value that a document has at its path.

use serde_json::Value;

/// The first value at a path such as `environments[].gateway`; `NAME` is any key of a map. What is empty is no example.
pub(super) fn example<'a>(document: &'a Value, path: &str) -> Option<&'a Value> {
    let (part, rest) = path.split_once('.').unwrap_or((path, ""));
    let (field, is_list) = part.strip_suffix("[]").map_or((part, false), |field| (field, true));
    let found: Vec<&Value> = match document {
        Value::Object(map) if field == "NAME" => map.values().collect(),
        other => other.get(field).into_iter().collect(),
    };
    let found = found.into_iter().flat_map(|value| match value {
        Value::Array(items) if is_list => items.iter().collect(),
        value => vec![value],
    });
    found.into_iter().find_map(|value| {
        if rest.is_empty() { Some(value).filter(|value| is_said(value)) } else { example(value, rest) }
    })
}

fn is_said(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => true,
    }
}
