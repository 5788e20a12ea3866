//! When a lane is looked at again.
//!
//! In: what is remembered, and what the environment declares. Out: a moment, or none while the lane is not looked at at
//! all; so nothing that is overdue and cannot be done now makes cycles follow each other without a pause.

use jiff::{SignedDuration, Timestamp};
use moorline_model::condition::ConditionType;
use moorline_model::declaration::Environment;
use moorline_model::drift::{DriftState, Lane};
use moorline_model::environment::EnvironmentState;

/// The pause before replicas are read a second time.
const REPLICAS_AGAIN_AFTER: SignedDuration = SignedDuration::from_millis(500);
/// The pause before an expensive lane is read a second time.
const LANE_AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(5);

/// When the replicas are read again. They are read in each cycle.
pub(crate) fn replicas(
    state: &EnvironmentState,
    declared: &Environment,
    now: Timestamp,
) -> Option<Timestamp> {
    let last = state.conditions.0.get(&ConditionType::Health).map_or(now, |reading| reading.checked_at);
    let again = after(last, REPLICAS_AGAIN_AFTER).filter(|_| is_suspected(state, Lane::Gateway, last));
    [again, declared.schedule.drift.next_after(last)].into_iter().flatten().min()
}

/// When Terraform is planned, or AWS read, again. Neither is while a rollout is under way.
pub(crate) fn lane(state: &EnvironmentState, in_force: &Environment, lane: Lane) -> Option<Timestamp> {
    let schedule = match lane {
        Lane::Terraform => &in_force.schedule.plan,
        Lane::Aws => in_force.aws.as_ref().map(|_| &in_force.schedule.drift)?,
        Lane::Gateway => return None,
    };
    // AWS is compared with Terraform's state.
    if in_force.terraform.is_none() || state.applied.is_none() || state.rollout_under_way().is_some() {
        return None;
    }
    let Some(last) = state.last_checked.get(&lane).copied() else { return Some(Timestamp::MIN) };
    let again = after(last, LANE_AGAIN_AFTER).filter(|_| is_suspected(state, lane, last));
    [again, schedule.next_after(last)].into_iter().flatten().min()
}

/// Whether the last look found something for the first time. What a later look could not confirm because it failed
/// waits for the schedule like everything else.
fn is_suspected(state: &EnvironmentState, lane: Lane, last: Timestamp) -> bool {
    state.drift.iter().any(|drift| {
        drift.finding.lane == lane && drift.state == DriftState::Suspected && drift.first_seen >= last
    })
}

fn after(time: Timestamp, pause: SignedDuration) -> Option<Timestamp> {
    time.checked_add(pause).ok()
}

#[cfg(test)]
mod tests {
    use moorline_model::config::Digest;
    use moorline_model::declaration::Declaration;
    use moorline_model::drift::{Drift, DriftKind, Finding, Severity};
    use moorline_model::rollout::{Deployed, RolloutKind};
    use moorline_model::{Revision, condition::ConditionStatus};
    use moorline_plan::advance::{Inputs, StepOutcome, advance};
    use moorline_plan::desired::desired;

    use super::*;

    const DECLARATION: &str = "version: 1\nenvironments: [{name: prod, gateway: {document: {terraform: openai_gateway.main}, \
        endpoints: ['http://a'], admin_token: 'env:A'}, terraform: {directory: infra}, \
        schedule: {plan: 15m, drift: 30s}}]";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn declared() -> Declaration {
        Declaration::parse("moorline.yaml", DECLARATION).unwrap()
    }

    fn revision() -> Revision {
        serde_json::from_value(serde_json::json!({
            "commit": "1".repeat(40), "author": "me", "message": "one", "committed_at": at(0),
        }))
        .unwrap()
    }

    /// In force, with a plan looked at long ago.
    fn in_force() -> EnvironmentState {
        let mut state = EnvironmentState::new("prod".parse().unwrap());
        let digest: Digest = format!("sha256:{}", "0".repeat(64)).parse().unwrap();
        state.applied = Some(Deployed { revision: revision(), digest, terraform_tree: None, at: at(0) });
        state.last_checked.insert(Lane::Terraform, at(0));
        state
    }

    fn suspected(lane: Lane, first_seen: Timestamp) -> Drift {
        let finding = Finding {
            lane,
            address: "a".to_owned(),
            path: String::new(),
            kind: DriftKind::Changed,
            severity: Severity::Warning,
            declared: None,
            live: None,
            note: None,
        };
        let fingerprint = finding.fingerprint();
        Drift { finding, fingerprint, state: DriftState::Suspected, first_seen, last_seen: first_seen }
    }

    #[test]
    fn a_rollout_that_waits_for_days_leaves_no_plan_overdue() {
        let (declaration, state) = (declared(), in_force());
        let environment = &declaration.environments[0];
        assert_eq!(lane(&state, environment, Lane::Terraform), Some(at(900)));
        let desired = desired(revision(), &state.name, &declaration, &[], None, None).unwrap();
        let begun = StepOutcome::Begun { revision: revision(), kind: RolloutKind::Deploy };
        let inputs = Inputs {
            id: "00000000-0000-7000-8000-000000000001".parse().unwrap(),
            desired: Some(&desired),
            in_force: None,
            incoming: None,
        };
        let state = advance(&state, begun, &inputs, at(1)).state;
        assert!(state.rollout_under_way().is_some());
        assert_eq!(lane(&state, environment, Lane::Terraform), None);
    }

    #[test]
    fn a_first_finding_is_looked_at_again_soon_and_only_once() {
        let declaration = declared();
        let environment = &declaration.environments[0];
        let mut state = in_force();
        state.drift.push(suspected(Lane::Terraform, at(0)));
        assert_eq!(lane(&state, environment, Lane::Terraform), Some(at(5)));
        // The second look failed.
        state.last_checked.insert(Lane::Terraform, at(5));
        assert_eq!(lane(&state, environment, Lane::Terraform), Some(at(905)));

        state.drift = vec![suspected(Lane::Gateway, at(0))];
        state.conditions.note(ConditionType::Health, ConditionStatus::Good, "", at(0));
        assert!(replicas(&state, environment, at(0)).unwrap() < at(1));
        // Its replica is gone.
        state.conditions.note(ConditionType::Health, ConditionStatus::CannotCheck, "", at(1));
        assert_eq!(replicas(&state, environment, at(1)), Some(at(31)));
    }
}
