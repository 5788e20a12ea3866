//! The lists below an environment, and the audit.

use std::collections::BTreeMap;

use jiff::Timestamp;
use moorline_model::EnvironmentName;
use moorline_model::comparison::{self, DriftAnswer};
use moorline_model::drift::{Drift, Lane};
use moorline_model::environment::EnvironmentState;
use moorline_model::event::{AuditEntry, Event};
use moorline_model::rollout::Rollout;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LaneView;

/// How many rows of a list are requested.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct RowsQuery {
    /// At most so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minimum" = 0, "maximum" = 1000, "default" = 50))]
    pub limit: Option<usize>,
}

/// Which lines of the history are requested.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct HistoryQuery {
    /// At most so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minimum" = 0, "maximum" = 1000, "default" = 50))]
    pub limit: Option<usize>,
    /// Those that are older than the one with this `seq`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
}

/// Which entries of the audit are requested.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct AuditQuery {
    /// At most so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minimum" = 0, "maximum" = 1000, "default" = 50))]
    pub limit: Option<usize>,
    /// Only those of this environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
}

/// The answer on drift, what was compared and when, and the findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DriftView {
    /// The answer in one sentence.
    #[serde(rename = "said")]
    pub answer: DriftAnswer,
    /// The declared lanes.
    pub lanes: Vec<LaneView>,
    /// The findings.
    pub drift: Vec<Drift>,
    /// When each lane last looked.
    pub looked: BTreeMap<Lane, Timestamp>,
}

impl DriftView {
    /// The view of a state at a moment.
    #[must_use]
    pub fn of(state: EnvironmentState, now: Timestamp) -> Self {
        let answer = comparison::drift(&state);
        Self { answer, lanes: LaneView::all(&state, now), drift: state.drift, looked: state.last_checked }
    }
}

/// Rollouts, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rollouts {
    /// The newest ones.
    pub rollouts: Vec<Rollout>,
}

/// A page of the history, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// The lines.
    pub events: Vec<HistoryEvent>,
    /// The `before` of the next page; null on the last one.
    pub next: Option<u64>,
}

/// A line of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Event")]
pub struct HistoryEvent {
    /// Its place among all lines.
    pub seq: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Entries of the audit, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Audit {
    /// The newest ones.
    pub entries: Vec<AuditRow>,
}

/// An entry of the audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "AuditEntry")]
pub struct AuditRow {
    /// Its number, from 1, without gaps.
    pub seq: u64,
    /// Who did what.
    #[serde(flatten)]
    pub entry: AuditEntry,
    /// Hash over it and all before it, hex.
    pub hash: String,
}
