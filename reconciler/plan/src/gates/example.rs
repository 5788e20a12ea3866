//! A gate of the tests alone, and the smallest there is: no change of an environment that is called `gated` goes on.

use super::table::HELD;
use super::{Answer, Closed, Gate, GateInput, Stage, WaitsFor};

pub(crate) static GATE: Gate = Gate {
    name: "example",
    explains: HELD,
    is_trouble: false,
    stages: &[Stage::Begin, Stage::Start, Stage::Write],
    check,
};

fn check(input: &GateInput<'_>) -> Answer {
    let is_gated = input.state.name.as_str() == "gated";
    Some(is_gated.then(|| {
        let because = "it is called gated".to_owned();
        Closed::new(&GATE, WaitsFor::You, because, "another name")
    }))
}
