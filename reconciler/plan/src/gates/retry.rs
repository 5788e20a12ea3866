//! A failed try is not waited out.

use moorline_model::status::StatusWord;

use super::{Answer, Closed, Gate, GateInput, Stage, WaitsFor};

pub(crate) static GATE: Gate = Gate {
    name: "retry",
    explains: &[StatusWord::Applying, StatusWord::Verifying],
    is_trouble: false,
    stages: &[Stage::Retry],
    check,
};

fn check(input: &GateInput<'_>) -> Answer {
    let rollout = input.rollout?;
    let at = rollout.retry_at.filter(|at| *at > input.now);
    Some(at.map(|at| {
        let because = format!("{}: try {} failed, and it is tried again", rollout.phase, rollout.attempts);
        let opened_by = format!("itself, or at once by `moorline sync {}`", input.state.name);
        let closed = Closed { opens_at: Some(at), ..Closed::new(&GATE, WaitsFor::Time, because, opened_by) };
        closed.failed(rollout.retry_failure.clone())
    }))
}
