//! Not too many resources would be destroyed.

use super::{Answer, Closed, Gate, GateInput, HELD, Stage, WaitsFor};

pub(crate) static GATE: Gate =
    Gate { name: "deletions", explains: HELD, is_trouble: false, stages: &[Stage::JudgePlan], check };

fn check(input: &GateInput<'_>) -> Answer {
    let (plan, terraform) = input.plan()?;
    let lost = plan.destructive().count();
    let most = terraform.deletion_share_max;
    // In whole numbers: lost / count > most, without a division by an empty state.
    let is_over = lost * 10_000 > plan.resource_count * usize::from(most.as_basis_points());
    Some((lost > 0 && is_over).then(|| {
        let because =
            format!("the plan would destroy {lost} of {} resources, more than {most}", plan.resource_count);
        let opened_by = "a commit that destroys less, or a larger terraform.deletion_share_max";
        Closed::new(&GATE, WaitsFor::Commit, because, opened_by)
    }))
}
