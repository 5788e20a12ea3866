//! Effects of Terraform, and what their outcomes mean for the rollout.

use moorline_model::rollout::Rollout;
use moorline_plan::advance::StepOutcome;

use crate::facilities::{Run, RunFailed, TerraformRunner};

/// The daemon stops in the middle of a step. Its journal line stays open, as after a crash, and the next life of the
/// daemon goes on from there.
#[derive(Debug, thiserror::Error)]
#[error("interrupted: the daemon is stopping")]
pub struct Interrupted;

/// Plans for a rollout.
pub(super) async fn plan(
    runner: &impl TerraformRunner,
    run: Option<&Run<'_>>,
) -> Result<StepOutcome, Interrupted> {
    let Some(run) = run else { return Ok(no_terraform()) };
    match runner.plan(run).await {
        Ok(summary) => Ok(StepOutcome::Planned(summary)),
        Err(RunFailed::Interrupted) => Err(Interrupted),
        Err(error) => Ok(StepOutcome::PlanFailed {
            reason: error.to_string(),
            transient: matches!(error, RunFailed::Unchanged { is_transient: true, .. }),
        }),
    }
}

/// Applies a rollout's plan. One that could not even begin has changed nothing: it is planned anew.
pub(super) async fn apply(
    runner: &impl TerraformRunner,
    run: Option<&Run<'_>>,
    rollout: Option<&Rollout>,
) -> Result<StepOutcome, Interrupted> {
    let Some(run) = run else { return Ok(no_terraform()) };
    let Some(plan) = rollout.and_then(|rollout| rollout.terraform.as_ref()) else {
        return Ok(StepOutcome::PlanStale { reason: "there is no plan".to_owned() });
    };
    match runner.apply(run, &plan.binding).await {
        Ok(()) => Ok(StepOutcome::Applied { digest: None }),
        Err(RunFailed::Interrupted) => Err(Interrupted),
        Err(RunFailed::Changed(reason)) => Ok(StepOutcome::ApplyFailed { reason }),
        Err(RunFailed::Unchanged { because, .. }) => Ok(StepOutcome::PlanStale { reason: because }),
    }
}

/// Plans the way back.
pub(super) async fn plan_back(
    runner: &impl TerraformRunner,
    run: Option<&Run<'_>>,
) -> Result<StepOutcome, Interrupted> {
    let Some(run) = run else { return Ok(no_terraform()) };
    match runner.plan(run).await {
        Ok(summary) => Ok(StepOutcome::UndoPlanned(summary)),
        Err(RunFailed::Interrupted) => Err(Interrupted),
        Err(error) => Ok(StepOutcome::ActFailed { reason: error.to_string() }),
    }
}

/// Applies the plan of the way back.
pub(super) async fn apply_back(
    runner: &impl TerraformRunner,
    run: Option<&Run<'_>>,
    rollout: Option<&Rollout>,
) -> Result<StepOutcome, Interrupted> {
    match apply(runner, run, rollout).await? {
        StepOutcome::Applied { .. } => Ok(StepOutcome::UndoApplied),
        other => Ok(other),
    }
}

fn no_terraform() -> StepOutcome {
    StepOutcome::ActFailed { reason: "the environment declares no Terraform at this commit".to_owned() }
}
