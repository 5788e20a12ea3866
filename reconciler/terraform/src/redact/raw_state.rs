//! The secrets of a raw state (`state pull`, version 4), learnt before a plan is made: an error of that plan may
//! repeat one of them.

use serde_json::Value;

use super::Known;

/// Remembers sensitive outputs, and the attributes that the state lists as sensitive.
pub(crate) fn learn_raw_state(state: &Value, known: &mut Known) {
    let outputs = state.get("outputs").and_then(Value::as_object).into_iter().flatten();
    for (_, output) in
        outputs.filter(|(_, output)| output.get("sensitive").is_some_and(|flag| *flag != false))
    {
        known.learn_value(&output["value"]);
    }
    for instance in list(state, "resources").flat_map(|resource| list(resource, "instances")) {
        let attributes = &instance["attributes"];
        for path in list(instance, "sensitive_attributes") {
            if let Some(value) = path.as_array().and_then(|steps| follow(attributes, steps)) {
                known.learn_value(value);
            }
        }
    }
}

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// Goes down a path as far as it can be followed: where it ends early, all below is taken as secret.
fn follow<'a>(value: &'a Value, steps: &[Value]) -> Option<&'a Value> {
    let Some((step, rest)) = steps.split_first() else { return Some(value) };
    // A dynamic attribute is wrapped together with its type.
    let value = match value.as_object() {
        Some(fields) if fields.len() == 2 && fields.contains_key("value") && fields.contains_key("type") => {
            &fields["value"]
        }
        _ => value,
    };
    let key = &step["value"];
    let key = key.get("value").unwrap_or(key);
    let next = match key {
        Value::String(name) => value.get(name),
        Value::Number(index) => index.as_u64().and_then(|index| value.get(usize::try_from(index).ok()?)),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    next.map_or(Some(value), |next| follow(next, rest))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn marked_attributes_are_found_through_dynamic_values_and_lists() {
        let attribute = |name: &str| json!({"type": "get_attr", "value": name});
        let state = json!({
            "outputs": {"t": {"value": "marker-output", "sensitive": true}, "n": {"value": "plain-output"}},
            "resources": [{"instances": [{
                "attributes": {"input": {"value": {"nested": [{"k": "marker-nested"}, {"k": "plain-nested"}]}, "type": []}},
                "sensitive_attributes": [[
                    attribute("input"), attribute("nested"),
                    {"type": "index", "value": {"value": 0, "type": "number"}}, attribute("k"),
                ]],
            }]}],
        });
        let mut known = Known::default();
        learn_raw_state(&state, &mut known);
        assert_eq!(
            known.text("marker-output plain-output marker-nested plain-nested"),
            "(sensitive) plain-output (sensitive) plain-nested"
        );
    }
}
