//! The commit is not held.

use super::{Answer, Closed, Gate, GateInput, HELD, Stage, WaitsFor, release};

pub(crate) static GATE: Gate = Gate {
    name: "hold",
    explains: HELD,
    is_trouble: false,
    stages: &[Stage::Begin, Stage::Supersede, Stage::Start, Stage::Plan, Stage::Progress, Stage::Heal],
    check,
};

fn check(input: &GateInput<'_>) -> Answer {
    let hold = input.state.hold_on(input.commit?);
    Some(hold.map(|hold| {
        let what = hold.commit.as_ref().map_or("everything", |commit| commit.short());
        let release = release(input.state);
        let (waits_for, opened_by) = match hold.commit {
            Some(_) => (WaitsFor::Commit, format!("a newer commit, or {release}")),
            None => (WaitsFor::You, release),
        };
        let because = format!("{what} is held by {}: {}", hold.by, hold.reason);
        Closed::new(&GATE, waits_for, because, opened_by)
    }))
}
