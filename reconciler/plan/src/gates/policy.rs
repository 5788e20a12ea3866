//! No policy refuses. Policies that cannot be evaluated refuse.

use super::{Answer, Closed, Gate, GateInput, HELD, Stage, WaitsFor};

pub(crate) static GATE: Gate = Gate {
    name: "policy",
    explains: HELD,
    is_trouble: false,
    stages: &[Stage::JudgePlan, Stage::JudgeDocument],
    check,
};

fn check(input: &GateInput<'_>) -> Answer {
    input.rollout?;
    let because = match input.situation.denials {
        Ok([]) => return Some(None),
        Ok(denials) => {
            let messages: Vec<_> =
                denials.iter().map(|denial| format!("{}: {}", denial.rule, denial.message)).collect();
            format!("refused by policy: {}", messages.join("; "))
        }
        Err(problem) => format!("the policies cannot be evaluated, so they refuse: {problem}"),
    };
    Some(Some(Closed::new(&GATE, WaitsFor::Commit, because, "a commit that follows the policies")))
}
