//! The act stage: the one place with effects on gateways and Terraform.
//!
//! In: a decision. Out: what came of it. Each effect is written to the journal, with its audit line, before it
//! happens, and is safe to repeat: a crash between the two only repeats it.

mod gateway;
mod terraform;

use std::collections::BTreeMap;

use moorline_config::Config;
use moorline_model::environment::EnvironmentState;
use moorline_model::event::AuditEntry;
use moorline_model::{CheckFailed, CommitId, EnvironmentName};
use moorline_plan::advance::StepOutcome;
use moorline_plan::decide::Decision;
use moorline_plan::gateway::ReplicaReading;
use moorline_record::{FencedError, JournalId};

pub(crate) use gateway::staged_by;
pub use terraform::Interrupted;

use self::gateway::Targets;
use crate::facilities::{Facilities, Run};
use crate::failpoint;
use crate::fleet::Replicas;

/// What acting needs to know.
pub(crate) struct StepContext<'a, G> {
    /// The environment.
    pub name: &'a EnvironmentName,
    /// What is remembered of it.
    pub state: &'a EnvironmentState,
    /// The document that the decision is about: the rollout's; what is in force, when healing; what is put back, when
    /// undoing.
    pub document: Option<&'a Config>,
    /// The replicas.
    pub fleet: &'a Replicas<G>,
    /// What they attested at the beginning of the cycle.
    pub readings: &'a [ReplicaReading],
    /// Those that serve what somebody else put there and that may not be written over.
    pub foreign: &'a [String],
    /// What replicas served when they were first met, by admin URL, when that is put back.
    pub found: &'a BTreeMap<String, Config>,
    /// Terraform of the commit that the decision is about.
    pub terraform: Option<&'a Run<'a>>,
}

impl<G> StepContext<'_, G> {
    /// The commit in force.
    fn in_force(&self) -> Option<&CommitId> {
        self.state.applied.as_ref().map(|applied| &applied.revision.commit)
    }
}

/// What came of a decision.
pub(crate) struct Effect {
    /// The step with its result.
    pub outcome: StepOutcome,
    /// The journal line and the effect's name in it; closed in the same transaction that records the outcome.
    pub journal: Option<(JournalId, &'static str)>,
}

/// Why a decision has no outcome.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// The journal could not be written, or another daemon leads: nothing was done.
    #[error(transparent)]
    Fenced(#[from] FencedError),
    /// It was cut short.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// Carries out a decision.
///
/// # Errors
/// See [`ActError`].
pub(crate) async fn act<W: Facilities>(
    world: &W,
    decision: &Decision,
    context: &StepContext<'_, W::Gateway>,
) -> Result<Effect, ActError> {
    let Some((step, detail)) = effect(decision) else {
        let outcome = carry_out(world, decision, context).await?;
        return Ok(Effect { outcome, journal: None });
    };
    let rollout = context.state.rollout_under_way();
    let audit = AuditEntry {
        at: world.now(),
        actor: "moorline".to_owned(),
        action: step.to_owned(),
        target: context.name.to_string(),
        commit: rollout.map(|rollout| &rollout.revision.commit).or(context.in_force()).cloned(),
        detail,
    };
    let journal = world.journal_begin(context.name, rollout.map(|rollout| rollout.id), step, audit).await?;
    failpoint::reach(step, "begun");
    let outcome = Box::pin(carry_out(world, decision, context)).await?;
    failpoint::reach(step, "done");
    Ok(Effect { outcome, journal: Some((journal, step)) })
}

/// The journal's name of a decision's effect, and a sentence for the audit. `None`: it has no effect.
fn effect(decision: &Decision) -> Option<(&'static str, String)> {
    Some(match decision {
        Decision::PlanTerraform => ("terraform.plan", String::new()),
        Decision::ApplyTerraform => ("terraform.apply", String::new()),
        Decision::UndoPlan => ("terraform.plan_back", String::new()),
        Decision::UndoApply => ("terraform.apply_back", String::new()),
        Decision::Stage => ("gateway.stage", String::new()),
        Decision::Shift { weight } => ("gateway.shift", format!("the candidate gets {weight}")),
        Decision::Promote => ("gateway.promote", String::new()),
        Decision::Supersede { by } => ("gateway.discard", format!("{} takes its place", by.commit.short())),
        Decision::UndoDocument { restore } => {
            ("gateway.undo", restore.map_or_else(String::new, |digest| format!("back to {}", digest.short())))
        }
        Decision::Heal { endpoints } => ("gateway.heal", endpoints.join(" ")),
        Decision::RestoreFound { documents, .. } => {
            ("gateway.restore", documents.keys().cloned().collect::<Vec<_>>().join(" "))
        }
        Decision::Wait { .. }
        | Decision::Verify
        | Decision::Begin { .. }
        | Decision::EnterPhase { .. }
        | Decision::Finish { .. } => return None,
    })
}

/// One arm for each decision: the outcome holds what was decided, and its result.
async fn carry_out<W: Facilities>(
    world: &W,
    decision: &Decision,
    context: &StepContext<'_, W::Gateway>,
) -> Result<StepOutcome, Interrupted> {
    let rollout = context.state.rollout_under_way();
    let replicas = Targets { fleet: context.fleet, readings: context.readings, foreign: context.foreign };
    let document =
        context.document.ok_or_else(|| CheckFailed::stalled("the document is not known (any more)"));
    Ok(match decision.clone() {
        Decision::Wait { because, until } => StepOutcome::Waited { because, until },
        Decision::Verify => StepOutcome::Verifying,
        Decision::Begin { revision, kind } => StepOutcome::Begun { revision, kind },
        Decision::EnterPhase { phase, because } => StepOutcome::PhaseEntered { phase, because },
        Decision::Finish { phase, because } => StepOutcome::Finished { phase, because },
        Decision::PlanTerraform => StepOutcome::Planned(terraform::plan(world, context.terraform).await?),
        Decision::ApplyTerraform => {
            let applied = terraform::apply(world, context.terraform, rollout).await?;
            StepOutcome::Applied(applied.map(|()| None))
        }
        Decision::UndoPlan => StepOutcome::UndoPlanned(terraform::plan_back(world, context.terraform).await?),
        Decision::UndoApply => {
            StepOutcome::UndoApplied(terraform::apply(world, context.terraform, rollout).await?)
        }
        Decision::Stage => StepOutcome::Staged(gateway::stage(replicas, document, rollout).await),
        Decision::Shift { weight } => {
            StepOutcome::Shifted { weight, result: gateway::shift(replicas, document, weight).await }
        }
        Decision::Promote => StepOutcome::Promoted(gateway::promote(replicas, document, rollout).await),
        Decision::Supersede { by } => {
            StepOutcome::Superseded { by, result: gateway::discard(replicas, rollout).await }
        }
        Decision::UndoDocument { restore } => {
            let document = restore.map(|_| document).transpose();
            StepOutcome::DocumentUndone(gateway::undo(replicas, document, rollout).await)
        }
        Decision::Heal { endpoints } => {
            let result = gateway::heal(replicas, document, context.in_force(), &endpoints).await;
            StepOutcome::Healed { endpoints, result }
        }
        Decision::RestoreFound { documents, actor, reason } => {
            let result = gateway::restore(replicas, &documents, context.found, &actor, &reason).await;
            StepOutcome::FoundRestored { actor, reason, result }
        }
    })
}
