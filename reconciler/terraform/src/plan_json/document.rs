//! The parts of a plan's JSON that are looked at.

use std::collections::BTreeMap;

use moorline_model::plan::Action;
use serde::Deserialize;
use serde_json::Value;

use crate::redact::{Known, Mask, hidden, learn_values};

/// A plan.
#[derive(Debug, Deserialize)]
pub(super) struct Plan {
    pub(super) format_version: String,
    #[serde(default)]
    pub(super) errored: bool,
    #[serde(default)]
    pub(super) resource_drift: Vec<ChangedResource>,
    #[serde(default)]
    pub(super) resource_changes: Vec<ChangedResource>,
    #[serde(default)]
    pub(super) output_changes: BTreeMap<String, Change>,
    #[serde(default)]
    variables: BTreeMap<String, Variable>,
    #[serde(default)]
    planned_values: Value,
    #[serde(default)]
    prior_state: Value,
    #[serde(default)]
    configuration: Value,
}

/// A resource that drifted, or that would be changed.
#[derive(Debug, Deserialize)]
pub(super) struct ChangedResource {
    pub(super) address: String,
    #[serde(default)]
    pub(super) previous_address: Option<String>,
    #[serde(default)]
    pub(super) deposed: Option<String>,
    #[serde(default)]
    pub(super) mode: String,
    #[serde(default, rename = "type")]
    pub(super) resource_type: String,
    pub(super) change: Change,
}

/// From what to what.
#[derive(Debug, Deserialize)]
pub(super) struct Change {
    #[serde(default)]
    actions: Vec<String>,
    #[serde(default)]
    pub(super) before: Value,
    #[serde(default)]
    pub(super) after: Value,
    #[serde(default)]
    pub(super) after_unknown: Value,
    #[serde(default)]
    pub(super) before_sensitive: Value,
    #[serde(default)]
    pub(super) after_sensitive: Value,
    #[serde(default)]
    pub(super) importing: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Variable {
    #[serde(default)]
    value: Value,
}

impl Change {
    /// What would happen, in one word.
    pub(super) fn action(&self) -> Action {
        let actions: Vec<&str> = self.actions.iter().map(String::as_str).collect();
        match actions.as_slice() {
            ["no-op"] => Action::NoOp,
            ["create"] => Action::Create,
            ["read"] => Action::Read,
            ["update"] => Action::Update,
            ["delete"] => Action::Delete,
            ["forget"] => Action::Forget,
            ["delete", "create"] | ["create", "delete" | "forget"] => Action::Replace,
            _ => Action::Unknown,
        }
    }

    fn learn(&self, known: &mut Known) {
        for (value, mask) in [(&self.before, &self.before_sensitive), (&self.after, &self.after_sensitive)] {
            hidden(value, Mask::read(Some(mask)), &mut |value| known.learn_value(value));
        }
    }
}

impl Plan {
    /// Remembers every value that the plan marks as sensitive, wherever it stands.
    pub(super) fn learn(&self, known: &mut Known) {
        for resource in self.resource_drift.iter().chain(&self.resource_changes) {
            resource.change.learn(known);
        }
        for change in self.output_changes.values() {
            change.learn(known);
        }
        learn_values(&self.planned_values, known);
        learn_values(&self.prior_state["values"], known);
        for (name, variable) in &self.variables {
            // Variables carry no mark here; the configuration says which are sensitive. One it does not know is.
            let declared = self.configuration.pointer("/root_module/variables").and_then(|all| all.get(name));
            if declared.is_none_or(|declared| declared.get("sensitive").is_some_and(|flag| flag != false)) {
                known.learn_value(&variable.value);
            }
        }
    }

    /// How many resources the state holds.
    pub(super) fn resource_count(&self) -> usize {
        count(&self.prior_state["values"]["root_module"])
    }
}

fn count(module: &Value) -> usize {
    let list = |name: &str| module.get(name).and_then(Value::as_array).into_iter().flatten();
    let own = list("resources").filter(|resource| resource.get("mode").is_none_or(|mode| mode == "managed"));
    own.count() + list("child_modules").map(count).sum::<usize>()
}
