//! Layering: later documents over earlier ones, laid from first to last.
//!
//! How layers are grouped makes no difference as long as none deletes and none puts something else in a map's
//! place. A layer that deletes must be laid on what it deletes from.

use serde_json::Value;

/// Lays `over` upon `under`: maps are merged key by key, anything else is replaced, `null` deletes.
///
/// What results holds no `null` in a map that `over` brought: a field that is null is a field that is absent.
#[must_use]
pub fn layer(under: Value, over: Value) -> Value {
    match (under, over) {
        (Value::Object(mut under), Value::Object(over)) => {
            for (key, value) in over {
                if value.is_null() {
                    under.remove(&key);
                    continue;
                }
                let below = under.remove(&key).unwrap_or(Value::Null);
                under.insert(key, layer(below, value));
            }
            Value::Object(under)
        }
        (_, over) => settled(over),
    }
}

/// Drops the map entries that say `null`, in lists too.
fn settled(value: Value) -> Value {
    match value {
        Value::Object(entries) => Value::Object(
            entries
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key, settled(value)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(settled).collect()),
        scalar => scalar,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn maps_are_merged_lists_are_replaced_and_null_deletes() {
        let under = json!({"a": 1, "list": [1, 2], "map": {"x": 1, "y": 2}, "gone": {"z": 1}, "scalar": 5});
        let over = json!({"b": 2, "list": [3], "map": {"y": null, "z": {"n": null, "m": 3}}, "gone": null, "never": null, "scalar": {"k": null}});
        assert_eq!(
            layer(under, over),
            json!({"a": 1, "b": 2, "list": [3], "map": {"x": 1, "z": {"m": 3}}, "scalar": {}})
        );
    }

    #[test]
    fn a_null_field_inside_a_list_is_an_absent_field_and_a_null_item_stays() {
        assert_eq!(
            layer(Value::Null, json!({"l": [{"a": null, "b": 1}, null]})),
            json!({"l": [{"b": 1}, null]})
        );
    }
}
