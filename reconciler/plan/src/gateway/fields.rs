//! Which fields of a document differ, with nothing in the text that could be a secret.

use moorline_model::config::{Change, diff};
use moorline_model::masking;
use serde_json::Value;

use crate::masked;

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
            let text = |value: &Value| masked::text(path.split(['.', '[', ']']), value);
            Field {
                declared: before.as_ref().map(text),
                live: after.as_ref().map(text),
                path: masking::masked(&path),
            }
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    pub(crate) fn lines(declared: &Value, live: &Value) -> Vec<String> {
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
        assert!(lines.contains("providers.a.api_key: env:… -> (not shown)"), "{lines}");
        assert!(lines.contains("kind: openai"), "{lines}");
    }
}
