//! A whole state or value tree, redacted but with its shape kept, for those who compare it with what is live.

use moorline_model::masking;
use serde_json::{Map, Value};

use super::mask::hidden;
use super::{Known, Mask, REDACTED};

/// Redacts what `terraform show -json` writes about a state: every resource by its `sensitive_values`, every output
/// by its `sensitive` flag. What is in neither form is left out.
#[must_use]
pub fn redact_state(state: &Value, known: &Known) -> Value {
    let mut known = known.clone();
    learn_values(&state["values"], &mut known);
    let empty = Map::new();
    let values = state.get("values").and_then(Value::as_object).unwrap_or(&empty);
    let mut clean = Map::new();
    for name in ["format_version", "terraform_version"] {
        if let Some(version) = state.get(name).filter(|version| version.is_string()) {
            clean.insert(name.to_owned(), version.clone());
        }
    }
    let outputs = values.get("outputs").and_then(Value::as_object).unwrap_or(&empty);
    let outputs: Map<String, Value> =
        outputs.iter().map(|(name, output)| (name.clone(), redact_output(name, output, &known))).collect();
    let root = values
        .get("root_module")
        .map_or_else(|| Value::Object(Map::new()), |module| redact_module(module, &known));
    clean.insert("values".to_owned(), serde_json::json!({"outputs": outputs, "root_module": root}));
    Value::Object(clean)
}

/// Remembers every value that is marked as sensitive in the `values` of a state or a plan.
pub(crate) fn learn_values(values: &Value, known: &mut Known) {
    if let Some(outputs) = values.get("outputs").and_then(Value::as_object) {
        for output in outputs.values().filter(|output| is_sensitive(output)) {
            known.learn_value(output.get("value").unwrap_or(&Value::Null));
        }
    }
    if let Some(root) = values.get("root_module") {
        learn_module(root, known);
    }
}

fn learn_module(module: &Value, known: &mut Known) {
    for resource in list(module, "resources") {
        let mask = Mask::read(resource.get("sensitive_values"));
        if let Some(values) = resource.get("values") {
            hidden(values, mask, &mut |value| known.learn_value(value));
        }
    }
    for child in list(module, "child_modules") {
        learn_module(child, known);
    }
}

fn is_sensitive(output: &Value) -> bool {
    output.get("sensitive") != Some(&Value::Bool(false))
}

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn redact_output(name: &str, output: &Value, known: &Known) -> Value {
    if is_sensitive(output) {
        return serde_json::json!({"sensitive": true, "value": REDACTED});
    }
    let value = output.get("value").map(|value| redact_value(name, value, Mask::Open, known));
    serde_json::json!({"sensitive": false, "value": value})
}

fn redact_module(module: &Value, known: &Known) -> Value {
    let mut clean = Map::new();
    if let Some(address) = module.get("address").and_then(Value::as_str) {
        clean.insert("address".to_owned(), Value::String(known.text(address)));
    }
    let resources: Vec<Value> =
        list(module, "resources").map(|resource| redact_resource(resource, known)).collect();
    if !resources.is_empty() {
        clean.insert("resources".to_owned(), Value::Array(resources));
    }
    let children: Vec<Value> =
        list(module, "child_modules").map(|child| redact_module(child, known)).collect();
    if !children.is_empty() {
        clean.insert("child_modules".to_owned(), Value::Array(children));
    }
    Value::Object(clean)
}

fn redact_resource(resource: &Value, known: &Known) -> Value {
    let mut clean = Map::new();
    for name in ["address", "mode", "type", "name", "provider_name"] {
        if let Some(text) = resource.get(name).and_then(Value::as_str) {
            clean.insert(name.to_owned(), Value::String(known.text(text)));
        }
    }
    for name in ["index", "schema_version", "tainted"] {
        if let Some(value) = resource.get(name) {
            clean.insert(name.to_owned(), redact_value(name, value, Mask::Open, known));
        }
    }
    if let Some(values) = resource.get("values") {
        // A state without masks is of a version that we do not know: then all of it is secret.
        let mask = resource.get("sensitive_values").map_or(Mask::Secret, |mask| Mask::read(Some(mask)));
        clean.insert("values".to_owned(), redact_value("", values, mask, known));
        if let Some(mask) = resource.get("sensitive_values") {
            clean.insert("sensitive_values".to_owned(), mask.clone());
        }
    }
    Value::Object(clean)
}

/// Redacts one value, with its shape kept.
pub(crate) fn redact_value(name: &str, value: &Value, mask: Mask<'_>, known: &Known) -> Value {
    match value {
        Value::Null | Value::Bool(_) if !mask.closed().is_secret() => value.clone(),
        _ if mask.is_secret() => Value::String(REDACTED.to_owned()),
        Value::Object(fields) => Value::Object(redact_fields(name, fields, mask, known)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| redact_value(name, item, mask.item(index, items.len()), known))
            .collect(),
        _ if mask.closed().is_secret() => Value::String(REDACTED.to_owned()),
        Value::String(text) => Value::String(redact_text(name, text, known)),
        Value::Number(number) if known.is_in(&number.to_string()) => Value::String(REDACTED.to_owned()),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn redact_fields(
    name: &str,
    fields: &Map<String, Value>,
    mask: Mask<'_>,
    known: &Known,
) -> Map<String, Value> {
    // Containers' variables are lists of `{name, value}`, not marked, and full of secrets.
    let is_variable = name.eq_ignore_ascii_case("environment") && fields.contains_key("name");
    let redact_field = |(field, value): (&String, &Value)| {
        let clean = if is_variable && field == "value" {
            Value::String(REDACTED.to_owned())
        } else {
            redact_value(field, value, mask.field(field), known)
        };
        (known.text(field), clean)
    };
    fields.iter().map(redact_field).collect()
}

fn redact_text(name: &str, text: &str, known: &Known) -> String {
    if text.is_empty() {
        return String::new();
    }
    if masking::is_secret_name(name) || masking::is_secret_form(text) {
        return REDACTED.to_owned();
    }
    // A document inside a text: redacted by its own names, and written back.
    if text.trim_start().starts_with(['{', '['])
        && let Ok(document @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str::<Value>(text)
    {
        return known.text(&redact_value(name, &document, Mask::Open, known).to_string());
    }
    masking::masked_as(&known.text(text), REDACTED)
}
