//! The next step of the rollout under way.

use std::time::Duration;

use jiff::Timestamp;
use moorline_model::environment::EnvironmentState;
use moorline_model::rollout::{Phase, Rollout, RolloutKind, Undo, Verdict};
use moorline_model::{FailureClass, Revision};

use super::{
    Decision, Situation, approval, deliver, enter_phase, heal, terraform, undo, wait, wait_until, waits_at,
};
use crate::desired::{Desired, DesiredDocument};
use crate::gates::{Closed, GateInput, Stage, first_closed};

/// Wait until a gate is asked again that could not be asked.
const JUDGE_AGAIN: Duration = Duration::from_secs(10);

pub(super) fn next(
    state: &EnvironmentState,
    rollout: &Rollout,
    situation: &Situation<'_>,
    now: Timestamp,
) -> Decision {
    // Before anything else: this cycle ends the journal's line, and no later one would know of it.
    if situation.interrupted.is_some()
        && let Some(phase) = planned_anew(&rollout.phase)
    {
        return enter_phase(phase, "the apply was interrupted; planning again");
    }
    let closed = first_closed(Stage::Retry, &GateInput::new(state, situation, &[], now));
    if let Phase::RollingBack { undo } = rollout.phase {
        return closed.map_or_else(|| undo::next(state, rollout, undo, situation, now), waits_at);
    }
    if let Some(decision) = stopped(state, rollout) {
        return decision;
    }
    if let Some(by) = newer(state, rollout, situation, now) {
        return Decision::Supersede { by: by.clone() };
    }
    if let Some(closed) = closed {
        return waits_at(closed);
    }
    match rollout.phase {
        Phase::Pending => pending(state, rollout, situation, now),
        Phase::Planning => terraform::planning(state, rollout, situation, now),
        Phase::AwaitingApproval => approval::awaiting(state, rollout, situation, now),
        Phase::Applying => terraform::applying(state, rollout, situation, now),
        Phase::Staging => deliver::staging(state, rollout, situation, now),
        Phase::Shifting { step } => deliver::shifting(state, rollout, step, situation, now),
        Phase::Promoting => deliver::promoting(state, rollout, situation),
        Phase::Baking => deliver::baking(state, rollout, situation, now),
        Phase::RollingBack { .. }
        | Phase::Succeeded
        | Phase::RolledBack
        | Phase::Frozen
        | Phase::Failed
        | Phase::Superseded => wait("the rollout is over"),
    }
}

/// Where an interrupted apply goes back to: what it got done is not known, and a saved plan is never run twice.
const fn planned_anew(phase: &Phase) -> Option<Phase> {
    match phase {
        Phase::Applying => Some(Phase::Planning),
        Phase::RollingBack { undo: Undo::Apply } => Some(Phase::RollingBack { undo: Undo::Plan }),
        _ => None,
    }
}

/// A person stopped it, or verification says that it is not healthy.
fn stopped(state: &EnvironmentState, rollout: &Rollout) -> Option<Decision> {
    if let Some(stop) = &rollout.stop {
        let why = if stop.reason.is_empty() { "no reason given" } else { &stop.reason };
        return Some(back(state, rollout, &format!("stopped by {}: {why}", stop.actor)));
    }
    match rollout.verdict() {
        Some(Verdict::Failed { reasons }) => Some(back(state, rollout, &reasons.join("; "))),
        _ => None,
    }
}

/// The newer commit that takes its place, if one does. A commit that declares the same here takes nothing's place: else every
/// commit for another environment would begin the watch on this one anew, and in a busy repository none would ever end.
fn newer<'a>(
    state: &EnvironmentState,
    rollout: &Rollout,
    situation: &Situation<'a>,
    now: Timestamp,
) -> Option<&'a Revision> {
    let Some(Ok(head)) = situation.head else { return None };
    let commit = &head.revision.commit;
    // What was the head when a heal began has had its turn.
    let was_head = matches!(&rollout.kind, RolloutKind::Heal { head, .. } if head.as_ref() == Some(commit));
    let declares_the_same = situation.current.is_some_and(|current| head.declares_as(current));
    let is_newer = *commit != rollout.revision.commit
        && !was_head
        && !declares_the_same
        && rollout.phase.may_be_superseded()
        && first_closed(Stage::Supersede, &GateInput::new(state, situation, &[], now).about(head)).is_none();
    is_newer.then_some(&head.revision)
}

