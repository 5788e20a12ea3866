//! Nothing waits for a person after a failed undoing.

use moorline_model::status::StatusWord;

use super::{Answer, Closed, Gate, GateInput, Stage, WaitsFor, release};
use crate::decide::freeze_may_end;

pub(crate) static GATE: Gate = Gate {
    name: "frozen",
    explains: &[StatusWord::Failed],
    is_trouble: true,
    stages: &[Stage::Start],
    check,
};

fn check(input: &GateInput<'_>) -> Answer {
    Some(input.state.frozen.as_ref().map(|reason| {
        let release = release(input.state);
        let opened_by = match freeze_may_end(input.state) {
            true => format!("a commit with another content, or {release}"),
            false => release,
        };
        Closed::new(&GATE, WaitsFor::You, format!("frozen: {reason}"), opened_by)
    }))
}
