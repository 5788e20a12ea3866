//! The verify stage: is what a rollout brought healthy?
//!
//! In: the rollout as it stands after acting. Out: evidence on its present phase, judged by
//! [`moorline_plan::verify::judge`]; the next cycle decides on it. Here is only the asking: probes through the
//! candidate, statistics of candidate and stable over the same time, and what every replica attests.

mod probe;
mod sample;

use jiff::Timestamp;
use moorline_config::Config;
use moorline_model::rollout::{Evidence, Phase, Rollout};
use moorline_plan::verify::{Observation, Sample, judge};

use crate::fleet::Fleet;
use crate::secrets::Secrets;

/// Asks whether the rollout's present phase is healthy. `None` for phases that are not verified.
pub async fn verify(
    rollout: &Rollout,
    document: Option<&Config>,
    fleet: &Fleet,
    secrets: &Secrets,
    now: Timestamp,
) -> Option<Evidence> {
    if !matches!(rollout.phase, Phase::Staging | Phase::Shifting { .. } | Phase::Baking) {
        return None;
    }
    let document = document?;
    let mut attested = fleet.read(Some(document.digest())).await;
    // While people's requests are compared, ours would only blur them; without any, ours are all there is.
    let asks = !matches!(rollout.phase, Phase::Shifting { .. }) || rollout.verify.min_requests == 0;
    let probes = match asks {
        true => probe::all(rollout, document, fleet, &attested, secrets).await,
        false => Vec::new(),
    };
    let (candidate, stable) = match rollout.phase {
        Phase::Staging => (Sample::default(), None),
        _ => {
            let (since, compares) = (rollout.phase_since, rollout.phase != Phase::Baking);
            let question = sample::Question { expected: document.digest(), since, compares };
            sample::take(question, fleet, &mut attested).await
        }
    };
    let hold = match rollout.phase {
        Phase::Shifting { step } => rollout.plan.steps.get(step).map(|step| step.hold.get()),
        _ => None,
    };
    let elapsed = std::time::Duration::try_from(now.duration_since(rollout.phase_since)).unwrap_or_default();
    let observation = Observation {
        phase: &rollout.phase,
        candidate: &candidate,
        stable: stable.as_ref(),
        probes: &probes,
        attested: &attested,
        expected: document.digest(),
        elapsed,
        aws: &[],
    };
    Some(judge(&rollout.verify, hold, &observation, rollout.evidence.as_ref(), now))
}
