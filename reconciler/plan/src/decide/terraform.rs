//! The next step while Terraform is at work: planning, applying.

use jiff::{SignedDuration, Timestamp};
use moorline_model::environment::EnvironmentState;
use moorline_model::plan::PlanSummary;
use moorline_model::rollout::{Phase, Rollout};

use super::{Decision, Situation, approval, back, enter_phase, wait, waits_at};
use crate::gates::{GateInput, Stage, first_closed};

/// Oldest plan that is applied; the world may have moved on under an older one.
pub const PLAN_AGE_MAX: SignedDuration = SignedDuration::from_mins(10);
/// How often a plan may turn out stale before the rollout fails: more means that something else writes the same state.
pub(crate) const STALE_PLANS_MAX: u32 = 3;

pub(super) fn planning(
    state: &EnvironmentState,
    rollout: &Rollout,
    situation: &Situation<'_>,
    now: Timestamp,
) -> Decision {
    let input = GateInput::new(state, situation, &[], now);
    if let Some(closed) = first_closed(Stage::Plan, &input) {
        return waits_at(closed);
    }
    if rollout.stale_plans > STALE_PLANS_MAX {
        return back(state, rollout, &format!("its plan turned out stale {} times", rollout.stale_plans));
    }
    let Some(current) = situation.current else {
        return wait(format!("{} cannot be read", rollout.revision.commit.short()));
    };
    let Some(plan) = rollout.terraform.as_ref().filter(|plan| is_fresh(plan, rollout, now)) else {
        return Decision::PlanTerraform;
    };
    if current.environment.terraform.is_none() {
        return approval::to_staging(state, rollout, current, situation, "the environment has no Terraform");
    }
    if let Some(closed) = first_closed(Stage::JudgePlan, &input) {
        return super::rollout::judged(state, rollout, closed, now);
    }
    if plan.is_empty() {
        return approval::to_staging(state, rollout, current, situation, "Terraform has nothing to change");
    }
    if approval::plan_waits(rollout, plan) {
        return enter_phase(
            Phase::AwaitingApproval,
            format!("{}; a person must approve it", plan.headline()),
        );
    }
    enter_phase(Phase::Applying, plan.headline())
}

fn is_fresh(plan: &PlanSummary, rollout: &Rollout, now: Timestamp) -> bool {
    plan.binding.commit == rollout.revision.commit && now.duration_since(plan.binding.made_at) <= PLAN_AGE_MAX
}

pub(super) fn applying(
    state: &EnvironmentState,
    rollout: &Rollout,
    situation: &Situation<'_>,
    now: Timestamp,
) -> Decision {
    let input = GateInput::new(state, situation, &[], now);
    if let Some(closed) = first_closed(Stage::Plan, &input) {
        return waits_at(closed);
    }
    if situation.current.is_none() {
        return wait(format!("{} cannot be read", rollout.revision.commit.short()));
    }
    if let Some(closed) = first_closed(Stage::Apply, &input) {
        return waits_at(closed);
    }
    // That the plan is not stale is asked where it is applied, under the state's lock and not here.
    if rollout.terraform.is_some() {
        Decision::ApplyTerraform
    } else {
        enter_phase(Phase::Planning, "there is no plan to apply")
    }
}
