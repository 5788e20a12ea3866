//! The one word for an environment, the same in console, command line and messages.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Exit;
use crate::condition::{ConditionStatus, ConditionType};
use crate::drift::DriftState;
use crate::environment::EnvironmentState;
use crate::rollout::{Phase, Undo};

/// The word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StatusWord {
    /// Live is what is declared, and verified.
    #[serde(rename = "in sync")]
    InSync,
    /// Live differs from what is declared.
    Drifted,
    /// A change is being applied or undone.
    Applying,
    /// A change is being watched.
    Verifying,
    /// Something is kept from being applied.
    Held,
    /// The last change failed, or people are needed.
    Failed,
    /// It is not known.
    #[serde(rename = "cannot check")]
    CannotCheck,
}

impl StatusWord {
    /// The word as people read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InSync => "in sync",
            Self::Drifted => "drifted",
            Self::Applying => "applying",
            Self::Verifying => "verifying",
            Self::Held => "held",
            Self::Failed => "failed",
            Self::CannotCheck => "cannot check",
        }
    }

    /// How commands that report it end.
    #[must_use]
    pub const fn exit(self) -> Exit {
        match self {
            Self::InSync => Exit::Done,
            Self::Drifted => Exit::Changes,
            Self::Applying | Self::Verifying => Exit::Pending,
            Self::Held => Exit::Blocked,
            Self::CannotCheck => Exit::CannotCheck,
            Self::Failed => Exit::RolledBack,
        }
    }
}

impl fmt::Display for StatusWord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Whether a rollout in this phase is about what replicas serve: while none can be read, nothing is known of it.
const fn is_on_replicas(phase: &Phase) -> bool {
    matches!(
        phase,
        Phase::Staging
            | Phase::Shifting { .. }
            | Phase::Promoting
            | Phase::Baking
            | Phase::RollingBack { undo: Undo::Document | Undo::Attest }
    )
}

/// The word for an environment, and since when it holds. The worst that is known wins: failed, cannot check, what is
/// under way, held, drifted.
#[must_use]
pub fn word(state: &EnvironmentState) -> (StatusWord, Option<Timestamp>) {
    let since = |condition: ConditionType| state.conditions.0.get(&condition).map(|reading| reading.since);
    if state.undeclared_since.is_some() {
        return (StatusWord::CannotCheck, state.undeclared_since);
    }
    if state.frozen.is_some() {
        return (StatusWord::Failed, since(ConditionType::Apply));
    }
    if let Some(rollout) = &state.rollout {
        let at = Some(rollout.phase_since);
        match rollout.phase {
            Phase::Frozen | Phase::Failed => return (StatusWord::Failed, at),
            ref phase if is_on_replicas(phase) && state.no_replica_can_be_read() => {
                return (StatusWord::CannotCheck, since(ConditionType::Health));
            }
            // Attention there says that a gate is closed.
            Phase::Pending | Phase::AwaitingApproval | Phase::Staging
                if state.conditions.status(ConditionType::Apply) == ConditionStatus::Attention =>
            {
                return (StatusWord::Held, since(ConditionType::Apply));
            }
            // What is verified may be outdated by now, and a commit that mends it goes unseen.
            Phase::Staging | Phase::Shifting { .. } | Phase::Baking
                if state.conditions.status(ConditionType::Source) == ConditionStatus::CannotCheck =>
            {
                return (StatusWord::CannotCheck, since(ConditionType::Source));
            }
            Phase::Staging | Phase::Shifting { .. } | Phase::Baking => return (StatusWord::Verifying, at),
            Phase::Pending | Phase::Planning | Phase::AwaitingApproval => return (StatusWord::Applying, at),
            Phase::Applying | Phase::Promoting | Phase::RollingBack { .. } => {
                return (StatusWord::Applying, at);
            }
            Phase::Succeeded | Phase::RolledBack | Phase::Superseded => {}
        }
    }
    for condition in [ConditionType::Source, ConditionType::Health, ConditionType::Drift, ConditionType::Plan]
    {
        if state.conditions.status(condition) == ConditionStatus::CannotCheck {
            return (StatusWord::CannotCheck, since(condition));
        }
    }
    if state.conditions.status(ConditionType::Source) == ConditionStatus::Bad {
        return (StatusWord::Failed, since(ConditionType::Source));
    }
    let wanted_is_held = state.head.as_ref().is_some_and(|head| state.hold_on(&head.commit).is_some());
    if wanted_is_held {
        return (StatusWord::Held, since(ConditionType::Hold));
    }
    if state.drift.iter().any(|drift| drift.state == DriftState::Open) {
        return (StatusWord::Drifted, since(ConditionType::Drift));
    }
    if state.verified.is_none() {
        return (StatusWord::CannotCheck, None);
    }
    (StatusWord::InSync, since(ConditionType::Health))
}
