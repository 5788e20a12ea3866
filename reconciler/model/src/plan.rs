//! A Terraform plan as the reconciler keeps it: addresses, actions and redacted values, never the plan file.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::CommitId;
use crate::drift::Finding;

/// What a plan would do to one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Make it.
    Create,
    /// Change it in place.
    Update,
    /// Destroy it and make it anew, in either order.
    Replace,
    /// Destroy it.
    Delete,
    /// Read a data source.
    Read,
    /// Leave it, but stop managing it.
    Forget,
    /// Nothing.
    NoOp,
    /// An action this release does not know; treated as the most dangerous.
    Unknown,
}

impl Action {
    /// The action in a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Replace => "replace",
            Self::Delete => "delete",
            Self::Read => "read",
            Self::Forget => "forget",
            Self::NoOp => "leave",
            Self::Unknown => "do something unknown with",
        }
    }

    /// Whether something that exists would be lost.
    #[must_use]
    pub const fn is_destructive(self) -> bool {
        matches!(self, Self::Replace | Self::Delete | Self::Forget | Self::Unknown)
    }

    /// Whether anything would be changed at all.
    #[must_use]
    pub const fn is_change(self) -> bool {
        !matches!(self, Self::Read | Self::NoOp)
    }
}

/// One resource in a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResourceChange {
    /// Its address.
    pub address: String,
    /// Its type (`aws_ecs_service`).
    pub resource_type: String,
    /// What would happen.
    pub action: Action,
    /// Names of the attributes that would change; never their values.
    pub attributes: Vec<String>,
}

/// What a plan is bound to. It is applied only while all of it still holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanBinding {
    /// The commit whose tree was planned.
    pub commit: CommitId,
    /// SHA-256 of the saved plan file, hex.
    pub plan_sha256: String,
    /// Serial of the state it was made against; absent when there was no state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_serial: Option<u64>,
    /// Lineage of that state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_lineage: Option<String>,
    /// When it was made.
    pub made_at: Timestamp,
}

/// A plan's content, safe to store and show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanSummary {
    /// What it is bound to.
    pub binding: PlanBinding,
    /// Resources it would change (`no-op` and `read` left out).
    pub changes: Vec<ResourceChange>,
    /// Root outputs it would change, by name.
    pub outputs: Vec<String>,
    /// Drift it shows: `terraform` lane.
    pub findings: Vec<Finding>,
    /// Resources in the state, changed or not: the base of deletion shares.
    pub resource_count: usize,
}

impl PlanSummary {
    /// Whether applying it would do anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.outputs.is_empty()
    }

    /// SHA-256, hex, over what the plan is made from and what it would change, without when it was made and without
    /// the plan file's own hash. Two plans with the same content ask a person the same question, so an approval
    /// outlives a plan that had to be made anew because it grew old.
    #[must_use]
    pub fn content(&self) -> String {
        let PlanBinding { commit, state_serial, state_lineage, .. } = &self.binding;
        let content = serde_json::json!([commit, state_serial, state_lineage, self.changes, self.outputs]);
        hex::encode(Sha256::digest(content.to_string()))
    }

    /// The changes that would lose something.
    pub fn destructive(&self) -> impl Iterator<Item = &ResourceChange> {
        self.changes.iter().filter(|change| change.action.is_destructive())
    }

    /// `2 to add, 1 to change, 0 to destroy`, as Terraform says it. A replacement counts as one of each.
    #[must_use]
    pub fn headline(&self) -> String {
        let count =
            |wanted: &[Action]| self.changes.iter().filter(|change| wanted.contains(&change.action)).count();
        let add = count(&[Action::Create, Action::Replace]);
        let change = count(&[Action::Update]);
        let destroy = count(&[Action::Delete, Action::Replace, Action::Forget, Action::Unknown]);
        format!("{add} to add, {change} to change, {destroy} to destroy")
    }
}
