//! What came of wishes, once the cycle that heeded them has taken its step.
//!
//! In: what was heard, the decision, and the state after it. Out: an outcome for each wish, which says what was done, and
//! what follows from it or keeps it from following.

use jiff::Timestamp;
use moorline_model::environment::EnvironmentState;
use moorline_model::intent::Outcome;
use moorline_model::rollout::{Phase, Rollout};

use super::Heard;
use crate::decide::{Decision, Situation};
use crate::gates::{Closed, Gate, GateReading, begin_gates, why};

/// Says what came of each wish. `state` is the one after the step.
#[must_use]
pub fn conclude(
    heard: Vec<Heard>,
    decision: &Decision,
    state: &EnvironmentState,
    situation: &Situation<'_>,
    now: Timestamp,
) -> Vec<Outcome> {
    let follows = |heard| match heard {
        Heard::Known(outcome) => outcome,
        Heard::Follows { did } => follows(&did, decision, state, situation, now),
        Heard::Begins { did, commit } => {
            match state.rollout_under_way().filter(|rollout| rollout.revision.commit == commit) {
                Some(rollout) => Outcome::UnderWay { message: did, rollout: rollout.id },
                None => Outcome::Refused {
                    message: format!("{} cannot be begun: what it declares cannot be read", commit.short()),
                    gate: None,
                },
            }
        }
    };
    heard.into_iter().map(follows).collect()
}

/// What follows from a wish that left it to the cycle to decide.
fn follows(
    did: &str,
    decision: &Decision,
    state: &EnvironmentState,
    situation: &Situation<'_>,
    now: Timestamp,
) -> Outcome {
    let Some(rollout) = state.rollout_under_way() else {
        return at_rest(did, decision, state, situation, now);
    };
    let short = rollout.revision.commit.short();
    if let Some(closed) = keeps(rollout, decision, state, situation, now) {
        let message = format!("{did}; {short} waits: {}", sentence(&closed));
        return waits(message, &closed, Some(rollout));
    }
    let message = match (decision, rollout.phase == Phase::Pending) {
        (Decision::Rest { because, .. }, _) => format!("{did}; {short} is {}: {because}", rollout.phase),
        (_, true) => format!("{did}; {short} begins"),
        _ => format!("{did}; {short} is {}", rollout.phase),
    };
    Outcome::UnderWay { message, rollout: rollout.id }
}

/// The gate that keeps a rollout under way from its next step.
fn keeps(
    rollout: &Rollout,
    decision: &Decision,
    state: &EnvironmentState,
    situation: &Situation<'_>,
    now: Timestamp,
) -> Option<Closed> {
    match decision {
        Decision::Rest { because, .. } => {
            let waits_for_a_person =
                matches!(rollout.phase, Phase::Planning | Phase::AwaitingApproval | Phase::Applying);
            first(&why(state, situation, now), |closed| {
                closed.because == *because
                    || (waits_for_a_person && matches!(closed.gate, Gate::Hold | Gate::Approval))
            })
        }
        // It waits in front of its gates from the next cycle on, and what they will say is known now.
        Decision::Begin { .. } => {
            let head = situation.head.and_then(Result::ok);
            let desired = head.filter(|desired| desired.revision.commit == rollout.revision.commit)?;
            first(&begin_gates(state, desired, now), |_| true)
        }
        _ => None,
    }
}

/// No rollout is under way, and none began.
fn at_rest(
    did: &str,
    decision: &Decision,
    state: &EnvironmentState,
    situation: &Situation<'_>,
    now: Timestamp,
) -> Outcome {
    // The others are asked only once a rollout has begun.
    let closed = first(&why(state, situation, now), |closed| {
        matches!(closed.gate, Gate::Source | Gate::Frozen | Gate::Hold)
    });
    match (decision, closed) {
        (_, Some(closed)) => waits(format!("{did}; {}", sentence(&closed)), &closed, None),
        (Decision::Rest { because, .. }, None) => Outcome::Done { message: format!("{did}; {because}") },
        (Decision::Heal { endpoints }, None) => {
            Outcome::Done { message: format!("{did}; healing {}", endpoints.join(", ")) }
        }
        _ => Outcome::Done { message: did.to_owned() },
    }
}

fn first(readings: &[GateReading], is_it: impl Fn(&Closed) -> bool) -> Option<Closed> {
    readings.iter().filter_map(GateReading::closed).find(|closed| is_it(closed)).cloned()
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
