//! The next step while no rollout is under way.

use jiff::Timestamp;
use moorline_model::CommitId;
use moorline_model::config::Percent;
use moorline_model::environment::EnvironmentState;
use moorline_model::rollout::{Phase, RolloutKind};

use super::{Decision, Situation, heal, terraform_is_to_be_undone, wait};
use crate::desired::Desired;
use crate::gates::{GateInput, Stage, first_closed};

pub(super) fn next(state: &EnvironmentState, situation: &Situation<'_>, now: Timestamp) -> Decision {
    let closed = first_closed(Stage::Begin, &GateInput::new(state, situation, &[], now));
    if let Some(Ok(head)) = situation.head
        && closed.is_none()
        && should_begin(state, head)
    {
        return Decision::Begin { revision: head.revision.clone(), kind: RolloutKind::Deploy };
    }
    if let Some(reason) = &state.frozen {
        return wait(format!("frozen: {reason}"));
    }
    if let Some(decision) = heal::drift(state, situation, now) {
        return decision;
    }
    wait(match (situation.head, closed) {
        (None, _) => "the repository was not read".to_owned(),
        (Some(Err(failed)), _) => format!("the head cannot be applied: {failed}"),
        (Some(Ok(_)), Some(closed)) => closed.because,
        (Some(Ok(head)), None) => format!("{} is in force", head.revision.commit.short()),
    })
}

/// Whether a freeze ends by itself with a newer, different content: what froze is a candidate that never had a share of
/// requests, and Terraform is where it was. Anything else waits for a person.
pub(crate) fn freeze_may_end(state: &EnvironmentState) -> bool {
    state.frozen.is_some()
        && state.rollout.as_ref().is_some_and(|rollout| {
            rollout.phase == Phase::Frozen
                && rollout.share == Some(Percent::ZERO)
                && !rollout.promoted
                && !rollout.terraform_applied
                && !terraform_is_to_be_undone(state, rollout)
        })
}

/// Whether the head declares another document or other Terraform than what froze.
fn differs_from_frozen(state: &EnvironmentState, head: &Desired) -> bool {
    let Some(frozen) = &state.rollout else { return false };
    let digest = head.document.config().map(|config| config.digest());
    head.terraform_tree != frozen.terraform_tree || (digest.is_some() && digest != frozen.digest)
}

/// Whether a head is to be brought into force where no gate is closed: it is not yet. A person who asks has it verified again
/// where it is in force and was found wanting. After a freeze it must be something else that was not tried before.
fn should_begin(state: &EnvironmentState, head: &Desired) -> bool {
    let commit = &head.revision.commit;
    let is_asked = state.sync.is_some();
    let keeps_frozen = state.frozen.is_some()
        && !(freeze_may_end(state)
            && differs_from_frozen(state, head)
            && (is_asked || !was_tried(state, commit)));
    let is_verified = state.verified.as_ref().is_some_and(|verified| verified.revision.commit == *commit);
    !keeps_frozen && (!is_in_force(state, head) || (is_asked && !is_verified))
}

/// Whether the commit, with its Terraform, is what was last brought into force.
pub(crate) fn is_in_force(state: &EnvironmentState, head: &Desired) -> bool {
    state.applied.as_ref().is_some_and(|applied| {
        applied.revision.commit == head.revision.commit && applied.terraform_tree == head.terraform_tree
    })
}

/// Whether the last rollout brought the commit, in vain.
pub(crate) fn was_tried(state: &EnvironmentState, commit: &CommitId) -> bool {
    state.rollout.as_ref().is_some_and(|rollout| {
        // A heal of what is in force says nothing new of the head that was tried before it.
        if matches!(&rollout.kind, RolloutKind::Heal { head, .. } if head.as_ref() == Some(commit))
            && rollout.revision.commit != *commit
        {
            return true;
        }
        rollout.revision.commit == *commit
            && matches!(rollout.phase, Phase::Failed | Phase::RolledBack | Phase::Frozen)
    })
}
