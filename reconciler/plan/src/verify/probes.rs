//! Whether the requests we sent ourselves were answered rightly.

use std::collections::BTreeMap;

use moorline_model::rollout::Evidence;

use super::{Found, Observation, WRONG_PROBES_MAX};

/// Returns how many rounds in a row had a wrong answer.
pub(super) fn judge(
    observation: &Observation<'_>,
    previous: Option<&Evidence>,
    found: &mut Found,
    facts: &mut BTreeMap<String, String>,
) -> u32 {
    let probes = observation.probes;
    if probes.is_empty() {
        return 0;
    }
    let right = probes.iter().filter(|probe| probe.outcome == Ok(probe.expected)).count();
    facts.insert("probes".to_owned(), format!("{right} of {} answered rightly", probes.len()));
    let mut wrong = Vec::new();
    for probe in probes {
        let (model, endpoint, expected) = (&probe.model, &probe.endpoint, probe.expected);
        match &probe.outcome {
            Ok(status) if *status == expected => {}
            Ok(status) => {
                wrong.push(format!("the probe of {model} on {endpoint} got {status} instead of {expected}"));
            }
            Err(error) => found.errors.push(format!("the probe of {model} on {endpoint}: {error}")),
        }
    }
    if wrong.is_empty() {
        return 0;
    }
    let in_a_row = previous.map_or(0, |previous| previous.wrong_probes_in_a_row).saturating_add(1);
    let kind = if in_a_row >= WRONG_PROBES_MAX { &mut found.failures } else { &mut found.missing };
    kind.extend(wrong);
    in_a_row
}
