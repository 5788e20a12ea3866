//! Changes are applied without a person starting them, or a person did.

use moorline_model::rollout::{Rollout, RolloutKind};

use super::{Answer, Closed, Gate, GateInput, HELD, Stage, WaitsFor};

pub(crate) static GATE: Gate =
    Gate { name: "auto", explains: HELD, is_trouble: false, stages: &[Stage::Start], check };

fn check(input: &GateInput<'_>) -> Answer {
    let change = input.change?;
    let is_requested = input.state.sync.is_some() || input.rollout.is_some_and(is_requested);
    Some((!change.environment.apply.auto && !is_requested).then(|| {
        let because = "apply.auto is false: a person starts each change".to_owned();
        Closed::new(&GATE, WaitsFor::You, because, format!("`moorline sync {}`", input.state.name))
    }))
}

fn is_requested(rollout: &Rollout) -> bool {
    rollout.requested_by.is_some() || matches!(rollout.kind, RolloutKind::Rollback { .. })
}
