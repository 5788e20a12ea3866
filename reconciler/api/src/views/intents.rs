//! Intents: what people request, and the outcome.

use std::collections::BTreeMap;

use jiff::Timestamp;
use moorline_model::config::Digest;
use moorline_model::intent::Outcome;
use moorline_model::rollout::{Phase, Rollout, RolloutKind};
use moorline_model::{CommitId, EnvironmentName, Exit, RolloutId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The body of every action.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IntentRequest {
    /// Why. It goes into the record, the log, the history and messages: without what looks like a secret.
    #[serde(deserialize_with = "moorline_model::masking::deserialize")]
    #[schemars(length(max = 1000))]
    pub reason: String,
    /// To roll back or hold: the commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
    /// To approve: the plan that was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_sha256: Option<String>,
    /// To approve: the document that was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// To heal: only this replica or Terraform address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// To adopt: the documents that were seen, digest by admin URL.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub found: BTreeMap<String, Digest>,
}

/// The intent is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Intent")]
pub struct Accepted {
    /// Its outcome is read at this intent's address.
    pub intent: u64,
    /// Of which environment.
    pub environment: EnvironmentName,
    /// The operation, in a word.
    #[serde(rename = "wish")]
    pub operation: String,
}

/// An intent of a person, and its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IntentView {
    /// Its number.
    pub intent: u64,
    /// Of which environment.
    pub environment: EnvironmentName,
    /// The operation, in a word.
    #[serde(rename = "wish")]
    pub operation: String,
    /// Who requested it.
    pub actor: String,
    /// Why; may be empty.
    pub reason: String,
    /// When it was requested.
    pub at: Timestamp,
    /// Null until a cycle has applied it.
    pub outcome: Option<OutcomeView>,
    /// Who will apply it, while nobody has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// The rollout that it began or is about, as it stands now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<IntentRollout>,
}

/// The outcome of an intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutcomeView {
    /// What was done, or why not.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// How the command that requests it ends: 0, 1, or 5 for a gate.
    pub exit_code: Exit,
}

impl From<Outcome> for OutcomeView {
    fn from(outcome: Outcome) -> Self {
        Self { exit_code: outcome.exit(), outcome }
    }
}

/// A rollout in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IntentRollout {
    /// Its address is below the environment's.
    pub id: RolloutId,
    /// Why there is one.
    pub kind: RolloutKind,
    /// What it brings.
    pub commit: CommitId,
    /// Where it is.
    pub phase: Phase,
    /// Whether it moves no more.
    pub is_over: bool,
    /// How it ended, as the end of a sentence about its commit.
    pub ended: String,
    /// Why it failed, froze or was superseded.
    pub reason: Option<String>,
}

impl From<Rollout> for IntentRollout {
    fn from(rollout: Rollout) -> Self {
        let ended = rollout.ended().to_owned();
        let Rollout { id, kind, revision, phase, reason, .. } = rollout;
        Self { id, kind, commit: revision.commit, is_over: phase.is_over(), phase, ended, reason }
    }
}
