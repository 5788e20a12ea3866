//! The one next step for an environment.
//!
//! In: what is remembered ([`EnvironmentState`]) and what was read this cycle ([`Situation`]). Out: one
//! [`Decision`], which leaves whoever carries it out nothing to choose. Total: every state and situation has one.

mod approval;
mod begin;
mod deliver;
mod foreign;
mod heal;
mod rollout;
mod terraform;
mod undo;

use std::collections::BTreeMap;

use jiff::Timestamp;
use moorline_model::config::{Digest, Percent};
use moorline_model::environment::EnvironmentState;
use moorline_model::rollout::{Phase, RolloutKind};
use moorline_model::{CheckFailed, Revision};

use crate::desired::Desired;
use crate::gates::Closed;
use crate::gateway::ReplicaReading;
use crate::policy::Denial;

pub(crate) use begin::{freeze_may_end, is_in_force, was_tried};
pub(crate) use foreign::first as first_foreign;
pub use foreign::foreign;
pub(crate) use rollout::back;
pub use terraform::PLAN_AGE_MAX;
pub(crate) use terraform::STALE_PLANS_MAX;
pub(crate) use undo::{obstacle, terraform_is_to_be_undone};

/// What was read this cycle.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The branch's head: what it declares, or why it declares nothing. `None`: it was not read.
    pub head: Option<Result<&'a Desired, &'a CheckFailed>>,
    /// What the commit of the rollout under way declares; without one, and while the head declares nothing, what the
    /// commit in force does. `None`: there is none, or it cannot be read.
    pub current: Option<&'a Desired>,
    /// The gateway replicas, all of them.
    pub replicas: &'a [ReplicaReading],
    /// What the policies deny of the rollout's commit and of its plan, when it has one; or why they could not be evaluated.
    /// Asked for in Pending, Planning and Staging; elsewhere it may be left empty.
    pub denials: Result<&'a [Denial], &'a CheckFailed>,
    /// A step that an earlier life of the daemon began and whose end was not recorded.
    pub interrupted: Option<&'a str>,
    /// Why Terraform must not run until a person looked (`errored.tfstate`).
    pub blocked: Option<&'a str>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Nothing is to be done.
    Wait {
        /// Why, in one sentence.
        because: String,
        /// When it may be otherwise by itself.
        until: Option<Timestamp>,
    },
    /// A rollout begins. No effect.
    Begin {
        /// What it brings.
        revision: Revision,
        /// Why there is one.
        kind: RolloutKind,
    },
    /// The rollout goes to another phase. No effect.
    EnterPhase { phase: Phase, because: String },
    /// Drop the candidate everywhere: a newer commit takes the rollout's place.
    Supersede {
        /// The newer commit.
        by: Revision,
    },
    /// Plan Terraform at the rollout's commit, and keep the plan.
    PlanTerraform,
    /// Apply exactly the plan kept.
    ApplyTerraform,
    /// Put the rollout's document as candidate, with no share of requests, on every replica that neither serves it
    /// nor has it as candidate. Those that have it are left alone.
    Stage,
    /// Give the candidate this share of requests, wherever there is a candidate.
    Shift { weight: Percent },
    /// Make the candidate stable wherever it is not.
    Promote,
    /// Nothing to do but to verify again.
    Verify,
    /// Drop the candidate everywhere, and put a kept document back as stable on every replica that serves another.
    UndoDocument {
        /// The document to put back; `None`: stable was never touched, only the candidate goes.
        restore: Option<Digest>,
    },
    /// Plan Terraform at the verified commit (`rollout.from`).
    UndoPlan,
    /// Apply exactly that plan.
    UndoApply,
    /// Put the document in force (`applied`) back as stable on these replicas, and drop a candidate there that is not
    /// the rollout's.
    Heal {
        /// Their admin URLs.
        endpoints: Vec<String>,
    },
    /// A person goes back to what replicas served when they were first met: each gets its own document.
    RestoreFound {
        /// Digest by admin URL.
        documents: BTreeMap<String, Digest>,
        /// Who asked.
        actor: String,
        reason: String,
    },
    /// The rollout ends. No effect.
    Finish {
        /// How: a phase that [`Phase::is_over`].
        phase: Phase,
        /// Why, when there is something to say.
        because: Option<String>,
    },
}

/// Names the one next step.
#[must_use]
pub fn decide(state: &EnvironmentState, situation: &Situation<'_>, now: Timestamp) -> Decision {
    match state.rollout_under_way() {
        Some(rollout) => rollout::next(state, rollout, situation, now),
        None => begin::next(state, situation, now),
    }
}

fn enter_phase(phase: Phase, because: impl Into<String>) -> Decision {
    Decision::EnterPhase { phase, because: because.into() }
}

fn wait(because: impl Into<String>) -> Decision {
    Decision::Wait { because: because.into(), until: None }
}

/// Waits until a gate opens.
fn waits_at(closed: Closed) -> Decision {
    Decision::Wait { because: closed.because, until: closed.opens_at }
}

fn wait_until(because: impl Into<String>, until: Timestamp) -> Decision {
    Decision::Wait { because: because.into(), until: Some(until) }
}

#[cfg(test)]
mod tests;
