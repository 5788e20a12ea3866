//! What is remembered once a step was taken.
//!
//! In: the state, and the step with its result. Out: the next state, the lines of history and the messages to
//! people that belong to it; all three are written in one transaction.

mod begin;
mod fast_forward;
mod found;
mod notify;
mod outcome;
mod recorder;
mod step;

use jiff::Timestamp;
use moorline_model::config::Config;
use moorline_model::drift::{Drift, DriftState, Lane, Severity};
use moorline_model::environment::{EnvironmentState, Healing};
use moorline_model::event::{Event, EventKind};
use moorline_model::notification::Notification;
use moorline_model::rollout::{Evidence, Phase};
use moorline_model::{CheckFailed, Revision, RolloutId};

pub use self::fast_forward::{FastForwarded, fast_forward, fast_forward_unchanged};
pub(crate) use self::notify::{released, superseded_by_person};
pub use self::outcome::{ApplyFailure, PlanFailure, StepOutcome};
use self::recorder::Recorder;
pub(crate) use self::recorder::hold;
use crate::desired::Desired;

/// What [`advance`] needs beside the state.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// A fresh id; used when the decision begins a rollout.
    pub id: RolloutId,
    /// What the commit declares that the decision is about: the one begun, or the rollout's.
    pub desired: Option<&'a Desired>,
    /// The document in force, when it is known.
    pub in_force: Option<&'a Config>,
    /// The document that the rollout under way brings, when it is known.
    pub incoming: Option<&'a Config>,
}

/// What is to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Advance {
    /// The next state.
    pub state: EnvironmentState,
    /// Lines of history.
    pub events: Vec<Event>,
    /// Messages to people.
    pub notifications: Vec<Notification>,
}

/// Remembers a step.
#[must_use]
pub fn advance(
    state: &EnvironmentState,
    outcome: StepOutcome,
    inputs: &Inputs<'_>,
    now: Timestamp,
) -> Advance {
    let mut recorder = Recorder::new(state, now);
    begin::record_changes(&mut recorder, inputs);
    let is_heal = matches!(outcome, StepOutcome::Healed { .. });
    match outcome {
        // A sync that found nothing to do is answered; it must not start some later commit.
        StepOutcome::Waited { .. } if state.rollout_under_way().is_none() => recorder.state.sync = None,
        StepOutcome::Waited { because, until } => recorder.note_waiting(&because, until),
        StepOutcome::Verifying => {}
        StepOutcome::Begun { revision, kind } => begin::begin(&mut recorder, &revision, &kind, inputs),
        StepOutcome::PhaseEntered { phase, because } => {
            // What waits for approval is what goes on to Staging.
            if matches!(phase, Phase::Staging | Phase::AwaitingApproval) {
                begin::record_document(&mut recorder, inputs);
            }
            recorder.enter(&phase, &because);
        }
        StepOutcome::Finished { phase, because } => recorder.finish(&phase, because.as_deref()),
        StepOutcome::Healed { endpoints, result } => healed(&mut recorder, &endpoints, result),
        StepOutcome::FoundRestored { actor, reason, result: Ok(()) } => {
            found::restored(&mut recorder, &actor, &reason);
        }
        StepOutcome::FoundRestored { result: Err(failure), .. } => {
            let message = format!("what served before could not be put back: {}", failure.because);
            recorder.note(EventKind::Rollout, message);
        }
        StepOutcome::Superseded { by, result } => step::superseded(&mut recorder, &by, result),
        StepOutcome::Planned(result) => step::planned(&mut recorder, result),
        StepOutcome::Applied(result) => step::applied(&mut recorder, result),
        StepOutcome::Staged(result) => step::staged(&mut recorder, result),
        StepOutcome::Shifted { weight, result } => step::shifted(&mut recorder, weight, result),
        StepOutcome::Promoted(result) => step::promoted(&mut recorder, result),
        StepOutcome::DocumentUndone(result) => step::document_undone(&mut recorder, result),
        StepOutcome::UndoPlanned(result) => step::undo_planned(&mut recorder, result),
        StepOutcome::UndoApplied(result) => step::undo_applied(&mut recorder, result),
    }
    let has_drift = |drift: &Drift| drift.finding.lane == Lane::Gateway && drift.state != DriftState::Ignored;
    if !is_heal && !recorder.state.drift.iter().any(has_drift) {
        recorder.state.healing = None;
    }
    recorder.into_advance()
}

fn healed(recorder: &mut Recorder, endpoints: &[String], result: Result<(), CheckFailed>) {
    let tries = recorder.state.healing.map_or(0, |healing| healing.tries).saturating_add(1);
    recorder.state.healing = Some(Healing { at: recorder.now, tries });
    let which = endpoints.join(", ");
    match result {
        Ok(()) => recorder.note(EventKind::Drift, format!("restored the document in force on {which}")),
        Err(CheckFailed { because, .. }) => {
            let message = format!("could not restore the document in force on {which}: {because}");
            recorder.warn(EventKind::Drift, message);
        }
    }
}

/// Records the evidence of verification, after the step. Evidence about another phase than the present one is dropped.
#[must_use]
pub fn record_evidence(state: &EnvironmentState, evidence: Evidence, now: Timestamp) -> Advance {
    let mut recorder = Recorder::new(state, now);
    if let Some(rollout) = recorder.rollout().filter(|rollout| rollout.phase == evidence.phase) {
        rollout.record_evidence(evidence);
        notify::ask_a_person(&mut recorder);
    }
    recorder.into_advance()
}

/// Remembers the branch's head; says so when it is a new one.
#[must_use]
pub fn record_head(state: &mut EnvironmentState, head: &Revision, now: Timestamp) -> Option<Event> {
    let is_new = state.head.as_ref().is_none_or(|before| before.commit != head.commit);
    state.head = Some(head.clone());
    is_new.then(|| Event {
        at: now,
        environment: state.name.clone(),
        kind: EventKind::Commit,
        severity: Severity::Info,
        message: format!("{} by {}: {}", head.commit.short(), head.author, head.message),
        commit: Some(head.commit.clone()),
        rollout: None,
    })
}

#[cfg(test)]
mod tests;
