//! Layering: later documents over earlier ones.

use serde_json::Value;

/// Lays `over` upon `under`: maps are merged key by key, anything else is replaced, `null` deletes.
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
        // A map over nothing still drops its own nulls, so that layering is associative.
        (_, over @ Value::Object(_)) => layer(Value::Object(serde_json::Map::new()), over),
        (_, over) => over,
    }
}
