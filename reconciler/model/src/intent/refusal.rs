//! What cannot be heeded as things stand.
//!
//! In: what is remembered, and a wish. Out: why not. Asked where the wish comes in, so that nothing is written down that
//! could only be refused, and once more by the cycle that heeds it, for things may have moved on.

use super::Wish;
use crate::CommitId;
use crate::environment::EnvironmentState;
use crate::rollout::{Deployed, Phase, Rollout, Shown};

/// Why a wish is not heeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What kind of refusal, for scripts: the last word of the API's problem type.
    pub kind: &'static str,
    /// Why, as the end of a sentence.
    pub message: String,
    /// The gate that refuses; absent when what was asked makes no sense.
    pub gate: Option<&'static str>,
}

impl Refusal {
    fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), gate: None }
    }

    fn by(self, gate: &'static str) -> Self {
        Self { gate: Some(gate), ..self }
    }
}

impl Wish {
    /// Why it cannot be heeded as things stand; `None`: it can.
    #[must_use]
    pub fn refused(&self, state: &EnvironmentState) -> Option<Refusal> {
        match self {
            Self::Sync | Self::Hold { .. } | Self::Release => None,
            Self::Approve(seen) => approval(state, seen),
            Self::Rollback { commit } => match state.rollout_under_way() {
                Some(rollout) if rollout.has_changed_something() => elsewhere(rollout, commit.as_ref()),
                _ => state.way_back(commit.as_ref()).err(),
            },
        }
    }
}

/// An approval is of one change, the one that was seen: another that waits meanwhile is not approved.
fn approval(state: &EnvironmentState, seen: &Shown) -> Option<Refusal> {
    match state.rollout_under_way().and_then(Rollout::waits_for_approval) {
        None => Some(Refusal::new("not-waiting", "nothing waits for approval here")),
        Some(waiting) if waiting.is_what(seen) => None,
        Some(waiting) => {
            let message = format!("another change waits by now ({waiting}); look at it, then approve it");
            Some(Refusal::new("not-waiting", message).by("approval"))
        }
    }
}

/// A rollout that has changed something is undone: it goes back to where it came from, and nowhere else.
fn elsewhere(rollout: &Rollout, commit: Option<&CommitId>) -> Option<Refusal> {
    let from = rollout.from.as_ref().map(|from| &from.revision.commit);
    (commit.is_some() && commit != from).then(|| {
        let short = rollout.revision.commit.short();
        Refusal::new(
            "under-way",
            format!("{short} is under way, and can only be stopped; leave the commit away to stop it"),
        )
    })
}

impl EnvironmentState {
    /// What a rollback goes to: the commit named, or the last one that verified healthy before the present one.
    ///
    /// # Errors
    /// Why there is none.
    pub fn way_back(&self, commit: Option<&CommitId>) -> Result<&Deployed, Refusal> {
        let refused = |message: String| Refusal::new("no-way-back", message);
        let Some(in_force) = self.applied.as_ref().map(|applied| &applied.revision.commit) else {
            return Err(refused("nothing is in force yet that one could go back from".to_owned()));
        };
        let mut known = self.verified.iter().chain(&self.verified_before);
        let found = match commit {
            Some(commit) => known
                .find(|deployed| deployed.revision.commit == *commit)
                .ok_or_else(|| refused(format!("{} never verified healthy here", commit.short()))),
            None => known
                .find(|deployed| deployed.revision.commit != *in_force)
                .ok_or_else(|| refused("no other commit verified healthy here before".to_owned())),
        }?;
        let short = found.revision.commit.short();
        if found.revision.commit == *in_force && self.frozen.is_none() {
            return Err(refused(format!("{short} is in force")));
        }
        match self.hold_on(&found.revision.commit) {
            Some(hold) => {
                let message = format!("{short} is held by {}: {}; release it first", hold.by, hold.reason);
                Err(refused(message).by("hold"))
            }
            None => Ok(found),
        }
    }
}

impl Rollout {
    /// Whether it has got further than waiting for its turn.
    #[must_use]
    pub const fn has_changed_something(&self) -> bool {
        let waits = matches!(self.phase, Phase::Pending | Phase::Planning | Phase::AwaitingApproval);
        !waits || self.terraform_applied
    }
}
