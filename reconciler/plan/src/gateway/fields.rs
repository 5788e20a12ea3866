//! Which fields of a document differ, with nothing in the text that could be a secret.

use moorline_model::config::{Change, diff};
use serde_json::Value;

/// Longest text of a value.
const VALUE_LENGTH_MAX: usize = 120;
/// Stands for a value that is not shown.
const NOT_SHOWN: &str = "(not shown)";
/// Parts of field names whose values are not shown. References and hashes are not secrets themselves, but a value in
/// the wrong place is what a gateway edited by hand is most likely to have.
const SECRET_NAMES: [&str; 8] =
    ["api_key", "apikey", "token", "sha256", "password", "secret", "credential", "authorization"];

/// One field that differs: its path, and both values as short text.
pub(super) struct Field {
    pub(super) path: String,
    pub(super) declared: Option<String>,
    pub(super) live: Option<String>,
}

/// The fields in which `live` differs from `declared`.
pub(super) fn fields(declared: &Value, live: &Value) -> Vec<Field> {
    diff(declared, live)
        .into_iter()
        .map(|Change { path, before, after }| {
            let text = |value: Option<Value>| value.map(|value| text(&path, value));
            Field { declared: text(before), live: text(after), path: path.clone() }
        })
        .collect()
}

fn text(path: &str, value: Value) -> String {
    if is_secret(path) {
        return NOT_SHOWN.to_owned();
    }
    let text = match redacted(value) {
        Value::String(text) => text,
        other => other.to_string(),
    };
    match text.char_indices().nth(VALUE_LENGTH_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The value without what its own names or form say is secret.
fn redacted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let hide = |(name, value): (String, Value)| {
                let value = if is_secret(&name) { NOT_SHOWN.into() } else { redacted(value) };
                (name, value)
            };
            Value::Object(map.into_iter().map(hide).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(redacted).collect()),
        // A URL with a user part carries a password more often than not.
        Value::String(text) if text.contains("://") && text.contains('@') => NOT_SHOWN.into(),
        other => other,
    }
}

/// Whether a path or name smells of a secret. `tokens` of a limit is a number and not a token.
fn is_secret(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    path.split(['.', '[', ']'])
        .any(|part| part != "tokens" && SECRET_NAMES.iter().any(|name| part.contains(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn lines(declared: &Value, live: &Value) -> Vec<String> {
        let show = |value: Option<String>| value.unwrap_or_else(|| "nothing".to_owned());
        fields(declared, live)
            .into_iter()
            .map(|field| format!("{}: {} -> {}", field.path, show(field.declared), show(field.live)))
            .collect()
    }

    #[test]
    fn a_number_is_shown_with_its_path() {
        let limits = |requests: u32| json!({"routes": [{"limits": [{"requests": requests}]}]});
        assert_eq!(lines(&limits(1000), &limits(5)), ["routes[0].limits[0].requests: 1000 -> 5"]);
        let tokens = |tokens: u32| json!({"routes": [{"limits": [{"tokens": tokens}]}]});
        assert_eq!(lines(&tokens(10), &tokens(5)), ["routes[0].limits[0].tokens: 10 -> 5"]);
    }

    #[test]
    fn what_smells_of_a_secret_is_never_shown_wherever_it_stands() {
        let declared = json!({"providers": {"a": {"api_key": "env:A"}}, "keys": [{"sha256": "00ff"}]});
        let live = json!({
            "providers": {
                "a": {"api_key": "sk-live-1"},
                "b": {"kind": "openai", "api_key": "sk-live-2", "base_url": "http://u:sk-live-3@h/v1"},
            },
            "keys": [{"sha256": "sk-live-4"}],
            "stores": {"limits": {"redis_password": "sk-live-5"}},
        });
        let lines = lines(&declared, &live).join("\n");
        assert!(!lines.contains("sk-live"), "{lines}");
        assert!(lines.contains("providers.a.api_key: (not shown) -> (not shown)"), "{lines}");
        assert!(lines.contains(r#""kind":"openai""#), "{lines}");
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        let long = "ä".repeat(500);
        let lines = lines(&json!({"location": "x"}), &json!({"location": long}));
        assert_eq!(lines, [format!("location: x -> {}…", "ä".repeat(VALUE_LENGTH_MAX))]);
    }
}
