//! The six conditions of an environment. They are never folded into one; only [`crate::status`] takes the worst, for a
//! headline. In JSON they are `axes`, and each status a `standing`, as earlier releases wrote them.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::FailureClass;

/// One aspect of an environment's health, checked in every cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConditionType {
    /// Can the repository be read, and is what it says valid?
    Source,
    /// What would Terraform change?
    Plan,
    /// Did the last apply succeed?
    Apply,
    /// Does every replica serve what it should, and do probes pass?
    Health,
    /// Does live differ from declared?
    Drift,
    /// Is something kept from being applied?
    Hold,
}

impl ConditionType {
    /// All six, in the order they are shown.
    pub const ALL: [Self; 6] = [Self::Source, Self::Plan, Self::Apply, Self::Health, Self::Drift, Self::Hold];

    /// Its name as written in JSON, metrics and sentences.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Plan => "plan",
            Self::Apply => "apply",
            Self::Health => "health",
            Self::Drift => "drift",
            Self::Hold => "hold",
        }
    }
}

impl fmt::Display for ConditionType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The status of one condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConditionStatus {
    /// Never checked yet.
    Unknown,
    /// As it should be.
    Good,
    /// Something is under way.
    Busy,
    /// Not as it should be; a person may want to look.
    Attention,
    /// Wrong.
    Bad,
    /// Could not be checked: neither good nor bad is known.
    CannotCheck,
}

impl ConditionStatus {
    /// The status as written in JSON and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Good => "good",
            Self::Busy => "busy",
            Self::Attention => "attention",
            Self::Bad => "bad",
            Self::CannotCheck => "cannot_check",
        }
    }
}

/// A condition: its status, the reason for it and its age.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    #[serde(rename = "standing")]
    pub status: ConditionStatus,
    /// Why, in one sentence.
    pub because: String,
    /// Where it could not be checked: whether trying again helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureClass>,
    /// Since when it has this status.
    pub since: Timestamp,
    /// When it was last checked.
    pub checked_at: Timestamp,
}

/// The six conditions; one that was never checked is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Conditions(pub std::collections::BTreeMap<ConditionType, Condition>);

impl Conditions {
    /// Notes a status; `since` is kept while the status stays the same. Returns the status before.
    pub fn note(
        &mut self,
        condition: ConditionType,
        status: ConditionStatus,
        because: impl Into<String>,
        now: Timestamp,
    ) -> ConditionStatus {
        let before = self.status(condition);
        let since = match self.0.get(&condition) {
            Some(reading) if reading.status == status => reading.since,
            _ => now,
        };
        let (because, failure) = (because.into(), None);
        self.0.insert(condition, Condition { status, because, failure, since, checked_at: now });
        before
    }

    /// Notes whether trying again helps, after an answer that something could not be checked or has mistakes.
    pub fn classify(&mut self, condition: ConditionType, failure: Option<FailureClass>) {
        if let Some(reading) = self.0.get_mut(&condition) {
            reading.failure = failure;
        }
    }

    /// Notes that the answer rests on what was last read at this earlier moment.
    pub fn backdate(&mut self, condition: ConditionType, checked_at: Timestamp) {
        if let Some(reading) = self.0.get_mut(&condition) {
            reading.checked_at = checked_at;
        }
    }

    /// The status of a condition.
    #[must_use]
    pub fn status(&self, condition: ConditionType) -> ConditionStatus {
        self.0.get(&condition).map_or(ConditionStatus::Unknown, |reading| reading.status)
    }
}
