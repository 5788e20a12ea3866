//! The difference between two documents, field by field.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One field that differs. Paths are written as in mistakes: `models.gpt-4o.targets[0].weight`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Path of the field.
    pub path: String,
    /// The value before; absent: the field was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The value after; absent: the field is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// Lists the fields in which `after` differs from `before`, in path order. Empty exactly when both have the same
/// [`crate::Digest`]: `5` and `5.0` are one number here as they are there.
#[must_use]
pub fn diff(before: &Value, after: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    walk(String::new(), Some(before), Some(after), &mut changes);
    changes
}

fn walk(path: String, before: Option<&Value>, after: Option<&Value>, changes: &mut Vec<Change>) {
    match (before, after) {
        (Some(Value::Number(a)), Some(Value::Number(b))) if a.as_f64() == b.as_f64() => {}
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let mut keys: Vec<&String> =
                a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))).collect();
            keys.sort();
            for key in keys {
                let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(below, a.get(key), b.get(key), changes);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for index in 0..a.len().max(b.len()) {
                walk(format!("{path}[{index}]"), a.get(index), b.get(index), changes);
            }
        }
        (before, after) if before == after => {}
        (before, after) => changes.push(Change { path, before: before.cloned(), after: after.cloned() }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_field_that_differs_is_named_once_with_both_values() {
        let before = json!({"name": "a", "models": {"gpt-4.1": {"targets": [{"weight": 1}, {"weight": 2}]}}, "tags": {"x": "y"}});
        let after = json!({"name": "a", "models": {"gpt-4.1": {"targets": [{"weight": 3}]}}, "keys": [], "tags": {"x": "y"}});
        let shown: Vec<String> = diff(&before, &after)
            .into_iter()
            .map(|change| {
                format!(
                    "{} {:?} {:?}",
                    change.path,
                    change.before.map(|v| v.to_string()),
                    change.after.map(|v| v.to_string())
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                r#"keys None Some("[]")"#,
                r#"models.gpt-4.1.targets[0].weight Some("1") Some("3")"#,
                r#"models.gpt-4.1.targets[1] Some("{\"weight\":2}") None"#,
            ]
        );
    }

    #[test]
    fn an_empty_list_is_not_an_empty_map_and_neither_is_nothing() {
        assert_eq!(diff(&json!({"a": []}), &json!({"a": {}})).len(), 1);
        assert_eq!(diff(&json!({"a": []}), &json!({})).len(), 1);
        assert_eq!(diff(&json!({"a": {}}), &json!({})).len(), 1);
    }
}
