//! A person approved the change.

use super::{Answer, Closed, Gate, GateInput, HELD, Stage, WaitsFor};

pub(crate) static GATE: Gate =
    Gate { name: "approval", explains: HELD, is_trouble: false, stages: &[Stage::Approval], check };

fn check(input: &GateInput<'_>) -> Answer {
    let rollout = input.rollout?;
    Some(rollout.waits_for_approval().map(|_| {
        let short = rollout.revision.commit.short();
        let what = match (rollout.changing_plan(), rollout.approval_rules.are_loosened()) {
            (Some(plan), _) => format!("Terraform's plan ({}) of {short}", plan.headline()),
            (None, true) => format!("{short}, which requires fewer approvals"),
            (None, false) => format!("the document of {short}"),
        };
        let because = format!("a person must approve {what}");
        let opened_by = format!("`moorline approve {}`, which shows it first", input.state.name);
        Closed::new(&GATE, WaitsFor::You, because, opened_by)
    }))
}
