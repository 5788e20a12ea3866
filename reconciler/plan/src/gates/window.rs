//! A window is open. A person's rollback waits for none: it is requested because what runs is wrong.

use moorline_model::rollout::{Rollout, RolloutKind};

use super::{Answer, Closed, Gate, GateInput, HELD, Stage, WaitsFor};

pub(crate) static GATE: Gate =
    Gate { name: "window", explains: HELD, is_trouble: false, stages: &[Stage::Start, Stage::Apply], check };

fn check(input: &GateInput<'_>) -> Answer {
    let windows = &input.change?.environment.apply.windows;
    let is_rollback = |rollout: &Rollout| matches!(rollout.kind, RolloutKind::Rollback { .. });
    let is_open = windows.is_empty()
        || input.rollout.is_some_and(is_rollback)
        || windows.iter().any(|window| window.allow.is_open(input.now));
    if is_open {
        return Some(None);
    }
    let opens_at = windows.iter().filter_map(|window| window.allow.next_opening(input.now)).min();
    let names: Vec<_> = windows.iter().map(|window| window.allow.to_string()).collect();
    let because = format!("outside of the windows {}", names.join(", "));
    let (waits_for, opened_by) = match opens_at {
        Some(_) => (WaitsFor::Time, "itself, when a window opens"),
        None => (WaitsFor::Commit, "a change of the windows"),
    };
    Some(Some(Closed { opens_at, ..Closed::new(&GATE, waits_for, because, opened_by) }))
}
