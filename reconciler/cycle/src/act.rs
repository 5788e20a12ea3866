//! The act stage: the one place with effects on gateways and Terraform.
//!
//! In: a decision. Out: what came of it. Each effect is written to the journal, with its audit line, before it
//! happens, and is safe to repeat: a crash between the two only repeats it.

mod gateway;
mod terraform;

use std::collections::BTreeMap;

use moorline_config::Config;
use moorline_model::EnvironmentName;
use moorline_model::environment::EnvironmentState;
use moorline_model::event::AuditEntry;
use moorline_plan::advance::StepOutcome;
use moorline_plan::decide::Decision;
use moorline_plan::gateway::ReplicaReading;
use moorline_record::{FencedError, JournalId};

pub(crate) use gateway::staged_by;
pub use terraform::Interrupted;

use self::gateway::Targets;
use crate::facilities::{Facilities, Gateway, Run};
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

/// What came of a decision.
pub(crate) struct Effect {
    /// What came of it.
    pub acted: StepOutcome,
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
        return Ok(Effect { acted: StepOutcome::NoEffect, journal: None });
    };
    let rollout = context.state.rollout_under_way();
    let in_force = context.state.applied.as_ref().map(|applied| &applied.revision.commit);
    let audit = AuditEntry {
        at: world.now(),
        actor: "moorline".to_owned(),
        action: step.to_owned(),
        target: context.name.to_string(),
        commit: rollout.map(|rollout| &rollout.revision.commit).or(in_force).cloned(),
        detail,
    };
    let journal = world.journal_begin(context.name, rollout.map(|rollout| rollout.id), step, audit).await?;
    failpoint::reach(step, "begun");
    let acted = Box::pin(carry_out(world, decision, context)).await?;
    failpoint::reach(step, "done");
    Ok(Effect { acted, journal: Some((journal, step)) })
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

async fn carry_out<W: Facilities>(
    world: &W,
    decision: &Decision,
    context: &StepContext<'_, W::Gateway>,
) -> Result<StepOutcome, Interrupted> {
    let rollout = context.state.rollout_under_way();
    let replicas = Targets { fleet: context.fleet, readings: context.readings, foreign: context.foreign };
    Ok(match decision {
        Decision::PlanTerraform => terraform::plan(world, context.terraform).await?,
        Decision::ApplyTerraform => terraform::apply(world, context.terraform, rollout).await?,
        Decision::UndoPlan => terraform::plan_back(world, context.terraform).await?,
        Decision::UndoApply => terraform::apply_back(world, context.terraform, rollout).await?,
        Decision::Supersede { .. } => gateway::discard(replicas, rollout).await,
        Decision::RestoreFound { documents, actor, reason } => {
            gateway::restore(replicas, documents, context.found, actor, reason).await
        }
        Decision::UndoDocument { restore: None } => gateway::undo(replicas, None, rollout).await,
        Decision::Stage
        | Decision::Shift { .. }
        | Decision::Promote
        | Decision::UndoDocument { restore: Some(_) }
        | Decision::Heal { .. } => {
            let Some(document) = context.document else {
                return Ok(StepOutcome::ActFailed {
                    reason: "the document is not known (any more)".to_owned(),
                });
            };
            with_document(decision, context, replicas, document).await
        }
        Decision::Wait { .. }
        | Decision::Verify
        | Decision::Begin { .. }
        | Decision::EnterPhase { .. }
        | Decision::Finish { .. } => StepOutcome::NoEffect,
    })
}

async fn with_document<G: Gateway>(
    decision: &Decision,
    context: &StepContext<'_, G>,
    replicas: Targets<'_, G>,
    document: &Config,
) -> StepOutcome {
    let rollout = context.state.rollout_under_way();
    match decision {
        Decision::Stage => gateway::stage(replicas, document, rollout).await,
        Decision::Shift { weight } => gateway::shift(replicas, document.digest(), *weight).await,
        Decision::Promote => gateway::promote(replicas, document, rollout).await,
        Decision::UndoDocument { .. } => gateway::undo(replicas, Some(document), rollout).await,
        Decision::Heal { endpoints } => {
            let in_force = context.state.applied.as_ref().map(|applied| &applied.revision.commit);
            gateway::heal(replicas, document, in_force, endpoints).await
        }
        _ => StepOutcome::NoEffect,
    }
}
