//! No replica serves what was there before Moorline, or somebody adopted it.

use super::{Answer, Closed, Gate, GateInput, HELD, Stage, WaitsFor};
use crate::adopt::unadopted;
use crate::conditions::empty;
use crate::gateway::ReplicaReading;

pub(crate) static GATE: Gate =
    Gate { name: "adopt", explains: HELD, is_trouble: false, stages: &[Stage::Write], check };

fn check(input: &GateInput<'_>) -> Answer {
    input.rollout?;
    let (state, situation) = (input.state, input.situation);
    let unadopted = unadopted(state, situation);
    let name = &state.name;
    let sentence = |reading: &&ReplicaReading| {
        let found = state
            .found
            .iter()
            .find(|found| found.endpoint == reading.endpoint && reading.serves(found.digest));
        match found {
            Some(found) => format!("{}, and differs in {}", found.sentence(), found.fields()),
            None => format!("{} serves something that cannot be read", reading.endpoint),
        }
    };
    let each: Vec<_> = unadopted.iter().map(sentence).collect();
    Some((!each.is_empty()).then(|| {
        let empty = empty(situation.replicas);
        let empty = if empty.is_empty() { String::new() } else { format!("; {empty}") };
        let because = format!("{}; Moorline has not put that there{empty}", each.join("; "));
        let opened_by = format!(
            "`moorline adopt {name}`, which shows the differences and replaces it, or `gateway: {{adopt: true}}`"
        );
        Closed::new(&GATE, WaitsFor::You, because, opened_by)
    }))
}
