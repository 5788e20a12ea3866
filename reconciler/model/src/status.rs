//! The one word for an environment, the same in console, command line and messages.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::axis::{Axis, Standing};
use crate::drift::DriftState;
use crate::environment::EnvironmentState;
use crate::rollout::{Phase, Undo};

/// The word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// Live is what is declared, and verified.
    InSync,
    /// Live differs from what is declared.
    Drifted,
    /// A change is being brought in or taken back.
    Applying,
    /// A change is being watched.
    Verifying,
    /// Something is kept from being applied.
    Held,
    /// The last change failed, or people are needed.
    Failed,
    /// It is not known.
    CannotCheck,
}

impl Word {
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

    /// The exit code of commands that report it.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::InSync => 0,
            Self::Drifted => 2,
            Self::Applying | Self::Verifying => 3,
            Self::Held => 5,
            Self::CannotCheck => 6,
            Self::Failed => 7,
        }
    }
}

impl fmt::Display for Word {
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
pub fn word(state: &EnvironmentState) -> (Word, Option<Timestamp>) {
    let since = |axis: Axis| state.axes.0.get(&axis).map(|reading| reading.since);
    if state.undeclared_since.is_some() {
        return (Word::CannotCheck, state.undeclared_since);
    }
    if state.frozen.is_some() {
        return (Word::Failed, since(Axis::Apply));
    }
    if let Some(rollout) = &state.rollout {
        let at = Some(rollout.phase_since);
        match rollout.phase {
            Phase::Frozen | Phase::Failed => return (Word::Failed, at),
            ref phase if is_on_replicas(phase) && state.no_replica_can_be_read() => {
                return (Word::CannotCheck, since(Axis::Health));
            }
            // Attention there says that a gate is closed.
            Phase::Pending | Phase::AwaitingApproval | Phase::Staging
                if state.axes.standing(Axis::Apply) == Standing::Attention =>
            {
                return (Word::Held, since(Axis::Apply));
            }
            // What is verified may be outdated by now, and a commit that mends it goes unseen.
            Phase::Staging | Phase::Shifting { .. } | Phase::Baking
                if state.axes.standing(Axis::Source) == Standing::CannotCheck =>
            {
                return (Word::CannotCheck, since(Axis::Source));
            }
            Phase::Staging | Phase::Shifting { .. } | Phase::Baking => return (Word::Verifying, at),
            Phase::Pending | Phase::Planning | Phase::AwaitingApproval => return (Word::Applying, at),
            Phase::Applying | Phase::Promoting | Phase::RollingBack { .. } => return (Word::Applying, at),
            Phase::Succeeded | Phase::RolledBack | Phase::Superseded => {}
        }
    }
    for axis in [Axis::Source, Axis::Health, Axis::Drift, Axis::Plan] {
        if state.axes.standing(axis) == Standing::CannotCheck {
            return (Word::CannotCheck, since(axis));
        }
    }
    if state.axes.standing(Axis::Source) == Standing::Bad {
        return (Word::Failed, since(Axis::Source));
    }
    let wanted_is_held = state.wanted.as_ref().is_some_and(|wanted| state.hold_on(&wanted.commit).is_some());
    if wanted_is_held {
        return (Word::Held, since(Axis::Hold));
    }
    if state.drift.iter().any(|drift| drift.state == DriftState::Open) {
        return (Word::Drifted, since(Axis::Drift));
    }
    if state.verified.is_none() {
        return (Word::CannotCheck, None);
    }
    (Word::InSync, since(Axis::Health))
}
