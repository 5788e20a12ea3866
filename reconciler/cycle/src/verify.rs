//! The verify stage: is what a rollout brought healthy?
//!
//! In: the rollout as it stands after acting. Out: evidence on its present phase, judged by
//! [`moorline_plan::verify::judge`]; the next cycle decides on it. Here is only the asking: probes through the
//! candidate, statistics of candidate and stable over the same time, and what every replica attests.

mod probe;
mod sample;

use jiff::{SignedDuration, Timestamp};
use moorline_config::{Config, Duration};
use moorline_model::rollout::{Evidence, Phase, Rollout};
use moorline_plan::verify::{Observation, Sample, judge};

use crate::facilities::Facilities;
use crate::fleet::Replicas;

/// Looks within the time that a verdict is about. Each asks the probes, which cost money.
const LOOKS: i32 = 20;
/// The shortest time between two looks.
const SPACING_MIN: SignedDuration = SignedDuration::from_millis(500);
/// The longest: a document that turns bad is not left for longer than this.
const SPACING_MAX: SignedDuration = SignedDuration::from_secs(10);

/// What triggered the verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VerifyTrigger {
    /// A step was just taken: evidence from before it does not count.
    AfterStep,
    /// Nothing moved since.
    Periodic,
}

/// Asks whether the rollout's present phase is healthy. `None` for phases that are not verified, and when it was asked
/// just now: the evidence it has still stands.
pub(crate) async fn verify<W: Facilities>(
    world: &W,
    rollout: &Rollout,
    document: Option<&Config>,
    fleet: &Replicas<W::Gateway>,
    trigger: VerifyTrigger,
) -> Option<Evidence> {
    let now = world.now();
    if !matches!(rollout.phase, Phase::Staging | Phase::Shifting { .. } | Phase::Baking) {
        return None;
    }
    if trigger == VerifyTrigger::Periodic && next_look(rollout).is_some_and(|next| now < next) {
        return None;
    }
    let document = document?;
    let mut attested = fleet.read(Some(document.digest())).await;
    // While people's requests are compared, ours would only blur them; without any, ours are all there is.
    let asks = !matches!(rollout.phase, Phase::Shifting { .. }) || rollout.verify.min_requests == 0;
    let probes = match asks {
        true => probe::all(world, rollout, document, fleet, &attested).await,
        false => Vec::new(),
    };
    let (candidate, stable) = match rollout.phase {
        Phase::Staging => (Sample::default(), None),
        _ => {
            let (since, compares) = (rollout.phase_since, rollout.phase != Phase::Baking);
            let query = sample::SampleQuery { expected: document.digest(), since, compares };
            sample::take(query, fleet, &mut attested).await
        }
    };
    let hold = match rollout.phase {
        Phase::Shifting { step } => rollout.traffic.steps.get(step).map(|step| step.hold.get()),
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

/// When the present phase is verified again. `None` when it was not verified yet, which is at once.
pub(crate) fn next_look(rollout: &Rollout) -> Option<Timestamp> {
    let last = rollout.evidence.as_ref().filter(|evidence| evidence.phase == rollout.phase)?.at;
    Some(look_after(last, rollout.phase_since, time_of_verdict(rollout)))
}

/// The look after one: when the spacing is over, or the moment that the phase's hold or window ends, whichever is first.
fn look_after(last: Timestamp, phase_since: Timestamp, whole: Duration) -> Timestamp {
    let spaced = last.checked_add(spacing(whole)).unwrap_or(Timestamp::MAX);
    let end = phase_since.checked_add(whole.get()).unwrap_or(Timestamp::MAX);
    if last < end { spaced.min(end) } else { spaced }
}

/// The time that a verdict on the present phase is about.
fn time_of_verdict(rollout: &Rollout) -> Duration {
    match rollout.phase {
        Phase::Shifting { step } => {
            rollout.traffic.steps.get(step).map_or(rollout.verify.window, |step| step.hold)
        }
        Phase::Baking => rollout.verify.window,
        _ => Duration::from_milliseconds(0),
    }
}

fn spacing(time_of_verdict: Duration) -> SignedDuration {
    let whole = SignedDuration::try_from(time_of_verdict.get()).unwrap_or(SPACING_MAX);
    (whole / LOOKS).clamp(SPACING_MIN, SPACING_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_that_ends_is_looked_at_in_that_moment_and_not_on_a_grid() {
        let at = |millis: i64| Timestamp::from_millisecond(millis).unwrap();
        let after = |last: i64, whole: &str| look_after(at(last), at(0), whole.parse().unwrap());
        assert_eq!(after(1_000, "2m"), at(7_000));
        assert_eq!(after(119_300, "2m"), at(120_000), "the end");
        assert_eq!(after(120_000, "2m"), at(126_000), "requests are still missing");
        assert_eq!(after(900, "1s"), at(1_000));
        assert_eq!(after(0, "0s"), at(500), "nothing ends");
    }

    #[test]
    fn a_long_window_is_not_filled_with_probes_and_a_short_one_is_not_missed() {
        let of = |text: &str| spacing(text.parse().unwrap());
        assert_eq!(of("1s"), SPACING_MIN);
        assert_eq!(of("2m"), SignedDuration::from_secs(6));
        assert_eq!(of("1h"), SPACING_MAX);
    }
}
