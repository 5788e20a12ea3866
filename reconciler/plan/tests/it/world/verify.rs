//! Verification: what is being tried is asked, with as much traffic as the world has.

use jiff::SignedDuration;
use moorline_model::rollout::Phase;
use moorline_plan::gateway::ReplicaReading;
use moorline_plan::verify::{Observation, ProbeOutcome, ProbeResult, Sample, judge};

use super::World;

impl World {
    pub(super) fn verify(&mut self) {
        let Some(rollout) = self.state.rollout_under_way() else { return };
        let Some(expected) = rollout.digest else { return };
        let hold = match rollout.phase {
            Phase::Staging | Phase::Baking => None,
            Phase::Shifting { step } => rollout.plan.steps.get(step).map(|step| step.hold.get()),
            _ => return,
        };
        let since: SignedDuration = self.now.duration_since(rollout.phase_since);
        let elapsed: std::time::Duration = since.try_into().unwrap_or_default();
        let is_sick = self.sick.contains(&expected);
        let is_broken = self.broken.contains(&expected);
        let share = match rollout.phase {
            Phase::Shifting { step } => {
                rollout.plan.steps.get(step).map_or(0.0, |step| step.weight.as_fraction())
            }
            Phase::Baking => 1.0,
            _ => 0.0,
        };
        let sample = |share: f64, is_sick: bool| {
            let requests = (elapsed.as_secs_f64() * self.traffic_per_second as f64 * share) as u64;
            let faults = if is_sick { requests / 2 } else { 0 };
            Sample { requests, faults, p95_ms: Some(80.0), p99_ms: Some(120.0), ..Sample::default() }
        };
        let candidate = sample(share, is_sick);
        let stable = sample(1.0 - share, false);
        let probe = |reading: &ReplicaReading| ProbeResult {
            model: "gpt-4o".to_owned(),
            endpoint: reading.endpoint.clone(),
            outcome: if is_broken {
                ProbeOutcome::Wrong { status: 502, expected: 200, fault: None }
            } else {
                ProbeOutcome::Right
            },
        };
        let readings = self.readings(Some(expected));
        let probes: Vec<_> = readings.iter().filter(|reading| reading.result.is_ok()).map(probe).collect();
        let observation = Observation {
            phase: &rollout.phase,
            candidate: &candidate,
            stable: (share < 1.0).then_some(&stable),
            probes: &probes,
            attested: &readings,
            expected,
            elapsed,
            aws: &[],
        };
        let evidence = judge(&rollout.verify, hold, &observation, rollout.evidence.as_ref(), self.now);
        let next = moorline_plan::advance::witness(&self.state, evidence, self.now);
        self.state = next.state;
        self.told.extend(next.notifications);
    }
}
