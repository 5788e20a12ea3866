//! A step that was taken, with its result in one type: an outcome that does not belong to its step cannot be written.

use std::collections::BTreeMap;

use jiff::Timestamp;
use moorline_model::config::{Digest, Percent};
use moorline_model::plan::PlanSummary;
use moorline_model::rollout::{Phase, RolloutKind};
use moorline_model::{CheckFailed, Revision};

/// What came of a [`Decision`](crate::Decision), one variant for each of them. Those without a result have no effect outside of
/// the state.
#[derive(Debug, Clone, PartialEq)]
pub enum StepOutcome {
    /// Nothing was to be done.
    Waited {
        because: String,
        /// When it may be otherwise by itself.
        until: Option<Timestamp>,
    },
    /// It is verified again.
    Verifying,
    /// A rollout begins.
    Begun {
        /// What it brings.
        revision: Revision,
        /// Why there is one.
        kind: RolloutKind,
    },
    /// The rollout goes to another phase.
    PhaseEntered {
        phase: Phase,
        because: String,
    },
    /// The rollout ends.
    Finished {
        /// How: a phase that [`Phase::is_over`].
        phase: Phase,
        /// Why, when there is something to say.
        because: Option<String>,
    },
    Planned(Result<PlanSummary, PlanFailure>),
    /// Terraform applied, and handed over this document, if it did.
    Applied(Result<Option<Digest>, ApplyFailure>),
    /// The candidate is on every replica: its generation on each, by admin URL.
    Staged(Result<BTreeMap<String, u64>, CheckFailed>),
    /// The candidate has its share everywhere.
    Shifted {
        weight: Percent,
        /// Whether it has.
        result: Result<(), CheckFailed>,
    },
    /// The candidate is stable everywhere.
    Promoted(Result<(), CheckFailed>),
    /// The candidate was dropped for a newer commit.
    Superseded {
        /// The newer commit.
        by: Revision,
        /// Whether it was.
        result: Result<(), CheckFailed>,
    },
    /// Candidates are gone, and the document to put back serves everywhere.
    DocumentUndone(Result<(), CheckFailed>),
    /// Terraform planned the way back.
    UndoPlanned(Result<PlanSummary, CheckFailed>),
    /// Terraform applied the way back.
    UndoApplied(Result<(), ApplyFailure>),
    /// Replicas were given the document in force back.
    Healed {
        /// Their admin URLs.
        endpoints: Vec<String>,
        /// Whether all were.
        result: Result<(), CheckFailed>,
    },
    /// What replicas served when they were first met serves again.
    FoundRestored {
        /// Who requested it.
        actor: String,
        reason: String,
        /// Whether it does.
        result: Result<(), CheckFailed>,
    },
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanFailure {
    /// Terraform could not plan. What may pass is tried again.
    Failed(CheckFailed),
    /// Terraform was not run.
    Act(CheckFailed),
}

/// Why a plan is not applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApplyFailure {
    /// The plan is bound to something that is no longer so, or too old; nothing was applied.
    Stale { reason: String },
    /// Terraform began to apply and failed.
    Failed {
        /// Why, redacted.
        reason: String,
    },
    /// Terraform was not run.
    Act(CheckFailed),
}

impl StepOutcome {
    /// Why the step could not be done, when it could not. A plan or an apply that Terraform itself failed was done.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        let failure = match self {
            Self::Waited { .. }
            | Self::Verifying
            | Self::Begun { .. }
            | Self::PhaseEntered { .. }
            | Self::Finished { .. } => None,
            Self::Planned(result) => match result {
                Err(PlanFailure::Act(failure)) => Some(failure),
                Ok(_) | Err(PlanFailure::Failed(_)) => None,
            },
            Self::Applied(result) => result.as_ref().err().and_then(ApplyFailure::not_run),
            Self::UndoApplied(result) => result.as_ref().err().and_then(ApplyFailure::not_run),
            Self::Staged(result) => result.as_ref().err(),
            Self::UndoPlanned(result) => result.as_ref().err(),
            Self::Promoted(result)
            | Self::DocumentUndone(result)
            | Self::Shifted { result, .. }
            | Self::Superseded { result, .. }
            | Self::Healed { result, .. }
            | Self::FoundRestored { result, .. } => result.as_ref().err(),
        };
        failure.map(|failure| failure.because.as_str())
    }
}

impl ApplyFailure {
    const fn not_run(&self) -> Option<&CheckFailed> {
        match self {
            Self::Act(failure) => Some(failure),
            Self::Stale { .. } | Self::Failed { .. } => None,
        }
    }
}
