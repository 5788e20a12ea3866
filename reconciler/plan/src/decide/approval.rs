//! Whether a person must approve, and what happens once that person did.
//!
//! A plan waits before it is applied, a document before it reaches a gateway. What is approved is what was shown: the
//! approval names the plan and the document's digest.

use jiff::Timestamp;
use moorline_model::declaration::Approval;
use moorline_model::environment::EnvironmentState;
use moorline_model::plan::PlanSummary;
use moorline_model::rollout::{Phase, Rollout, RolloutKind};

use super::{Decision, Situation, go, heal, rest};
use crate::desired::Desired;
use crate::gates;

/// Whether a plan that would change something waits for a person.
pub(super) fn plan_waits(rollout: &Rollout, current: &Desired, plan: &PlanSummary) -> bool {
    current.environment.apply.approval != Approval::None && !rollout.approves(plan)
}

/// On to the gateways, past a person where the document is new and must be approved.
pub(super) fn to_staging(
    state: &EnvironmentState,
    rollout: &Rollout,
    current: &Desired,
    because: &str,
) -> Decision {
    if document_waits(state, rollout, current) {
        go(Phase::AwaitingApproval, format!("{because}; a person must approve the document"))
    } else {
        go(Phase::Staging, because)
    }
}

/// Whether the document must be approved: it is not what is in force, and nobody approved it. A person's rollback goes to a
/// document that was in force before, and is that person's word.
fn document_waits(state: &EnvironmentState, rollout: &Rollout, current: &Desired) -> bool {
    let digest = current.document.config().map(|config| config.digest()).or(rollout.digest);
    let in_force = state.applied.as_ref().map(|applied| applied.digest);
    let approved = rollout.approval.as_ref().and_then(|approval| approval.digest);
    current.environment.apply.approval == Approval::Required
        && rollout.kind == RolloutKind::Deploy
        && digest.is_some()
        && digest != in_force
        && digest != approved
}

pub(super) fn awaiting(
    state: &EnvironmentState,
    rollout: &Rollout,
    situation: &Situation<'_>,
    now: Timestamp,
) -> Decision {
    let Some(current) = situation.current else {
        return rest(format!("{} cannot be read", rollout.revision.commit.short()));
    };
    if rollout.terraform.is_none() && super::rollout::needs_plan(state, current) {
        return go(Phase::Planning, "there is no plan to approve");
    }
    if rollout.waits_for_approval().is_some() {
        let what =
            rollout.changing_plan().map_or_else(|| "the document changes".to_owned(), PlanSummary::headline);
        return heal::drift(state, situation, now)
            .unwrap_or_else(|| rest(format!("{what}: waiting for a person's approval")));
    }
    if let Some(hold) = state.hold_on(&rollout.revision.commit) {
        return rest(format!("approved, but held by {}: {}", hold.by, hold.reason));
    }
    if rollout.changing_plan().is_some() {
        return go(Phase::Applying, "approved");
    }
    // An apply asks for its window itself; a document that was approved in the night waits here for the morning.
    match gates::window_gate(Some(rollout), current, now) {
        Some(closed) => Decision::Rest { because: closed.because, until: closed.opens_at },
        None => go(Phase::Staging, "approved"),
    }
}
