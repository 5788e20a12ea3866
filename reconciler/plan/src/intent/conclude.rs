//! What came of intents, once the cycle that applied them has taken its step.
//!
//! In: the effects of the intents, the decision, and the state after it. Out: an outcome for each intent, which says what was done, and
//! what follows from it or keeps it from following.

use jiff::Timestamp;
use moorline_model::CommitId;
use moorline_model::environment::EnvironmentState;
use moorline_model::intent::Outcome;
use moorline_model::rollout::{Phase, Rollout, RolloutKind};

use super::IntentEffect;
use crate::decide::{Decision, Situation};
use crate::desired::Desired;
use crate::gates::{
    APPROVAL, Closed, FROZEN, GateInput, GateStatus, SOURCE, Stage, TRIED, first_closed, why,
};

/// The step that the cycle took.
#[derive(Debug, Clone, Copy)]
pub struct StepTaken<'a> {
    /// What was decided.
    pub decision: &'a Decision,
    /// Why it could not be done, when it could not.
    pub failure: Option<&'a str>,
    /// What the commit of the rollout under way declares.
    pub begun: Option<&'a Desired>,
    /// What was read.
    pub situation: &'a Situation<'a>,
}

/// Says what came of each intent. `state` is the one after the step.
#[must_use]
pub fn conclude(
    effects: Vec<IntentEffect>,
    taken: &StepTaken<'_>,
    state: &EnvironmentState,
    now: Timestamp,
) -> Vec<Outcome> {
    let follows = |effect| match effect {
        IntentEffect::Answered(outcome) => outcome,
        IntentEffect::Follows { did } => follows(&did, taken, state, now),
        IntentEffect::Begins { did, commit } => begins(did, &commit, taken, state, now),
        IntentEffect::Heals { did, begins: then, .. } => match (taken.failure, then) {
            (Some(failure), _) => Outcome::Refused {
                message: format!("the document could not be restored: {failure}"),
                gate: None,
            },
            (None, Some(commit)) => begins(did, &commit, taken, state, now),
            (None, None) => Outcome::Done { message: did },
        },
    };
    effects.into_iter().map(follows).collect()
}

/// A rollout of this commit was to begin.
fn begins(
    did: String,
    commit: &CommitId,
    taken: &StepTaken<'_>,
    state: &EnvironmentState,
    now: Timestamp,
) -> Outcome {
    let Some(rollout) = state.rollout_under_way().filter(|rollout| rollout.revision.commit == *commit) else {
        let message = format!("{} cannot be begun: what it declares cannot be read", commit.short());
        return Outcome::Refused { message, gate: None };
    };
    let is_heal = matches!(rollout.kind, RolloutKind::Heal { .. });
    let closed = taken.begun.and_then(|desired| {
        let input = GateInput::new(state, taken.situation, &[], now).about(desired);
        let plan = || is_heal.then(|| first_closed(Stage::Plan, &input)).flatten();
        first_closed(Stage::Start, &input).or_else(plan)
    });
    match closed {
        Some(closed) => waits(format!("{did}; it waits: {}", sentence(&closed)), &closed, Some(rollout)),
        None => Outcome::UnderWay { message: did, rollout: rollout.id },
    }
}

/// What follows from an intent that left it to the cycle to decide.
fn follows(did: &str, taken: &StepTaken<'_>, state: &EnvironmentState, now: Timestamp) -> Outcome {
    let Some(rollout) = state.rollout_under_way() else { return at_rest(did, taken, state, now) };
    let short = rollout.revision.commit.short();
    if let Some(closed) = keeps(taken, state, now) {
        let message = format!("{did}; {short} waits: {}", sentence(&closed));
        return waits(message, &closed, Some(rollout));
    }
    let message = match (taken.decision, rollout.phase == Phase::Pending) {
        (Decision::Wait { because, .. }, _) => format!("{did}; {short} is {}: {because}", rollout.phase),
        (_, true) => format!("{did}; {short} begins"),
        _ => format!("{did}; {short} is {}", rollout.phase),
    };
    Outcome::UnderWay { message, rollout: rollout.id }
}

/// The gate that keeps a rollout under way from its next step.
fn keeps(taken: &StepTaken<'_>, state: &EnvironmentState, now: Timestamp) -> Option<Closed> {
    match taken.decision {
        Decision::Wait { because, .. } => first(&why(state, taken.situation, &[], now).gates, |closed| {
            closed.because == *because || closed.gate == &APPROVAL
        }),
        // It waits in front of its gates from the next cycle on, and what they will say is known now.
        Decision::Begin { .. } => {
            let input = GateInput::new(state, taken.situation, &[], now).about(taken.begun?);
            first_closed(Stage::Start, &input)
        }
        _ => None,
    }
}

/// No rollout is under way, and none began.
fn at_rest(did: &str, taken: &StepTaken<'_>, state: &EnvironmentState, now: Timestamp) -> Outcome {
    // The others are checked only once a rollout has begun.
    let closed = first(&why(state, taken.situation, &[], now).gates, |closed| {
        let keeps_from_beginning = closed.gate.is_checked_at(Stage::Begin) || closed.gate == &FROZEN;
        closed.gate == &SOURCE || (keeps_from_beginning && closed.gate != &TRIED)
    });
    match (taken.decision, closed) {
        (_, Some(closed)) => waits(format!("{did}; {}", sentence(&closed)), &closed, None),
        (Decision::Wait { because, .. }, None) => Outcome::Done { message: format!("{did}; {because}") },
        (Decision::Heal { endpoints }, None) => {
            Outcome::Done { message: format!("{did}; healing {}", endpoints.join(", ")) }
        }
        _ => Outcome::Done { message: did.to_owned() },
    }
}

fn first(readings: &[GateStatus], is_it: impl Fn(&Closed) -> bool) -> Option<Closed> {
    readings.iter().filter_map(GateStatus::closed).find(|closed| is_it(closed)).cloned()
}

fn waits(message: String, closed: &Closed, rollout: Option<&Rollout>) -> Outcome {
    Outcome::Waits {
        message,
        gate: closed.gate.as_str().to_owned(),
        rollout: rollout.map(|rollout| rollout.id),
    }
}

/// Why a gate is closed and what opens it.
fn sentence(closed: &Closed) -> String {
    let because = closed.because.lines().next().unwrap_or_default();
    match closed.opens_at {
        Some(at) => format!("{because} (opens at {})", at.strftime("%Y-%m-%dT%H:%M:%SZ")),
        None => format!("{because} (opened by {})", closed.opened_by),
    }
}
