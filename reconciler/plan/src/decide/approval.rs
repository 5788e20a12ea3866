//! Whether a person must approve, and what happens once that person did.
//!
//! A plan waits before it is applied, a document before it reaches a gateway. What is approved is what was shown: the
//! approval names the plan and the document's digest. The stricter rule counts, the commit's or the one in force, and a
//! commit that asks for less waits for that alone: else it would take away the rule that it is judged by.

use jiff::Timestamp;
use moorline_model::declaration::ApprovalRule;
use moorline_model::environment::EnvironmentState;
use moorline_model::plan::PlanSummary;
use moorline_model::rollout::{Phase, Rollout, RolloutKind};

use super::{Decision, Situation, deliver, enter_phase, heal, wait, waits_at};
use crate::desired::Desired;
use crate::gates::{APPROVAL, Closed, GateInput, Stage, first_closed};

/// Whether a plan that would change something waits for a person.
pub(super) fn plan_waits(rollout: &Rollout, plan: &PlanSummary) -> bool {
    rollout.approval_rules.stricter() != ApprovalRule::None && !rollout.approves(plan)
}

/// On to the gateways, past a person where the document is new and must be approved.
pub(super) fn to_staging(
    state: &EnvironmentState,
    rollout: &Rollout,
    current: &Desired,
    situation: &Situation<'_>,
    because: &str,
) -> Decision {
    if !document_waits(state, rollout, current, situation) {
        return enter_phase(Phase::Staging, because);
    }
    let and = if rollout.approval_rules.are_loosened() { " and it asks for fewer approvals" } else { "" };
    enter_phase(Phase::AwaitingApproval, format!("{because}{and}; a person must approve that"))
}

/// Whether the document must be approved, or the looser rule that its commit brings: nobody approved it yet, and it is not
/// what is in force. A person's rollback goes to a document that was in force before, and needs no other approval. What every
/// replica serves already needs none: a record that was lost is built anew without a question.
pub(super) fn document_waits(
    state: &EnvironmentState,
    rollout: &Rollout,
    current: &Desired,
    situation: &Situation<'_>,
) -> bool {
    let digest = current.document.config().map(|config| config.digest()).or(rollout.digest);
    let in_force = state.applied.as_ref().map(|applied| applied.digest);
    let approved = rollout.approval.as_ref().and_then(|approval| approval.digest);
    let serves = digest.is_some_and(|digest| deliver::all_serve(digest, situation));
    let is_new = rollout.approval_rules.stricter() == ApprovalRule::Required && digest != in_force && !serves;
    rollout.kind == RolloutKind::Deploy
        && digest.is_some()
        && digest != approved
        && (is_new || rollout.approval_rules.are_loosened())
}

pub(super) fn awaiting(
    state: &EnvironmentState,
    rollout: &Rollout,
    situation: &Situation<'_>,
    now: Timestamp,
) -> Decision {
    let Some(current) = situation.current else {
        return wait(format!("{} cannot be read", rollout.revision.commit.short()));
    };
    if rollout.terraform.is_none() && super::rollout::needs_plan(state, current) {
        return enter_phase(Phase::Planning, "there is no plan to approve");
    }
    let input = GateInput::new(state, situation, &[], now);
    if let Some(closed) = first_closed(Stage::Approval, &input) {
        return heal::drift(state, situation, now).unwrap_or_else(|| waits_for(rollout, closed));
    }
    if let Some(closed) = first_closed(Stage::Progress, &input) {
        return waits_at(closed);
    }
    if rollout.changing_plan().is_some() {
        return enter_phase(Phase::Applying, "approved");
    }
    if rollout.digest.is_some_and(|digest| deliver::is_live(state, digest, situation)) {
        let because = Some("approved, and no gateway has anything to change".to_owned());
        return Decision::Finish { phase: Phase::Succeeded, because };
    }
    // An apply asks for its window itself; a document that was approved in the night waits here for the morning.
    match first_closed(Stage::Apply, &input) {
        Some(closed) => waits_at(closed),
        None => enter_phase(Phase::Staging, "approved"),
    }
}

/// Who is asked to approve reads what.
fn waits_for(rollout: &Rollout, closed: Closed) -> Decision {
    if closed.gate != &APPROVAL {
        return waits_at(closed);
    }
    let what = match rollout.changing_plan() {
        Some(plan) => plan.headline(),
        None => rollout.what_changes(),
    };
    wait(format!("{what}: waiting for a person's approval"))
}
