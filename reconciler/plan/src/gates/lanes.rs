//! Every declared lane was compared; the replicas have a gate of their own.

use moorline_model::comparison;
use moorline_model::drift::Lane;
use moorline_model::status::StatusWord;

use super::{Answer, Closed, Gate, GateInput, WaitsFor};

pub(crate) static GATE: Gate =
    Gate { name: "lanes", explains: &[StatusWord::CannotCheck], is_trouble: false, stages: &[], check };

fn check(input: &GateInput<'_>) -> Answer {
    let state = input.state;
    state.applied.as_ref()?;
    let is_known = |known: &comparison::Comparison| known.trouble.is_none() && known.compared_at.is_some();
    let mut open = state.lanes.iter().filter(|(lane, known)| **lane != Lane::Gateway && !is_known(known));
    let closed = open.next().map(|(lane, known)| match &known.trouble {
        Some(trouble) => {
            let because = format!("{} could not be compared: {trouble}", lane.as_str());
            let opened_by = "a fix of what it names; it is checked again automatically";
            Closed::new(&GATE, WaitsFor::You, because, opened_by).failed(known.failure.clone())
        }
        None => {
            let because = format!("{} was not compared yet", lane.as_str());
            Closed::new(&GATE, WaitsFor::Itself, because, "the next look")
        }
    });
    Some(closed)
}
