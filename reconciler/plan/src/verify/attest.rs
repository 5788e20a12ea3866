//! Whether every replica holds the document that is being judged.

use std::collections::BTreeMap;

use moorline_model::rollout::Phase;

use super::{Found, Observation};

pub(super) fn judge(observation: &Observation<'_>, found: &mut Found, facts: &mut BTreeMap<String, String>) {
    let expected = observation.expected;
    let is_attested = |reading: &&crate::gateway::ReplicaReading| match observation.phase {
        Phase::Staging | Phase::Shifting { .. } => reading.holds(expected),
        _ => reading.serves(expected),
    };
    let all = observation.attested;
    let attested = all.iter().filter(is_attested).count();
    facts.insert("replicas.attested".to_owned(), format!("{attested} of {}", all.len()));
    if all.is_empty() {
        found.errors.push("no replica was found".to_owned());
    }
    for reading in all {
        match &reading.result {
            Err(error) => found.errors.push(format!("{} {error}", reading.endpoint)),
            // Not its fault: somebody wrote there, or the replica started anew. Drift has the word on that.
            Ok(_) if !is_attested(&reading) => {
                found.missing.push(format!("{} does not hold {}", reading.endpoint, expected.short()));
            }
            Ok(_) => {}
        }
    }
}
