//! What a cycle read, kept beside the record: the question "why?" comes between two cycles, and is answered with the state
//! and the moment of then. An answer kept as text would say "verified 2s ago" until the next cycle.

use jiff::Timestamp;
use moorline_model::environment::EnvironmentState;
use moorline_model::{CheckFailed, CommitId, Revision};

use super::{Explanation, MissingSecret, why};
use crate::decide::Situation;
use crate::desired::Desired;
use crate::gateway::ReplicaReading;
use crate::policy::Denial;

/// A [`Situation`] of its own, with the secrets that have no value.
#[derive(Debug, Clone)]
pub struct SituationSnapshot {
    head: Option<Result<Desired, CheckFailed>>,
    current: Option<Desired>,
    replicas: Vec<ReplicaReading>,
    denials: Result<Vec<Denial>, CheckFailed>,
    blocked: Option<String>,
    missing: Vec<MissingSecret>,
}

impl SituationSnapshot {
    /// Keeps what was read.
    #[must_use]
    pub fn of(situation: &Situation<'_>, missing: Vec<MissingSecret>) -> Self {
        Self {
            head: situation.head.map(|head| head.cloned().map_err(Clone::clone)),
            current: situation.current.cloned(),
            replicas: situation.replicas.to_vec(),
            denials: situation.denials.map(<[Denial]>::to_vec).map_err(Clone::clone),
            blocked: situation.blocked.map(str::to_owned),
            missing,
        }
    }

    /// Follows a revision that moved: the new head declares what the commit before it declared.
    pub fn fast_forward(&mut self, before: &CommitId, head: &Revision) {
        let of_head = self.head.as_mut().and_then(|head| head.as_mut().ok());
        for desired in of_head.into_iter().chain(&mut self.current) {
            if desired.revision.commit == *before {
                desired.revision = head.clone();
            }
        }
    }

    /// Why nothing happens, as things stand now.
    #[must_use]
    pub fn why(&self, state: &EnvironmentState, now: Timestamp) -> Explanation {
        // A rollout that began since is not judged by what another commit declares.
        let rollout = state.rollout_under_way().map(|rollout| &rollout.revision.commit);
        let is_about = |desired: &&Desired| rollout.is_none_or(|commit| *commit == desired.revision.commit);
        let situation = Situation {
            head: self.head.as_ref().map(Result::as_ref),
            current: self.current.as_ref().filter(is_about),
            replicas: &self.replicas,
            denials: self.denials.as_ref().map(Vec::as_slice),
            interrupted: None,
            blocked: self.blocked.as_deref(),
        };
        why(state, &situation, &self.missing, now)
    }
}
