//! The managed resources of a Terraform state, those of its modules too.

use serde_json::Value;

use crate::attributes::{Attributes, Unexpected, masked};

/// Deepest nesting of modules that is followed.
const DEPTH_MAX: usize = 32;

/// A state, as `terraform show -json` writes it. Data sources are left out, and so are deposed objects: those are
/// leftovers of a replacement that the next apply removes.
#[derive(Debug)]
pub(crate) struct State<'a>(Vec<Resource<'a>>);

#[derive(Debug)]
struct Resource<'a> {
    address: &'a str,
    kind: &'a str,
    values: &'a Value,
    sensitive: &'a Value,
}

/// A resource's address, and what was read of its attributes.
#[derive(Debug)]
pub(crate) struct Declared<T> {
    pub(crate) address: String,
    pub(crate) read: Result<T, Unexpected>,
}

impl<'a> State<'a> {
    pub(crate) fn of(state: &'a Value) -> Self {
        let mut found = Vec::new();
        walk(&state["values"]["root_module"], 0, &mut found);
        Self(found)
    }

    /// Reads the attributes of all resources of these types, in the order of the state. What is marked sensitive is
    /// masked before.
    pub(crate) fn read<T>(
        &self,
        types: &[&str],
        read: impl Fn(&Attributes<'_>) -> Result<T, Unexpected>,
    ) -> Vec<Declared<T>> {
        let resources = self.0.iter().filter(|resource| types.contains(&resource.kind));
        let read = |resource: &Resource<'_>| {
            let values = masked(resource.values, resource.sensitive);
            Declared { address: resource.address.to_owned(), read: read(&Attributes::of(&values)) }
        };
        resources.map(read).collect()
    }
}

fn walk<'a>(module: &'a Value, depth: usize, found: &mut Vec<Resource<'a>>) {
    let list = |name: &str| module[name].as_array().into_iter().flatten();
    found.extend(list("resources").filter_map(managed));
    if depth < DEPTH_MAX {
        list("child_modules").for_each(|child| walk(child, depth + 1, found));
    }
}

fn managed(resource: &Value) -> Option<Resource<'_>> {
    if resource["mode"] != "managed" || !resource["deposed_key"].is_null() {
        return None;
    }
    Some(Resource {
        address: resource["address"].as_str()?,
        kind: resource["type"].as_str()?,
        values: &resource["values"],
        sensitive: &resource["sensitive_values"],
    })
}
