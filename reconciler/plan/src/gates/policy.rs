//! No policy refuses. Policies that cannot be evaluated refuse; those that could not be read are read again.

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
    let (because, failure) = match input.situation.denials {
        Ok([]) => return Some(None),
        Ok(denials) => {
            let messages: Vec<_> =
                denials.iter().map(|denial| format!("{}: {}", denial.rule, denial.message)).collect();
            (format!("refused by policy: {}", messages.join("; ")), None)
        }
        Err(failed) if failed.class.may_pass() => {
            let because = format!("the policies cannot be read: {failed}");
            let opened_by = "its return; it is retried automatically";
            let closed = Closed::new(&GATE, WaitsFor::Repository, because, opened_by);
            return Some(Some(closed.failed(Some(failed.class.clone()))));
        }
        Err(failed) => {
            let because = format!("the policies cannot be evaluated, so they refuse: {failed}");
            (because, Some(failed.class.clone()))
        }
    };
    let closed = Closed::new(&GATE, WaitsFor::Commit, because, "a commit that follows the policies");
    Some(Some(closed.failed(failure)))
}
