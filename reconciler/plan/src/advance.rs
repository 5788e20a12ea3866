//! What is remembered once a step was taken.
//!
//! In: the state, the decision and what came of it. Out: the next state, the lines of history and the messages to
//! people that belong to it; all three are written in one transaction.

mod begin;
mod found;
mod notify;
mod recorder;
mod step;

use std::collections::BTreeMap;

use jiff::Timestamp;
use moorline_model::config::{Config, Digest};
use moorline_model::drift::{Drift, DriftState, Lane, Severity};
use moorline_model::environment::{EnvironmentState, Healing};
use moorline_model::event::{Event, EventKind};
use moorline_model::notification::Notification;
use moorline_model::plan::PlanSummary;
use moorline_model::rollout::{Evidence, Phase};
use moorline_model::{Revision, RolloutId};

pub(crate) use self::notify::{released, superseded_by_person};
use self::recorder::Recorder;
pub(crate) use self::recorder::hold;
use crate::decide::Decision;
use crate::desired::Desired;

/// What came of a decision. Decisions without an effect come to [`StepOutcome::NoEffect`].
#[derive(Debug, Clone, PartialEq)]
pub enum StepOutcome {
    /// Terraform planned.
    Planned(PlanSummary),
    /// Terraform could not plan.
    PlanFailed {
        /// Why, redacted.
        reason: String,
        /// Whether it may go better by itself: a lock, a network.
        transient: bool,
    },
    /// The plan is bound to something that is no longer so, or too old; nothing was applied.
    PlanStale {
        /// What changed.
        reason: String,
    },
    /// Terraform applied.
    Applied {
        /// The document it handed over, if it did.
        digest: Option<Digest>,
    },
    /// Terraform began to apply and failed.
    ApplyFailed {
        /// Why, redacted.
        reason: String,
    },
    /// The candidate is on every replica.
    Staged {
        /// Its number on each, by admin URL.
        generations: BTreeMap<String, u64>,
    },
    /// The candidate has its share everywhere.
    Shifted,
    /// The candidate is stable everywhere.
    Promoted,
    /// Candidates are gone, and the document to put back serves everywhere.
    Undone,
    /// Terraform planned the way back.
    UndoPlanned(PlanSummary),
    /// Terraform applied the way back.
    UndoApplied,
    /// A gateway or Terraform could not be reached; it is tried again, a bounded number of times.
    ActFailed {
        /// Why.
        reason: String,
    },
    /// The candidate was dropped for a newer commit.
    Superseded,
    /// The replicas were healed.
    Healed,
    /// What replicas served when they were first met serves again.
    Restored,
    /// There was nothing to do.
    NoEffect,
}

impl StepOutcome {
    /// Why it could not be done, when it could not.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        match self {
            Self::ActFailed { reason } => Some(reason),
            _ => None,
        }
    }
}

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
    decision: &Decision,
    acted: StepOutcome,
    inputs: &Inputs<'_>,
    now: Timestamp,
) -> Advance {
    let mut recorder = Recorder::new(state, now);
    begin::record_changes(&mut recorder, inputs);
    match decision {
        // A sync that found nothing to do is answered; it must not start some later commit.
        Decision::Wait { .. } if state.rollout_under_way().is_none() => recorder.state.sync = None,
        Decision::Wait { because, until } => recorder.note_waiting(because, *until),
        Decision::Verify => {}
        Decision::Begin { revision, kind } => begin::begin(&mut recorder, revision, kind, inputs),
        Decision::EnterPhase { phase, because } => {
            // What waits for approval is what goes on to Staging.
            if matches!(phase, Phase::Staging | Phase::AwaitingApproval) {
                begin::record_document(&mut recorder, inputs);
            }
            recorder.enter(phase, because);
        }
        Decision::Finish { phase, because } => recorder.finish(phase, because.as_deref()),
        Decision::Heal { endpoints } => healed(&mut recorder, endpoints, &acted),
        Decision::RestoreFound { actor, reason, .. } if acted == StepOutcome::Restored => {
            found::restored(&mut recorder, actor, reason);
        }
        Decision::RestoreFound { .. } => {
            let failure = acted.failure().unwrap_or("it is not known how it ended");
            recorder.note(EventKind::Rollout, format!("what served before could not be put back: {failure}"));
        }
        Decision::Supersede { by } => step::supersede(&mut recorder, by, &acted),
        Decision::PlanTerraform
        | Decision::ApplyTerraform
        | Decision::Stage
        | Decision::Shift { .. }
        | Decision::Promote
        | Decision::UndoDocument { .. }
        | Decision::UndoPlan
        | Decision::UndoApply => step::record_outcome(&mut recorder, decision, acted),
    }
    let has_drift = |drift: &Drift| drift.finding.lane == Lane::Gateway && drift.state != DriftState::Ignored;
    if !matches!(decision, Decision::Heal { .. }) && !recorder.state.drift.iter().any(has_drift) {
        recorder.state.healing = None;
    }
    recorder.into_advance()
}

fn healed(recorder: &mut Recorder, endpoints: &[String], acted: &StepOutcome) {
    let tries = recorder.state.healing.map_or(0, |healing| healing.tries).saturating_add(1);
    recorder.state.healing = Some(Healing { at: recorder.now, tries });
    let which = endpoints.join(", ");
    match acted {
        StepOutcome::Healed => {
            recorder.note(EventKind::Drift, format!("gave the document in force back to {which}"))
        }
        StepOutcome::ActFailed { reason } => {
            recorder.warn(
                EventKind::Drift,
                format!("could not give the document in force back to {which}: {reason}"),
            );
        }
        _ => {}
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

/// Moves the revision in force to a head that declares the same for the environment: there is nothing to roll out. `in_force`
/// is what the commit in force declares. A commit that is held, or that is not in force as it was verified, moves nothing.
/// Returns an event only where another commit was the head before.
#[must_use]
pub fn fast_forward(
    state: &mut EnvironmentState,
    head: &Desired,
    in_force: &Desired,
    now: Timestamp,
) -> Option<FastForwarded> {
    let (applied, verified) = (state.applied.as_ref()?, state.verified.as_ref()?);
    let before = applied.revision.commit.clone();
    let may = head.revision.commit != before
        && in_force.revision.commit == before
        && verified.revision.commit == before
        && state.rollout_under_way().is_none()
        && state.frozen.is_none()
        && state.hold_on(&head.revision.commit).is_none()
        && applied.terraform_tree == head.terraform_tree
        && head.document.config().is_some_and(|document| document.digest() == applied.digest)
        && head.declares_as(in_force);
    if !may {
        return None;
    }
    let was_wanted = state.head.as_ref().is_none_or(|head| head.commit == before);
    for deployed in [&mut state.applied, &mut state.verified].into_iter().flatten() {
        deployed.revision = head.revision.clone();
    }
    state.head = Some(head.revision.clone());
    let (new, old) = (head.revision.commit.short(), before.short());
    Some(FastForwarded((!was_wanted).then(|| Event {
        at: now,
        environment: state.name.clone(),
        kind: EventKind::Commit,
        severity: Severity::Info,
        message: format!(
            "{new} by {}: {}; it declares the same here as {old}, which was in force",
            head.revision.author, head.revision.message
        ),
        commit: Some(head.revision.commit.clone()),
        rollout: None,
    })))
}

/// The revision moved; perhaps with a line of history.
#[derive(Debug, Clone, PartialEq)]
pub struct FastForwarded(pub Option<Event>);

#[cfg(test)]
mod tests;
