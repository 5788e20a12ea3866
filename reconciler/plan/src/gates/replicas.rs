//! Every replica can be read. Replicas that report the same are reported together.

use moorline_model::status::StatusWord;

use super::{Answer, Closed, Gate, GateInput, WaitsFor};
use crate::{lanes, replica_groups};

pub(crate) static GATE: Gate = Gate {
    name: "replicas",
    explains: &[StatusWord::CannotCheck, StatusWord::Verifying],
    is_trouble: true,
    stages: &[],
    check,
};

fn check(input: &GateInput<'_>) -> Answer {
    input.desired.or(input.situation.current)?;
    let readings = input.situation.replicas;
    let unread = readings.iter().filter_map(|reading| {
        Some((reading.endpoint.as_str(), reading.result.as_ref().err()?.because.clone()))
    });
    let each = replica_groups::merged(unread, readings.len());
    if each.is_empty() && !readings.is_empty() {
        return Some(None);
    }
    let what = if each.is_empty() { "no replica was found".to_owned() } else { each.join("; ") };
    let opened_by = "the replicas' answer; they are retried automatically";
    let closed = Closed::new(&GATE, WaitsFor::You, what, opened_by);
    Some(Some(closed.failed(lanes::worst(readings).cloned())))
}
