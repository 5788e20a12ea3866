//! What happened: history for people, and the audit that is written before each effect.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::drift::Severity;
use crate::{CommitId, EnvironmentName, RolloutId};

/// What sort of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A new head of the branch was seen.
    Commit,
    /// A rollout began, moved or ended.
    Rollout,
    /// A plan was made.
    Plan,
    /// A finding was opened, changed, healed or resolved.
    Drift,
    /// Something was held or released.
    Hold,
    /// A condition could not be checked, or can be again.
    Check,
    /// A person submitted an intent.
    Intent,
}

/// One line of an environment's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// Where.
    pub environment: EnvironmentName,
    /// What sort.
    pub kind: EventKind,
    /// How much it matters. Lines of earlier releases do not say it.
    #[serde(default)]
    pub severity: Severity,
    /// What happened, in one sentence, safe to show anybody who may look.
    pub message: String,
    /// The commit it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
    /// The rollout it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutId>,
}

/// Who did or requested something, what, when, and from which commit. Written before the effect; never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who: `moorline`, or the role and name a token stands for.
    pub actor: String,
    /// What: `terraform.apply`, `gateway.stage`, `gateway.promote`, `hold`, `release` …
    pub action: String,
    /// Of what: an environment's name, and a replica or address where there is one.
    pub target: String,
    /// The commit it follows from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
    /// More, in one sentence; never a secret.
    #[serde(default)]
    pub detail: String,
}
