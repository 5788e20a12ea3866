//! The table of gates, and what a gate is.
//!
//! A gate is a file of this folder and a line of [`GATES`]. Deciding checks the gates of a [`Stage`]; `moorline why` walks
//! the same table with the same checks, so that the two cannot differ.

use std::fmt;

use moorline_model::status::StatusWord;
use serde::{Serialize, Serializer};

use super::{Closed, GateInput, GateStatus};

/// Every gate, in the order in which gates are checked and shown.
pub(super) static GATES: &[&Gate] = &[
    &super::frozen::GATE,
    &super::variable::GATE,
    &super::blocked::GATE,
    &super::hold::GATE,
    &super::auto::GATE,
    &super::window::GATE,
    &super::policy::GATE,
    &super::protected::GATE,
    &super::deletions::GATE,
    &super::approval::GATE,
    &super::retry::GATE,
    &super::replicas::GATE,
    &super::adopt::GATE,
    &super::owner::GATE,
    &super::evidence::GATE,
    &super::source::GATE,
    &super::tried::GATE,
    &super::drift::GATE,
    &super::lanes::GATE,
    #[cfg(test)]
    &super::example::GATE,
];

/// When deciding checks gates. A gate without a stage explains, and keeps nothing back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// A rollout of the head begins.
    Begin,
    /// The head takes the place of the rollout under way.
    Supersede,
    /// A rollout leaves Pending.
    Start,
    /// Terraform plans, or goes on with its plan.
    Plan,
    /// A plan goes on to approval or apply. A closed gate ends the rollout, unless it only could not be asked.
    JudgePlan,
    /// A document goes on to the gateways. A closed gate ends the rollout, unless it only could not be asked.
    JudgeDocument,
    /// What waits for a person goes on.
    Approval,
    /// What was approved is applied, or goes to the gateways.
    Apply,
    /// A rollout goes on, with what it has applied so far staying where it is.
    Progress,
    /// Replicas are written to.
    Write,
    /// What is verified goes on.
    Verdict,
    /// A failed try is repeated.
    Retry,
    /// Terraform goes back.
    Undo,
    /// Replicas are given the document in force back.
    Heal,
}

/// What a gate answers. `None`: there is nothing to check just now; `Some(None)`: it is open.
pub(super) type Answer = Option<Option<Closed>>;

/// A gate: what must be so before a change goes on, or an environment is in sync.
pub struct Gate {
    /// The file's name, in text and in JSON.
    pub(super) name: &'static str,
    /// The status words that it explains when it is closed.
    pub(super) explains: &'static [StatusWord],
    /// Whether something went wrong when it is closed: then people want to know first whether callers are affected.
    pub(super) is_trouble: bool,
    /// When deciding checks it.
    pub(super) stages: &'static [Stage],
    pub(super) check: fn(&GateInput<'_>) -> Answer,
}

/// A change is kept from being applied.
pub(super) const HELD: &[StatusWord] = &[StatusWord::Held, StatusWord::Applying];

impl Gate {
    /// The gate's name: the same in text and in JSON.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        self.name
    }

    pub(super) fn status(&'static self, input: &GateInput<'_>) -> Option<GateStatus> {
        (self.check)(input).map(|closed| GateStatus::of(self, closed))
    }

    /// Whether deciding checks it at this stage.
    pub(crate) fn is_checked_at(&self, stage: Stage) -> bool {
        self.stages.contains(&stage)
    }

    /// Whether a closed one explains this status word.
    pub(super) fn explains(&self, word: StatusWord) -> bool {
        self.explains.contains(&word)
    }
}

impl PartialEq for Gate {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Gate {}

impl fmt::Debug for Gate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

impl Serialize for Gate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}
