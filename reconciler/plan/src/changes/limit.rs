//! A limit in words: `1000` of `requests per key and 1h`.

use serde_json::Value;

/// The lists that hold limits.
pub(super) const LIST: &str = "limits";
/// What a limit counts, and what that is called.
const COUNTED: [(&str, &str); 4] = [
    ("requests", "requests"),
    ("tokens", "tokens"),
    ("budget", "USD"),
    ("concurrency", "requests at the same time"),
];

fn counted(limit: &Value) -> Option<(&'static str, &'static str, &Value)> {
    COUNTED.into_iter().find_map(|(field, called)| Some((field, called, limit.get(field)?)))
}

/// For whom it counts: `key`, `route`, `header X`.
fn per(limit: &Value) -> String {
    match limit.get("per") {
        None => "key".to_owned(),
        Some(Value::String(each)) => each.clone(),
        Some(other) => match other.get("header").and_then(Value::as_str) {
            Some(header) => format!("header {header}"),
            None => other.to_string(),
        },
    }
}

/// What it counts, and for whom.
pub(super) fn kind(limit: &Value) -> Option<(&'static str, String)> {
    counted(limit).map(|(field, ..)| (field, per(limit)))
}

/// What tells it from the others beside it.
pub(super) fn name(limit: &Value) -> Option<String> {
    unit(limit)
}

/// How much it allows.
pub(super) fn amount(limit: &Value) -> Option<&Value> {
    counted(limit).map(|(.., amount)| amount)
}

/// Of what: `requests per key and 1h`.
pub(super) fn unit(limit: &Value) -> Option<String> {
    let (_, called, _) = counted(limit)?;
    let window = limit.get("window").and_then(Value::as_str);
    let each = match per(limit).as_str() {
        // All requests there together.
        "route" => None,
        each => Some(each.to_owned()),
    };
    let per: Vec<_> = each.into_iter().chain(window.map(str::to_owned)).collect();
    let per = if per.is_empty() { String::new() } else { format!(" per {}", per.join(" and ")) };
    let sliding = match limit.get("algorithm").and_then(Value::as_str) {
        None | Some("fixed") => String::new(),
        Some(algorithm) => format!(", {algorithm}"),
    };
    Some(format!("{called}{per}{sliding}"))
}
