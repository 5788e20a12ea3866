//! Layering: later documents over earlier ones.

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
