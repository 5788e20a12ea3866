//! Whether every replica holds the document that is being judged.

use std::collections::BTreeMap;

use moorline_model::CheckFailed;
use moorline_model::rollout::Phase;

use super::{Findings, Observation};
use crate::{lanes, replica_groups};

pub(super) fn judge(
    observation: &Observation<'_>,
    findings: &mut Findings,
    facts: &mut BTreeMap<String, String>,
) {
    let expected = observation.expected;
    let is_attested = |reading: &&crate::gateway::ReplicaReading| match observation.phase {
        Phase::Staging | Phase::Shifting { .. } => reading.holds(expected),
        _ => reading.serves(expected),
    };
    let all = observation.attested;
    let attested = all.iter().filter(is_attested).count();
    facts.insert("replicas.attested".to_owned(), format!("{attested} of {}", all.len()));
    if all.is_empty() {
        findings.errors.push(CheckFailed::stalled("no replica was found"));
    }
    let (mut unread, mut lacking) = (Vec::new(), Vec::new());
    for reading in all {
        let endpoint = reading.endpoint.as_str();
        match &reading.result {
            Err(failed) => unread.push((endpoint, failed.because.clone())),
            // Not its fault: somebody wrote there, or the replica started anew. Drift has the word on that.
            Ok(_) if !is_attested(&reading) => {
                lacking.push((endpoint, format!("does not hold {}", expected.short())));
            }
            Ok(_) => {}
        }
    }
    if let Some(class) = lanes::worst(all) {
        let each = replica_groups::merged(unread, all.len());
        findings.errors.extend(each.into_iter().map(|because| CheckFailed::new(class.clone(), because)));
    }
    findings.missing.extend(replica_groups::merged(lacking, all.len()));
}
