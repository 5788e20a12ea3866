//! What came of an intent, as the cycle that applied it saw it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Refusal;
use crate::{Exit, RolloutId};

/// What came of an intent. Each message is a sentence without its first word, the environment: `held everything`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It is done, and nothing follows from it.
    Done {
        /// What was done.
        message: String,
    },
    /// It was done, and a rollout goes on from there.
    UnderWay {
        /// What was done, and what goes on.
        message: String,
        /// The rollout that it began, or that it is about.
        rollout: RolloutId,
    },
    /// It is noted, and a gate keeps it from going on.
    Waits {
        /// What was done, what waits, and who opens the gate.
        message: String,
        /// The gate.
        gate: String,
        /// The rollout that waits, if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rollout: Option<RolloutId>,
    },
    /// Nothing was changed.
    Refused {
        /// Why.
        message: String,
        /// The gate that refused; absent when the operation makes no sense as things stand.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gate: Option<String>,
    },
}

impl Outcome {
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Done { message }
            | Self::UnderWay { message, .. }
            | Self::Waits { message, .. }
            | Self::Refused { message, .. } => message,
        }
    }

    /// The rollout whose end is its end.
    #[must_use]
    pub const fn rollout(&self) -> Option<RolloutId> {
        match self {
            Self::UnderWay { rollout, .. } => Some(*rollout),
            Self::Waits { rollout, .. } => *rollout,
            Self::Done { .. } | Self::Refused { .. } => None,
        }
    }

    /// How a command ends that requested it and waits for no more.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Done { .. } | Self::UnderWay { .. } => Exit::Done,
            Self::Waits { .. } | Self::Refused { gate: Some(_), .. } => Exit::Blocked,
            Self::Refused { gate: None, .. } => Exit::Error,
        }
    }
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        Self::Refused { message: refusal.message, gate: refusal.gate.map(str::to_owned) }
    }
}