/// The way back: undone where that is allowed, frozen where it is not, and merely failed where nothing was changed.
pub(crate) fn back(state: &EnvironmentState, rollout: &Rollout, reason: &str) -> Decision {
    let has_candidate = matches!(rollout.phase, Phase::Staging | Phase::Shifting { .. });
    let has_document = has_candidate || rollout.promoted;
    if !has_document && !rollout.terraform_applied {
        return Decision::Finish { phase: Phase::Failed, because: Some(reason.to_owned()) };
    }
    let because = reason.to_owned();
    match undo::obstacle(state, rollout) {
        // A candidate that failed leaves traffic in any case: that takes nothing back which was in force.
        Some(_) if has_candidate => {
            Decision::EnterPhase { phase: Phase::RollingBack { undo: Undo::Document }, because }
        }
        Some(obstacle) => Decision::Finish {
            phase: Phase::Frozen,
            because: Some(format!("{reason}; not rolled back: {obstacle}")),
        },
        None if has_document => {
            Decision::EnterPhase { phase: Phase::RollingBack { undo: Undo::Document }, because }
        }
        None => Decision::EnterPhase { phase: Phase::RollingBack { undo: Undo::Plan }, because },
    }
}

/// What follows where a gate judges against a plan or a document: the way back. A gate that only could not be asked is asked
/// again.
pub(super) fn judged(
    state: &EnvironmentState,
    rollout: &Rollout,
    closed: Closed,
    now: Timestamp,
) -> Decision {
    match closed.failure.as_ref().is_some_and(FailureClass::may_pass) {
        true => wait_until(closed.because, now.checked_add(JUDGE_AGAIN).unwrap_or(now)),
        false => back(state, rollout, &closed.because),
    }
}

fn pending(
    state: &EnvironmentState,
    rollout: &Rollout,
    situation: &Situation<'_>,
    now: Timestamp,
) -> Decision {
    let Some(current) = situation.current else {
        return wait(format!("{} cannot be read", rollout.revision.commit.short()));
    };
    let input = GateInput::new(state, situation, &[], now);
    let needs_plan = needs_plan(state, current);
    let closed = first_closed(Stage::Start, &input)
        .or_else(|| needs_plan.then(|| first_closed(Stage::Plan, &input)).flatten());
    if let Some(closed) = closed {
        return heal::drift(state, situation, now).unwrap_or_else(|| waits_at(closed));
    }
    if needs_plan {
        return enter_phase(Phase::Planning, "Terraform has something to look at");
    }
    if let Some(closed) = first_closed(Stage::JudgeDocument, &input) {
        return judged(state, rollout, closed, now);
    }
    // What Terraform handed over since the rollout began is taken up on the way to Staging.
    let is_current = rollout.kind != RolloutKind::Deploy
        || current.document.config().map(|config| config.digest()) == rollout.digest;
    let is_live =
        is_current && rollout.digest.is_some_and(|digest| deliver::is_live(state, digest, situation));
    if is_live && !approval::document_waits(state, rollout, current, situation) {
        let because = Some("it changes nothing here".to_owned());
        return Decision::Finish { phase: Phase::Succeeded, because };
    }
    let because = if is_live { "it changes nothing here" } else { "the document changes" };
    approval::to_staging(state, rollout, current, situation, because)
}

/// Whether there may be something for Terraform to change.
pub(super) fn needs_plan(state: &EnvironmentState, current: &Desired) -> bool {
    current.environment.terraform.is_some()
        && (current.document == DesiredDocument::AwaitsTerraform
            || state.applied.as_ref().is_none_or(|applied| {
                applied.terraform_tree.is_none() || applied.terraform_tree != current.terraform_tree
            }))
}
