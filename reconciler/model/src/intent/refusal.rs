//! What cannot be applied as things stand.
//!
//! In: what is remembered, and an intent. Out: why not. Checked where the intent comes in, so that nothing is recorded that
//! could only be refused, and once more by the cycle that applies it, for things may have moved on.

use std::collections::BTreeMap;

use moorline_config::Digest;

use super::Operation;
use super::healing::{self, HealScope};
use crate::CommitId;
use crate::adoption::Found;
use crate::environment::EnvironmentState;
use crate::rollout::{ApprovalSubject, Deployed, Phase, Rollout};

/// Why an intent is not applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What kind of refusal, for scripts: the last word of the API's problem type.
    pub kind: &'static str,
    /// Why, without a capital at its beginning and a full stop at its end.
    pub message: String,
    /// The gate that refuses; absent when the operation makes no sense.
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

impl Operation {
    /// Why it cannot be applied as things stand; `None`: it can.
    #[must_use]
    pub fn refused(&self, state: &EnvironmentState) -> Option<Refusal> {
        if state.undeclared_since.is_some() {
            let message = format!(
                "no commit declares {} any more; one that declares it again brings it back",
                state.name
            );
            return Some(Refusal::new("not-declared", message).by("source"));
        }
        match self {
            Self::Sync | Self::Hold { .. } => None,
            Self::Release => state.rollout_under_way().and_then(release_too_early),
            Self::Approve(seen) => approval(state, seen),
            Self::Heal { only } => heal(state, only.as_deref()),
            Self::Adopt { seen } => adoption(state, seen),
            Self::Rollback { commit: None } if state.goes_back_to_found() => None,
            Self::Rollback { commit } => match state.rollout_under_way() {
                Some(rollout) if rollout.has_changed_something() => {
                    other_rollback_target(rollout, commit.as_ref())
                }
                _ => state.way_back(commit.as_ref()).err(),
            },
        }
    }
}

/// When a rollback ends its commit is put on hold; an earlier release would be overwritten by that.
fn release_too_early(rollout: &Rollout) -> Option<Refusal> {
    let is_undone = matches!(rollout.phase, Phase::RollingBack { .. });
    is_undone.then(|| {
        let short = rollout.revision.commit.short();
        let message = format!("{short} is being undone, and is held when that is over; release it then");
        Refusal::new("not-over", message).by("hold")
    })
}

/// An approval is of one change, the one that was seen: another that waits meanwhile is not approved.
fn approval(state: &EnvironmentState, seen: &ApprovalSubject) -> Option<Refusal> {
    match state.rollout_under_way().and_then(Rollout::waits_for_approval) {
        None => Some(Refusal::new("not-waiting", "nothing waits for approval here")),
        Some(waiting) if waiting.is_what(seen) => None,
        Some(waiting) => {
            let message = format!("another change waits by now ({waiting}); look at it, then approve it");
            Some(Refusal::new("not-waiting", message).by("approval"))
        }
    }
}

/// Refused unless each document that waits for adoption is one that the person was shown.
fn adoption(state: &EnvironmentState, seen: &BTreeMap<String, Digest>) -> Option<Refusal> {
    let waits: Vec<_> = state.unadopted().collect();
    if waits.is_empty() {
        return Some(Refusal::new("nothing-to-adopt", "no gateway serves anything that waits to be adopted"));
    }
    let was_seen = |found: &&Found| seen.get(&found.endpoint) == Some(&found.digest);
    let unseen = waits.into_iter().find(|found| !was_seen(found))?;
    let message = format!("{}, which was not seen; look at it, then adopt it", unseen.sentence());
    Some(Refusal::new("not-seen", message).by("adopt"))
}

/// What is in force is restored where something drifts from it.
fn heal(state: &EnvironmentState, only: Option<&str>) -> Option<Refusal> {
    let refused = |message: String| Some(Refusal::new("nothing-to-heal", message));
    let Some(applied) = &state.applied else {
        return refused("nothing is in force yet that could be restored".to_owned());
    };
    let commit = &applied.revision.commit;
    // A hold on everything keeps Moorline from acting by itself. A commit that a person does not want is another matter.
    if let Some(hold) = state.holds.iter().find(|hold| hold.commit.as_ref() == Some(commit)) {
        let message =
            format!("{}, which is in force, is held by {}: {}", commit.short(), hold.by, hold.reason);
        return Some(Refusal::new("held", message).by("hold"));
    }
    if let Some(rollout) = state.rollout_under_way().filter(|rollout| rollout.phase.is_writing()) {
        let (short, phase) = (rollout.revision.commit.short(), &rollout.phase);
        return refused(format!("{short} is {phase}; what then still differs can be healed"));
    }
    let (scope, all) = (HealScope::of(&state.drift, only), HealScope::of(&state.drift, None));
    match only {
        Some(only) if scope == HealScope::default() => refused(match all.names() {
            names if names.is_empty() => format!("{only} does not drift, and nothing else does"),
            names => format!("{only} does not drift; what does: {names}"),
        }),
        Some(only) if scope.terraform.len() < all.terraform.len() && !scope.terraform.is_empty() => {
            let others = all.terraform.iter().filter(|other| *other != only);
            let others: Vec<_> = others.map(String::as_str).collect();
            let others = others.join(", ");
            let replicas: Vec<_> = all.replicas.iter().map(String::as_str).collect();
            let also = match replicas.as_slice() {
                [] => String::new(),
                some => format!(", and the document to {}", some.join(", ")),
            };
            let command = healing::everywhere(&state.name);
            refused(format!(
                "Terraform restores all that drifts at once, also {others}: `{command}` does that{also}"
            ))
        }
        _ if scope.is_empty() && !scope.left.is_empty() => {
            refused(format!("what differs cannot be restored: {}", scope.names()))
        }
        _ => terraform_may_not_run(state, &scope),
    }
}

