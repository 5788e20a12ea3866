//! Gates in front of Terraform: a state in doubt, protected resources, the share of deletions.

use moorline_model::declaration;
use moorline_model::plan::{PlanSummary, ResourceChange};

use super::{Closed, Gate, GateInput, WaitsFor, policy_gate};
use crate::policy::Denial;

/// The gates in front of an apply: policies, protected resources, the share of deletions.
///
/// # Errors
/// The first that is closed.
pub fn plan_gates(
    plan: &PlanSummary,
    terraform: &declaration::Terraform,
    denials: Result<&[Denial], &str>,
) -> Result<(), Closed> {
    let closed = policy_gate(denials)
        .or_else(|| protected_gate(plan, terraform))
        .or_else(|| deletion_share_gate(plan, terraform));
    closed.map_or(Ok(()), Err)
}

pub(super) fn blocked(input: &GateInput<'_>) -> Option<Option<Closed>> {
    Some(blocked_gate(input.situation.blocked))
}

pub(super) fn protected(input: &GateInput<'_>) -> Option<Option<Closed>> {
    let (plan, terraform) = plan_of(input)?;
    Some(protected_gate(plan, terraform))
}

pub(super) fn deletions(input: &GateInput<'_>) -> Option<Option<Closed>> {
    let (plan, terraform) = plan_of(input)?;
    Some(deletion_share_gate(plan, terraform))
}

fn plan_of<'a>(input: &GateInput<'a>) -> Option<(&'a PlanSummary, &'a declaration::Terraform)> {
    Some((input.rollout?.terraform.as_ref()?, input.desired?.environment.terraform.as_ref()?))
}

pub(super) fn blocked_gate(blocked: Option<&str>) -> Option<Closed> {
    let because = format!("Terraform is blocked: {}", blocked?);
    let opened_by = "a person who puts the state in order; it is looked at again by itself";
    Some(Closed::new(Gate::Blocked, WaitsFor::You, because, opened_by))
}

fn protected_gate(plan: &PlanSummary, terraform: &declaration::Terraform) -> Option<Closed> {
    let is_protected = |change: &&ResourceChange| {
        terraform.protect.iter().any(|pattern| match pattern.strip_suffix(".*") {
            Some(resource_type) => resource_type == change.resource_type,
            None => *pattern == change.address,
        })
    };
    let lost: Vec<_> =
        plan.destructive().filter(is_protected).map(|change| change.address.as_str()).collect();
    (!lost.is_empty()).then(|| {
        let because = format!("the plan would destroy or replace what is protected: {}", lost.join(", "));
        let opened_by = "a commit that keeps them, or that takes them out of terraform.protect";
        Closed::new(Gate::Protected, WaitsFor::Commit, because, opened_by)
    })
}

fn deletion_share_gate(plan: &PlanSummary, terraform: &declaration::Terraform) -> Option<Closed> {
    let lost = plan.destructive().count();
    let most = terraform.deletion_share_max;
    // In whole numbers: lost / count > most, without a division by an empty state.
    let is_over = lost * 10_000 > plan.resource_count * usize::from(most.as_basis_points());
    (lost > 0 && is_over).then(|| {
        let because =
            format!("the plan would destroy {lost} of {} resources, more than {most}", plan.resource_count);
        let opened_by = "a commit that destroys less, or a larger terraform.deletion_share_max";
        Closed::new(Gate::Deletions, WaitsFor::Commit, because, opened_by)
    })
}
