//! The next step while the document is on its way to requests: staging, shifting, promoting, baking.

use jiff::Timestamp;
use moorline_model::config::Digest;
use moorline_model::environment::EnvironmentState;
use moorline_model::rollout::{Deployed, Phase, Rollout, RolloutKind, Verdict};

use super::{Decision, Situation, back, enter_phase, heal, wait, waits_at};
use crate::gates::{GateInput, Stage, first_closed};
use crate::gateway::ReplicaReading;

pub(super) fn staging(
    state: &EnvironmentState,
    rollout: &Rollout,
    situation: &Situation<'_>,
    now: Timestamp,
) -> Decision {
    let Some(digest) = rollout.digest else {
        let why =
            "Terraform handed over no gateway document; if its state says it did, replace the openai_gateway";
        return back(state, rollout, why);
    };
    let input = GateInput::new(state, situation, &[], now);
    if let Some(closed) = first_closed(Stage::JudgeDocument, &input) {
        return super::rollout::judged(state, rollout, closed, now);
    }
    if first_closed(Stage::Progress, &input).is_some() {
        return Decision::Verify;
    }
    if all_serve(digest, situation) {
        // Nothing to try: only Terraform changed, or an earlier life got further than the record knows.
        if !rollout.terraform_applied && is_live(state, digest, situation) {
            let because = Some("it changes nothing here".to_owned());
            return Decision::Finish { phase: Phase::Succeeded, because };
        }
        return enter_phase(Phase::Baking, "every replica serves the document already");
    }
    if let Some(decision) = heal::empty(state, situation, now) {
        return decision;
    }
    if situation.replicas.is_empty() {
        return wait("no replica was found to put the document on");
    }
    if let Some(closed) = first_closed(Stage::Write, &input) {
        return waits_at(closed);
    }
    if situation.replicas.iter().any(|reading| !reading.holds(digest)) {
        return Decision::Stage;
    }
    if !has_passed(rollout, &input) {
        return Decision::Verify;
    }
    let next = if has_steps(rollout, situation) { Phase::Shifting { step: 0 } } else { Phase::Promoting };
    enter_phase(next, "the candidate answers its probes")
}

/// Whether what is verified is healthy, and nothing else keeps it from going on.
fn has_passed(rollout: &Rollout, input: &GateInput<'_>) -> bool {
    rollout.verdict() == Some(&Verdict::Passed) && first_closed(Stage::Verdict, input).is_none()
}

/// A rollback by a person goes to a document that was verified before, and in a hurry; a first document has nothing
/// beside it that could take the other requests.
fn has_steps(rollout: &Rollout, situation: &Situation<'_>) -> bool {
    !rollout.traffic.steps.is_empty()
        && rollout.kind == RolloutKind::Deploy
        && situation.replicas.iter().any(|reading| reading.stable().is_some())
}

pub(super) fn shifting(
    state: &EnvironmentState,
    rollout: &Rollout,
    step: usize,
    situation: &Situation<'_>,
    now: Timestamp,
) -> Decision {
    let (Some(digest), Some(present)) = (rollout.digest, rollout.traffic.steps.get(step)) else {
        return enter_phase(Phase::Staging, "the rollout has no such step");
    };
    // A hold stops it where it is: it is watched, and still undone when it fails, but goes no further.
    let input = GateInput::new(state, situation, &[], now);
    if first_closed(Stage::Progress, &input).is_some() {
        return Decision::Verify;
    }
    if let Some(decision) = heal::empty(state, situation, now) {
        return decision;
    }
    // What has a share of requests is judged all the same, and as often; `why` names the gate.
    if first_closed(Stage::Write, &input).is_some() {
        return Decision::Verify;
    }
    let read = || situation.replicas.iter().filter(|reading| reading.result.is_ok());
    if read().any(|reading| !reading.holds(digest)) {
        return Decision::Stage;
    }
    let has_weight = |reading: &ReplicaReading| {
        reading
            .candidate()
            .is_none_or(|candidate| candidate.digest != digest || candidate.weight == present.weight)
    };
    if !read().all(has_weight) {
        return Decision::Shift { weight: present.weight };
    }
    if !has_passed(rollout, &input) {
        return Decision::Verify;
    }
    if rollout.traffic.steps.len() > step + 1 {
        enter_phase(Phase::Shifting { step: step + 1 }, format!("healthy at {}", present.weight))
    } else {
        enter_phase(Phase::Promoting, format!("healthy at {}", present.weight))
    }
}

// A hold does not stop a promotion half-way: replicas that serve different documents are worse than either.
pub(super) fn promoting(state: &EnvironmentState, rollout: &Rollout, situation: &Situation<'_>) -> Decision {
    let Some(digest) = rollout.digest else {
        return back(state, rollout, "it is not known which document to promote");
    };
    if all_serve(digest, situation) {
        return enter_phase(Phase::Baking, "every replica serves it");
    }
    if situation.replicas.is_empty() {
        return wait("no replica was found to promote the document on");
    }
    let lacks = |reading: &ReplicaReading| reading.result.is_ok() && !reading.holds(digest);
    if situation.replicas.iter().any(lacks) { Decision::Stage } else { Decision::Promote }
}

pub(super) fn baking(
    state: &EnvironmentState,
    rollout: &Rollout,
    situation: &Situation<'_>,
    now: Timestamp,
) -> Decision {
    let Some(digest) = rollout.digest else {
        return back(state, rollout, "it is not known which document was promoted");
    };
    if let Some(decision) = heal::drift(state, situation, now) {
        return decision;
    }
    let input = GateInput::new(state, situation, &[], now);
    if has_passed(rollout, &input) && all_serve(digest, situation) {
        return Decision::Finish { phase: Phase::Succeeded, because: None };
    }
    Decision::Verify
}

/// Whether this document is in force, verified, and attested by every replica.
pub(super) fn is_live(state: &EnvironmentState, digest: Digest, situation: &Situation<'_>) -> bool {
    let is_it =
        |deployed: &Option<Deployed>| deployed.as_ref().is_some_and(|deployed| deployed.digest == digest);
    is_it(&state.applied) && is_it(&state.verified) && all_serve(digest, situation)
}

/// Whether every replica serves this document. No replica is no proof.
pub(super) fn all_serve(digest: Digest, situation: &Situation<'_>) -> bool {
    !situation.replicas.is_empty() && situation.replicas.iter().all(|reading| reading.serves(digest))
}
