//! Whether the requests we sent ourselves were answered rightly.

use std::collections::{BTreeMap, BTreeSet};

use moorline_model::masking;
use moorline_model::rollout::Evidence;

use super::{Findings, Observation, ProbeOutcome, WRONG_PROBES_MAX};
use crate::replica_groups::{grouped, named};

/// What replicas answer alike is reported once. Returns how many rounds in a row had a wrong answer.
pub(super) fn judge(
    observation: &Observation<'_>,
    previous: Option<&Evidence>,
    findings: &mut Findings,
    facts: &mut BTreeMap<String, String>,
) -> u32 {
    let probes = observation.probes;
    if probes.is_empty() {
        return 0;
    }
    let right = probes.iter().filter(|probe| probe.outcome == ProbeOutcome::Right).count();
    facts.insert("probes".to_owned(), format!("{right} of {} answered rightly", probes.len()));
    let replicas: BTreeSet<_> = probes.iter().map(|probe| probe.endpoint.as_str()).collect();
    let told = probes.iter().map(|probe| ((&probe.model, &probe.outcome), probe.endpoint.as_str()));
    let mut wrong = Vec::new();
    for ((model, outcome), who) in grouped(told) {
        let probe = format!("the probe of {} on {}", masking::masked(model), named(&who, replicas.len()));
        match outcome {
            ProbeOutcome::Right => {}
            ProbeOutcome::Wrong { status, expected, fault } => {
                let fault = fault.as_ref().map(|fault| format!(": {fault}")).unwrap_or_default();
                wrong.push(format!("{probe} got {status} instead of {expected}{fault}"));
            }
            ProbeOutcome::Unanswered(failed) => {
                findings.errors.push(failed.clone().after(&format!("{probe} was not answered: ")));
            }
        }
    }
    if wrong.is_empty() {
        return 0;
    }
    let in_a_row = previous.map_or(0, |previous| previous.wrong_probes_in_a_row).saturating_add(1);
    let kind = if in_a_row >= WRONG_PROBES_MAX { &mut findings.failures } else { &mut findings.suspicions };
    kind.extend(wrong);
    in_a_row
}
