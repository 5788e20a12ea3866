//! The next step while a rollout is being undone: the document first, Terraform second.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use moorline_model::environment::EnvironmentState;
use moorline_model::rollout::{Deployed, Phase, Rollout, Undo};

use super::{Decision, Situation, foreign, wait_until, waits_at};
use crate::gates::{GateInput, Stage, first_closed};
use crate::gateway::ReplicaReading;

/// Longest wait for every replica to attest the document that was put back. Then people are called: a replica that
/// cannot be read for so long may serve anything.
const ATTEST_PATIENCE: SignedDuration = SignedDuration::from_mins(15);
/// Wait between two looks at replicas that cannot be read.
const ATTEST_AGAIN: Duration = Duration::from_secs(5);

pub(super) fn next(
    state: &EnvironmentState,
    rollout: &Rollout,
    undo: Undo,
    situation: &Situation<'_>,
    now: Timestamp,
) -> Decision {
    match undo {
        Undo::Document => Decision::UndoDocument { restore: restore(state, rollout).map(|from| from.digest) },
        Undo::Plan | Undo::Apply => {
            let closed = first_closed(Stage::Undo, &GateInput::new(state, situation, &[], now));
            match (closed, undo) {
                (Some(closed), _) => waits_at(closed),
                (None, Undo::Plan) => Decision::UndoPlan,
                (None, _) => Decision::UndoApply,
            }
        }
        Undo::Attest => attest(state, rollout, situation, now),
    }
}

fn attest(
    state: &EnvironmentState,
    rollout: &Rollout,
    situation: &Situation<'_>,
    now: Timestamp,
) -> Decision {
    let Some(from) = &rollout.from else {
        return frozen("there is no verified commit to attest");
    };
    let replicas = situation.replicas;
    // What somebody else put there is not ours to take back; drift names it.
    let is_back = |reading: &ReplicaReading| {
        reading.serves(from.digest) || foreign(state, rollout, situation, reading).is_some()
    };
    let serves_it_still = restore(state, rollout).is_none();
    let is_out = |reading: &ReplicaReading| serves_it_still && reading.was_never_reached(rollout);
    if replicas.iter().any(is_back) && replicas.iter().all(|reading| is_back(reading) || is_out(reading)) {
        return Decision::Finish { phase: Phase::RolledBack, because: None };
    }
    if replicas.iter().any(|reading| reading.result.is_ok() && !is_back(reading)) {
        return Decision::UndoDocument { restore: Some(from.digest) };
    }
    let unread: Vec<_> = replicas
        .iter()
        .filter(|reading| reading.result.is_err())
        .map(|reading| reading.endpoint.as_str())
        .collect();
    let which = if unread.is_empty() { "no replica was found".to_owned() } else { unread.join(", ") };
    if now.duration_since(rollout.phase_since) > ATTEST_PATIENCE {
        return frozen(&format!("it cannot be read what every replica serves: {which}"));
    }
    let again = now.checked_add(ATTEST_AGAIN).unwrap_or(now);
    wait_until(format!("waiting until every replica can be read: {which}"), again)
}

fn frozen(because: &str) -> Decision {
    Decision::Finish { phase: Phase::Frozen, because: Some(because.to_owned()) }
}

/// The verified document, when stable may serve another one: through this rollout, or through one before it that was
/// superseded while it was still watched.
fn restore<'a>(state: &EnvironmentState, rollout: &'a Rollout) -> Option<&'a Deployed> {
    let from = rollout.from.as_ref()?;
    let is_other = state.applied.as_ref().is_none_or(|applied| applied.digest != from.digest);
    (rollout.promoted || is_other).then_some(from)
}

/// Whether Terraform has applied, or begun to apply, something after the verified commit.
pub(crate) fn terraform_is_to_be_undone(state: &EnvironmentState, rollout: &Rollout) -> bool {
    let Some(from) = &rollout.from else { return false };
    let is_other =
        state.applied.as_ref().is_some_and(|applied| applied.terraform_tree != from.terraform_tree);
    rollout.terraform_applied || is_other
}

/// Why a rollout may not be undone by itself, if so. A person who asks for it sets aside all but the first two
/// reasons.
pub(crate) fn obstacle(state: &EnvironmentState, rollout: &Rollout) -> Option<String> {
    let short = rollout.revision.commit.short();
    let Some(from) = &rollout.from else {
        return Some("no earlier commit was verified".to_owned());
    };
    let from = &from.revision.commit;
    if let Some(hold) = state.holds.iter().find(|hold| hold.commit.as_ref() == Some(from)) {
        return Some(format!("{}, where it would go back to, is held by {}", from.short(), hold.by));
    }
    if rollout.stop.is_some() {
        return None;
    }
    if !rollout.rollback.automatic {
        return Some("rollback.automatic is false".to_owned());
    }
    state
        .rolled_back
        .contains(&rollout.revision.commit)
        .then(|| format!("{short} was rolled back once before"))
}
