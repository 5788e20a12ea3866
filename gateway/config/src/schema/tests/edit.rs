//! Puts something else in the place of one part of a value. The tests of all schemas use it; those of the reconciler's
//! include this file, for nothing of a test is in what they link.

use proptest::sample::Index;
use serde_json::Value;

/// The value with something else in one of its places.
pub(crate) fn edited(value: &Value, edit: &Index, put: &Value) -> Value {
    let mut pointers = Vec::new();
    leaves(value, String::new(), &mut pointers);
    let mut value = value.clone();
    *value.pointer_mut(&pointers[edit.index(pointers.len())]).unwrap() = put.clone();
    value
}

/// The places of all scalars.
fn leaves(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
            map.iter().for_each(|(key, below)| leaves(below, format!("{at}/{}", escaped(key)), found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, below)| leaves(below, format!("{at}/{index}"), found));
        }
        _ => found.push(at),
    }
}
