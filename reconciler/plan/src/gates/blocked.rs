//! Terraform's state is not in doubt.

use moorline_model::FailureClass;
use moorline_model::status::StatusWord;

use super::{Answer, Closed, Gate, GateInput, Stage, WaitsFor};

pub(crate) static GATE: Gate = Gate {
    name: "blocked",
    explains: &[StatusWord::Held, StatusWord::Applying, StatusWord::CannotCheck],
    is_trouble: true,
    stages: &[Stage::Plan, Stage::Undo],
    check,
};

fn check(input: &GateInput<'_>) -> Answer {
    Some(input.situation.blocked.map(|reason| {
        let because = format!("Terraform is blocked: {reason}");
        let opened_by = "a person who puts the state in order; it is checked again automatically";
        Closed::new(&GATE, WaitsFor::You, because, opened_by).failed(Some(FailureClass::Stalled))
    }))
}
