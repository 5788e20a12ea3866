//! Effects of Terraform, and what their outcomes mean for the rollout.

use moorline_model::CheckFailed;
use moorline_model::plan::PlanSummary;
use moorline_model::rollout::Rollout;
use moorline_plan::advance::{ApplyFailure, PlanFailure};

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
) -> Result<Result<PlanSummary, PlanFailure>, Interrupted> {
    let Some(run) = run else { return Ok(Err(PlanFailure::Act(no_terraform()))) };
    match runner.plan(run).await {
        Ok(summary) => Ok(Ok(summary)),
        Err(error) => Ok(Err(PlanFailure::Failed(error.failed().ok_or(Interrupted)?))),
    }
}

/// Applies a rollout's plan, or the plan of its way back. One that could not even begin has changed nothing: it is planned anew.
pub(super) async fn apply(
    runner: &impl TerraformRunner,
    run: Option<&Run<'_>>,
    rollout: Option<&Rollout>,
) -> Result<Result<(), ApplyFailure>, Interrupted> {
    let Some(run) = run else { return Ok(Err(ApplyFailure::Act(no_terraform()))) };
    let Some(plan) = rollout.and_then(|rollout| rollout.terraform.as_ref()) else {
        return Ok(Err(ApplyFailure::Stale { reason: "there is no plan".to_owned() }));
    };
    match runner.apply(run, &plan.binding).await {
        Ok(()) => Ok(Ok(())),
        Err(RunFailed::Interrupted) => Err(Interrupted),
        Err(RunFailed::Changed(reason)) => Ok(Err(ApplyFailure::Failed { reason })),
        Err(RunFailed::Unchanged(failed)) => Ok(Err(ApplyFailure::Stale { reason: failed.because })),
    }
}

/// Plans the way back.
pub(super) async fn plan_back(
    runner: &impl TerraformRunner,
    run: Option<&Run<'_>>,
) -> Result<Result<PlanSummary, CheckFailed>, Interrupted> {
    let Some(run) = run else { return Ok(Err(no_terraform())) };
    match runner.plan(run).await {
        Ok(summary) => Ok(Ok(summary)),
        Err(error) => Ok(Err(error.failed().ok_or(Interrupted)?)),
    }
}

fn no_terraform() -> CheckFailed {
    CheckFailed::stalled("the environment declares no Terraform at this commit")
}
