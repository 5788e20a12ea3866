//! The verdict on what is being tried is in.

use moorline_model::rollout::{Phase, Rollout, Verdict};
use moorline_model::status::StatusWord;

use super::{Answer, Closed, Gate, GateInput, Stage, WaitsFor};
use crate::age::age;

pub(crate) static GATE: Gate = Gate {
    name: "evidence",
    explains: &[StatusWord::Verifying],
    is_trouble: false,
    stages: &[Stage::Verdict],
    check,
};

fn check(input: &GateInput<'_>) -> Answer {
    let rollout = input.rollout?;
    if !matches!(rollout.phase, Phase::Staging | Phase::Shifting { .. } | Phase::Baking) {
        return None;
    }
    let (because, failure) = match rollout.verdict() {
        Some(Verdict::Passed | Verdict::Failed { .. }) => return Some(None),
        Some(Verdict::Inconclusive { because }) => (because.clone(), None),
        Some(Verdict::Error { because, failure }) => {
            (format!("it could not be verified: {because}"), failure.clone())
        }
        None => ("nothing was verified yet".to_owned(), None),
    };
    let short = rollout.revision.commit.short();
    let because = format!("{short} is {}: {because}", rollout.phase);
    if rollout.person_asked_at.is_some() {
        let age = age(rollout.phase_since, input.now);
        let opened_by = format!(
            "{}, a commit with a smaller verify.min_requests or a probe, or `moorline rollback {} --reason \"…\"`",
            missing(input, rollout),
            input.state.name
        );
        let because = format!("{because}; no verdict for {age}");
        return Some(Some(Closed::new(&GATE, WaitsFor::You, because, opened_by).failed(failure)));
    }
    let closed = Closed::new(&GATE, WaitsFor::Evidence, because, missing(input, rollout));
    Some(Some(closed.failed(failure)))
}

/// What a verdict still needs, as far as it can be counted.
fn missing(input: &GateInput<'_>, rollout: &Rollout) -> String {
    let seen = rollout.evidence.as_ref().map_or(0, |evidence| evidence.callers.unwrap_or_default().requests);
    let is_counted = rollout.phase != Phase::Staging;
    let requests = rollout.verify.min_requests.saturating_sub(seen);
    let hold = match rollout.phase {
        Phase::Shifting { step } => rollout.traffic.steps.get(step).map(|step| step.hold.get()),
        Phase::Baking => Some(rollout.verify.window.get()),
        _ => None,
    };
    let until = hold.and_then(|hold| rollout.phase_since.checked_add(hold).ok()).filter(|at| *at > input.now);
    let requests = (is_counted && requests > 0).then(|| format!("{requests} more requests of callers"));
    let time = until.map(|until| format!("{} more of watching", age(input.now, until)));
    match (requests, time) {
        (Some(requests), Some(time)) => format!("{requests} and {time}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "the next look".to_owned(),
    }
}
