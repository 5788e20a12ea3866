//! Every secret that the declaration names has a value.

use moorline_model::FailureClass;
use moorline_model::status::StatusWord;

use super::{Answer, Closed, Gate, GateInput, WaitsFor};

pub(crate) static GATE: Gate = Gate {
    name: "variable",
    explains: &[StatusWord::CannotCheck, StatusWord::Verifying],
    is_trouble: false,
    stages: &[],
    check,
};

fn check(input: &GateInput<'_>) -> Answer {
    let each: Vec<_> =
        input.missing.iter().map(|missing| format!("{} ({})", missing.why, missing.path)).collect();
    Some((!each.is_empty()).then(|| {
        let opened_by = "a value for it where the daemon runs (a variable needs the daemon's restart), or a commit that \
                         names another";
        Closed::new(&GATE, WaitsFor::You, each.join("; "), opened_by).failed(Some(FailureClass::Stalled))
    }))
}
