//! Whether the document in force is to be restored on replicas.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use moorline_model::drift::{DriftKind, DriftState, Lane};
use moorline_model::environment::EnvironmentState;

use super::foreign::heals_gateways;
use super::{Decision, Situation};
use crate::gates::{GateInput, Stage, first_closed};
use crate::gateway::{ReplicaReading, Serving};

/// Wait after a first try at healing that did not make the drift go away; doubled for each further one.
const BACKOFF: Duration = Duration::from_secs(10);
/// Longest wait between two tries. A person who keeps writing by hand, or a replica that keeps failing, is met this
/// often and not in a loop.
const BACKOFF_MAX: Duration = Duration::from_secs(600);

/// Heals open drift of the gateway lane where the environment says so, and replicas that serve nothing always.
pub(super) fn drift(state: &EnvironmentState, situation: &Situation<'_>, now: Timestamp) -> Option<Decision> {
    let mut endpoints = empty_replicas(situation);
    if heals_gateways(situation) {
        let is_open = |kind| matches!(kind, DriftKind::Changed | DriftKind::Missing | DriftKind::Unmanaged);
        let open = state.drift.iter().filter(|drift| {
            drift.state == DriftState::Open
                && drift.finding.lane == Lane::Gateway
                && is_open(drift.finding.kind)
        });
        let is_ours = |reading: &ReplicaReading| !reading.stable().is_some_and(Serving::is_anothers);
        let is_replica = |address: &&String| {
            situation.replicas.iter().any(|reading| reading.endpoint == **address && is_ours(reading))
        };
        endpoints.extend(open.map(|drift| &drift.finding.address).filter(is_replica).cloned());
    }
    decision(state, situation, endpoints, now)
}

/// Heals only replicas that serve nothing: one that just started has nothing to be overwritten, and needs the document
/// in force to be of use.
pub(super) fn empty(state: &EnvironmentState, situation: &Situation<'_>, now: Timestamp) -> Option<Decision> {
    decision(state, situation, empty_replicas(situation), now)
}

fn empty_replicas(situation: &Situation<'_>) -> BTreeSet<String> {
    let is_empty = |reading: &&crate::gateway::ReplicaReading| {
        reading.result.as_ref().is_ok_and(|status| status.stable.is_none())
    };
    situation.replicas.iter().filter(is_empty).map(|reading| reading.endpoint.clone()).collect()
}

fn decision(
    state: &EnvironmentState,
    situation: &Situation<'_>,
    endpoints: BTreeSet<String>,
    now: Timestamp,
) -> Option<Decision> {
    // Healing applies the commit in force; a hold on it, or on everything, forbids that too.
    let in_force = &state.applied.as_ref()?.revision.commit;
    let input = GateInput::new(state, situation, &[], now).about_commit(in_force);
    let may = !endpoints.is_empty() && first_closed(Stage::Heal, &input).is_none() && is_time(state, now);
    may.then(|| Decision::Heal { endpoints: endpoints.into_iter().collect() })
}

fn is_time(state: &EnvironmentState, now: Timestamp) -> bool {
    state.healing.is_none_or(|healing| {
        let factor = 1 << healing.tries.saturating_sub(1).min(16);
        let wait = BACKOFF.saturating_mul(factor).min(BACKOFF_MAX);
        now.duration_since(healing.at) >= jiff::SignedDuration::try_from(wait).unwrap_or_default()
    })
}