/// A heal that needs Terraform alone is refused where Terraform may not run. If replicas drift too, they are healed all the same.
fn terraform_may_not_run(state: &EnvironmentState, scope: &HealScope) -> Option<Refusal> {
    if scope.terraform.is_empty() || !scope.replicas.is_empty() {
        return None;
    }
    state.heals_terraform().err()
}

/// A rollout that has changed something is undone: it goes back to where it came from, and nowhere else.
fn other_rollback_target(rollout: &Rollout, commit: Option<&CommitId>) -> Option<Refusal> {
    let from = rollout.from.as_ref().map(|from| &from.revision.commit);
    (commit.is_some() && commit != from).then(|| {
        let short = rollout.revision.commit.short();
        Refusal::new(
            "under-way",
            format!(
                "{short} is under way, and can only be stopped; run it again without a commit to stop it"
            ),
        )
    })
}

impl EnvironmentState {
    /// Whether a rollout that restores what Terraform owns may begin.
    ///
    /// # Errors
    /// What keeps Terraform from running now.
    pub fn heals_terraform(&self) -> Result<(), Refusal> {
        let refused = |message: String| Err(Refusal::new("not-now", message));
        if let Some(rollout) = self.rollout_under_way() {
            let short = rollout.revision.commit.short();
            return refused(format!("{short} is under way; Terraform can be healed when that is over"));
        }
        if let Some(reason) = &self.frozen {
            let message =
                format!("Terraform is not run while the environment is frozen: {reason}; release it first");
            return Err(Refusal::new("held", message).by("frozen"));
        }
        let applied = self.applied.as_ref().map(|applied| &applied.revision.commit);
        match applied.and_then(|commit| self.hold_on(commit)) {
            Some(hold) => {
                let message =
                    format!("Terraform is not run while everything is held by {}: {}", hold.by, hold.reason);
                Err(Refusal::new("held", message).by("hold"))
            }
            None => Ok(()),
        }
    }

    /// Whether a rollback that names no commit goes back to what the gateways served when they were first met: something
    /// took its place, and no other commit verified healthy.
    #[must_use]
    pub fn goes_back_to_found(&self) -> bool {
        let has_been_replaced = match self.rollout_under_way() {
            Some(rollout) if rollout.has_changed_something() => rollout.from.is_none() && rollout.promoted,
            _ => self.applied.is_some(),
        };
        let is_other =
            |deployed: &Deployed| self.applied.as_ref().is_none_or(|applied| !deployed.is_like(applied));
        let has_other = self.verified.iter().chain(&self.verified_before).any(is_other);
        !self.found.is_empty() && has_been_replaced && !has_other
    }

    /// What a rollback goes to: the commit named, or the last one that verified healthy and differs from what is in force.
    /// A commit with the same document and the same Terraform would change nothing.
    ///
    /// # Errors
    /// Why there is none.
    pub fn way_back(&self, commit: Option<&CommitId>) -> Result<&Deployed, Refusal> {
        let refused = |message: String| Refusal::new("no-way-back", message);
        let Some(in_force) = &self.applied else {
            return Err(refused("nothing is in force yet that could be rolled back".to_owned()));
        };
        let mut known = self.verified.iter().chain(&self.verified_before);
        let found = match commit {
            Some(commit) => known
                .find(|deployed| deployed.revision.commit == *commit)
                .ok_or_else(|| refused(format!("{} never verified healthy here", commit.short()))),
            None => known
                .find(|deployed| !deployed.is_like(in_force))
                .ok_or_else(|| refused(self.no_other_verified(in_force))),
        }?;
        let short = found.revision.commit.short();
        if found.revision.commit == in_force.revision.commit && self.frozen.is_none() {
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

impl EnvironmentState {
    fn no_other_verified(&self, in_force: &Deployed) -> String {
        let commit = &in_force.revision.commit;
        let mut known = self.verified.iter().chain(&self.verified_before);
        if known.any(|deployed| deployed.revision.commit != *commit) {
            let short = commit.short();
            return format!(
                "each commit that verified healthy here before declares the same as {short}, which is in force"
            );
        }
        "no other commit verified healthy here before".to_owned()
    }
}

impl Rollout {
    /// Whether it is past planning and approval, so that something outside may be other than before.
    #[must_use]
    pub const fn has_changed_something(&self) -> bool {
        let waits = matches!(self.phase, Phase::Pending | Phase::Planning | Phase::AwaitingApproval);
        !waits || self.terraform_applied
    }
}
