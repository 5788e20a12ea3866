//! Walks the modules of a state.

use serde_json::Value;

use crate::attributes::masked;

/// Deepest nesting of modules that is followed.
const DEPTH_MAX: usize = 32;

/// One managed resource.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    pub(super) address: String,
    pub(super) kind: String,
    /// Its attributes, sensitive ones masked.
    pub(super) values: Value,
}

/// All managed resources of a state, its modules' too. Data sources are none, and neither are deposed objects: those
/// are leftovers of a replacement that the next apply removes.
pub(super) fn resources(state: &Value) -> Vec<Resource> {
    let mut found = Vec::new();
    walk(&state["values"]["root_module"], 0, &mut found);
    found
}

fn walk(module: &Value, depth: usize, found: &mut Vec<Resource>) {
    let list = |name: &str| module[name].as_array().into_iter().flatten();
    found.extend(list("resources").filter_map(resource));
    if depth < DEPTH_MAX {
        list("child_modules").for_each(|child| walk(child, depth + 1, found));
    }
}

fn resource(resource: &Value) -> Option<Resource> {
    let text = |name: &str| resource[name].as_str().map(str::to_owned);
    if resource["mode"] != "managed" || !resource["deposed_key"].is_null() {
        return None;
    }
    Some(Resource {
        address: text("address")?,
        kind: text("type")?,
        values: masked(&resource["values"], &resource["sensitive_values"]),
    })
}
