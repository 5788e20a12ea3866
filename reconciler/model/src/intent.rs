//! Intents: what a person requests. Written to the record; the next cycle reads it there. A cycle takes no other input.
//!
//! [`Operation::refused`] says what makes no sense as things stand, before an intent is written down and again when it is
//! applied; [`Outcome`] is what came of it.

mod outcome;
mod refusal;

/// What a heal reaches.
pub mod healing;

use std::collections::BTreeMap;

use jiff::Timestamp;
use moorline_config::Digest;
use serde::{Deserialize, Serialize};

pub use self::outcome::Outcome;
pub use self::refusal::Refusal;
use crate::rollout::ApprovalSubject;
use crate::{CommitId, EnvironmentName};

/// The operation that an intent requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "wish", rename_all = "snake_case")]
pub enum Operation {
    /// Look and act now; try a failed commit again.
    Sync,
    /// What waits for approval may be applied: what was seen, and nothing else.
    Approve(ApprovalSubject),
    /// Go back to a verified commit and hold the present one.
    Rollback {
        /// Where to; absent: the last verified before the present one.
        commit: Option<CommitId>,
    },
    /// Apply nothing, or not this commit.
    Hold {
        /// The commit; absent: everything.
        commit: Option<CommitId>,
    },
    /// Lift holds and a freeze.
    Release,
    /// Give the declared state back where it drifts.
    Heal {
        /// Only there: a replica's admin URL or a Terraform address; absent: wherever it drifts.
        #[serde(default)]
        only: Option<String>,
    },
    /// What gateways served when they were first met may be replaced: what was seen, and nothing else.
    Adopt {
        /// Digest by admin URL. Empty: a release wrote this that did not ask what was seen.
        #[serde(default)]
        seen: BTreeMap<String, Digest>,
    },
}

impl Operation {
    /// The intent in a word, as in the command line and the API.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Approve(_) => "approve",
            Self::Rollback { .. } => "rollback",
            Self::Hold { .. } => "hold",
            Self::Release => "release",
            Self::Heal { .. } => "heal",
            Self::Adopt { .. } => "adopt",
        }
    }

    /// The commit it names.
    #[must_use]
    pub const fn commit(&self) -> Option<&CommitId> {
        match self {
            Self::Rollback { commit } | Self::Hold { commit } => commit.as_ref(),
            Self::Sync | Self::Approve(_) | Self::Release | Self::Heal { .. } | Self::Adopt { .. } => None,
        }
    }

    /// What else it names, for the audit.
    #[must_use]
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::Approve(seen) => Some(seen.to_string()),
            Self::Heal { only } => only.as_ref().map(|only| format!("only {only}")),
            Self::Adopt { seen } => {
                let each = seen.iter().map(|(endpoint, digest)| format!("{digest} at {endpoint}"));
                Some(each.collect::<Vec<_>>().join(", "))
            }
            Self::Sync | Self::Rollback { .. } | Self::Hold { .. } | Self::Release => None,
        }
    }
}

/// Whether an intent must say why: what keeps others from going on is read in the history long after. By its word, which the
/// command line knows before there is an intent.
#[must_use]
pub fn needs_reason(operation: &str) -> bool {
    matches!(operation, "rollback" | "hold")
}

/// An intent, by whom and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    pub environment: EnvironmentName,
    #[serde(flatten)]
    pub operation: Operation,
    pub actor: String,
    /// Why; may be empty.
    #[serde(default, deserialize_with = "crate::masking::deserialize")]
    pub reason: String,
    /// When it was requested.
    pub at: Timestamp,
}
