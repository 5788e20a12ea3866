//! No replica serves what somebody else put there, or that may be written over.

use super::{Answer, Closed, Gate, GateInput, HELD, Stage, WaitsFor};
use crate::decide::first_foreign;

pub(crate) static GATE: Gate =
    Gate { name: "owner", explains: HELD, is_trouble: false, stages: &[Stage::Write], check };

fn check(input: &GateInput<'_>) -> Answer {
    let foreign = first_foreign(input.state, input.rollout?, input.situation);
    Some(foreign.map(|(endpoint, serving)| {
        let because = format!("{endpoint} serves what is not this environment's: {}", serving.written_by());
        let opened_by =
            format!("`moorline sync {}`, which writes over it, or drift.heal: [gateway]", input.state.name);
        Closed::new(&GATE, WaitsFor::You, because, opened_by)
    }))
}
