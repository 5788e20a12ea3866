//! No protected resource would be destroyed or replaced.

use moorline_model::plan::ResourceChange;

use super::{Answer, Closed, Gate, GateInput, HELD, Stage, WaitsFor};

pub(crate) static GATE: Gate =
    Gate { name: "protected", explains: HELD, is_trouble: false, stages: &[Stage::JudgePlan], check };

fn check(input: &GateInput<'_>) -> Answer {
    let (plan, terraform) = input.plan()?;
    let is_protected = |change: &&ResourceChange| {
        terraform.protect.iter().any(|pattern| match pattern.strip_suffix(".*") {
            Some(resource_type) => resource_type == change.resource_type,
            None => *pattern == change.address,
        })
    };
    let lost: Vec<_> =
        plan.destructive().filter(is_protected).map(|change| change.address.as_str()).collect();
    Some((!lost.is_empty()).then(|| {
        let because = format!("the plan would destroy or replace what is protected: {}", lost.join(", "));
        let opened_by = "a commit that keeps them, or that takes them out of terraform.protect";
        Closed::new(&GATE, WaitsFor::Commit, because, opened_by)
    }))
}
