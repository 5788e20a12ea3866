//! Whether a rollout may write over what somebody else put on a replica.
//!
//! A gateway has one owner at a time. What a person wrote by hand in the night is drift, and stays until the environment
//! says that drift is healed, or a person asks for the change: then a rollout takes the gateway over. Until then it waits,
//! and a rollback leaves that replica alone.

use moorline_model::drift::Lane;
use moorline_model::environment::EnvironmentState;
use moorline_model::rollout::{Rollout, RolloutKind};

use super::Situation;
use crate::gateway::{ReplicaReading, Serving};

/// Who owns what a rollout writes.
const OURS: &str = "git";

/// What another owner put on the replica, when the rollout may not write over it.
#[must_use]
pub fn foreign<'a>(
    state: &EnvironmentState,
    rollout: &Rollout,
    situation: &Situation<'_>,
    reading: &'a ReplicaReading,
) -> Option<&'a Serving> {
    let serving = reading.stable().filter(|serving| serving.origin != OURS)?;
    let is_ours_in_content = Some(serving.digest) == rollout.digest
        || state.applied.as_ref().is_some_and(|applied| applied.digest == serving.digest)
        || rollout.from.as_ref().is_some_and(|from| from.digest == serving.digest);
    // Healing is about what one's own gateways should serve.
    let is_healed = heals_gateways(situation) && !serving.is_anothers();
    let may = is_ours_in_content || is_healed || is_asked(rollout) || rollout.from.is_none();
    (!may).then_some(serving)
}

/// The first replica that makes the rollout wait, with what is there.
pub(crate) fn first<'a>(
    state: &EnvironmentState,
    rollout: &Rollout,
    situation: &Situation<'a>,
) -> Option<(&'a str, &'a Serving)> {
    situation.replicas.iter().find_map(|reading| {
        let serving = foreign(state, rollout, situation, reading)?;
        Some((reading.endpoint.as_str(), serving))
    })
}

/// Whether the environment says that drift of its gateways is healed.
pub(super) fn heals_gateways(situation: &Situation<'_>) -> bool {
    let declared = situation.head.and_then(Result::ok).or(situation.current);
    declared.is_some_and(|desired| desired.environment.drift.heal.contains(&Lane::Gateway))
}

fn is_asked(rollout: &Rollout) -> bool {
    rollout.requested_by.is_some()
        || rollout.stop.is_some()
        || matches!(rollout.kind, RolloutKind::Rollback { .. })
}
