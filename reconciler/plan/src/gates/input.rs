//! All that a gate may check.

use jiff::Timestamp;
use moorline_model::CommitId;
use moorline_model::declaration;
use moorline_model::environment::EnvironmentState;
use moorline_model::plan::PlanSummary;
use moorline_model::rollout::Rollout;

use crate::decide::{Situation, is_in_force};
use crate::desired::Desired;

/// A secret that the declaration names and that has no value where the daemon runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingSecret {
    /// Where the declaration names it: `gateway.admin_token`.
    pub path: String,
    /// Why it has no value, with the reference in it.
    pub why: String,
}

/// What is known when gates are checked: the same for deciding and for `moorline why`.
#[derive(Clone, Copy)]
pub(crate) struct GateInput<'a> {
    pub(super) state: &'a EnvironmentState,
    pub(super) situation: &'a Situation<'a>,
    pub(super) missing: &'a [MissingSecret],
    pub(super) rollout: Option<&'a Rollout>,
    /// What is declared: by the rollout's commit, else by the head.
    pub(super) desired: Option<&'a Desired>,
    /// What is declared by a change that is not in force yet.
    pub(super) change: Option<&'a Desired>,
    /// The commit that would be applied: the rollout's, else the head.
    pub(super) commit: Option<&'a CommitId>,
    pub(super) now: Timestamp,
}

impl<'a> GateInput<'a> {
    pub(crate) fn new(
        state: &'a EnvironmentState,
        situation: &'a Situation<'a>,
        missing: &'a [MissingSecret],
        now: Timestamp,
    ) -> Self {
        let rollout = state.rollout_under_way();
        let head = situation.head.and_then(Result::ok);
        let desired = situation.current.filter(|_| rollout.is_some()).or(head);
        let change = desired.filter(|desired| rollout.is_some() || !is_in_force(state, desired));
        let commit = rollout.map(|rollout| &rollout.revision.commit);
        let commit = commit.or(desired.map(|desired| &desired.revision.commit));
        Self { state, situation, missing, rollout, desired, change, commit, now }
    }

    /// The same about what this commit declares.
    pub(crate) fn about(self, desired: &'a Desired) -> Self {
        Self { desired: Some(desired), change: Some(desired), commit: Some(&desired.revision.commit), ..self }
    }

    /// The same about this commit.
    pub(crate) const fn about_commit(self, commit: &'a CommitId) -> Self {
        Self { commit: Some(commit), ..self }
    }

    /// The rollout's plan, and the Terraform that it is of.
    pub(super) fn plan(&self) -> Option<(&'a PlanSummary, &'a declaration::Terraform)> {
        Some((self.rollout?.terraform.as_ref()?, self.desired?.environment.terraform.as_ref()?))
    }
}
