//! What an environment waits for.

use jiff::Timestamp;
use moorline_model::callers::Callers;
use moorline_model::status::StatusWord;
use moorline_model::{Exit, FailureClass};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The answer to "why?".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Why {
    /// Who must do what, from what was read where; or that nothing waits.
    pub sentence: String,
    /// The worst that is known, in one word.
    pub status: WhyStatus,
    /// Whether callers are affected.
    pub callers: Callers,
    /// The closed ones first.
    pub gates: Vec<GateStatus>,
}

/// The one word for an environment, as the status has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WhyStatus {
    /// The word.
    pub word: StatusWord,
    /// Since when it holds.
    pub since: Option<Timestamp>,
    /// How a command ends that reports it.
    pub exit_code: Exit,
}

/// A gate as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
#[schemars(rename = "Gate")]
pub enum GateStatus {
    /// It lets the change through.
    Open {
        /// The gate.
        gate: String,
    },
    /// It does not.
    Closed(ClosedGate),
}

/// Why a gate is closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClosedGate {
    /// The gate.
    pub gate: String,
    /// Who or what must act.
    pub waits_for: String,
    /// Why, from what was read where.
    pub because: String,
    /// Where something could not be checked or done: whether trying again helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureClass>,
    /// What opens it: a command, a commit, time.
    pub opened_by: String,
    /// When it opens by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens_at: Option<Timestamp>,
}
