//! The six axes of an environment. They are never folded into one; only [`crate::status`] takes the worst, for a
//! headline.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One question that is asked of an environment again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
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

impl Axis {
    /// All six, in the order they are shown.
    pub const ALL: [Self; 6] = [Self::Source, Self::Plan, Self::Apply, Self::Health, Self::Drift, Self::Hold];

    /// The axis as written in JSON, metrics and sentences.
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

impl fmt::Display for Axis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The answer on one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Never asked yet.
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

/// An axis' answer, its reason and its age.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// The answer.
    pub standing: Standing,
    /// Why, in one sentence.
    pub because: String,
    /// Since when the answer is this one.
    pub since: Timestamp,
    /// When it was last asked.
    pub checked_at: Timestamp,
}

/// The readings of the six axes; an axis never asked is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Axes(pub std::collections::BTreeMap<Axis, Reading>);

impl Axes {
    /// Notes an answer; `since` is kept while the standing stays the same. Returns the standing before.
    pub fn note(
        &mut self,
        axis: Axis,
        standing: Standing,
        because: impl Into<String>,
        now: Timestamp,
    ) -> Standing {
        let before = self.standing(axis);
        let since = match self.0.get(&axis) {
            Some(reading) if reading.standing == standing => reading.since,
            _ => now,
        };
        self.0.insert(axis, Reading { standing, because: because.into(), since, checked_at: now });
        before
    }

    /// Notes that the answer rests on what was last read at this earlier moment.
    pub fn rests_on(&mut self, axis: Axis, checked_at: Timestamp) {
        if let Some(reading) = self.0.get_mut(&axis) {
            reading.checked_at = checked_at;
        }
    }

    /// The answer on an axis.
    #[must_use]
    pub fn standing(&self, axis: Axis) -> Standing {
        self.0.get(&axis).map_or(Standing::Unknown, |reading| reading.standing)
    }
}
