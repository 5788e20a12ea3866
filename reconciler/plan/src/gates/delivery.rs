//! Gates on a rollout's way: policies, a person's approval, a failed try, another owner, and evidence.

use moorline_model::environment::EnvironmentState;
use moorline_model::rollout::{Phase, Rollout, Verdict};

use super::{Closed, Gate, GateInput, WaitsFor};
use crate::adopt::unadopted;
use crate::age::age;
use crate::conditions::empty;
use crate::decide::{Situation, first_foreign};
use crate::policy::Denial;

pub(super) fn policy(input: &GateInput<'_>) -> Option<Option<Closed>> {
    input.rollout?;
    Some(policy_gate(input.situation.denials))
}

pub(super) fn owner(input: &GateInput<'_>) -> Option<Option<Closed>> {
    input.rollout?;
    Some(owner_gate(input.state, input.situation))
}

pub(super) fn adopt(input: &GateInput<'_>) -> Option<Option<Closed>> {
    input.rollout?;
    Some(adopt_gate(input.state, input.situation))
}

/// What gateways served before Moorline met them is replaced only when somebody says so.
pub(crate) fn adopt_gate(state: &EnvironmentState, situation: &Situation<'_>) -> Option<Closed> {
    let unadopted = unadopted(state, situation);
    let name = &state.name;
    let sentence = |reading: &&crate::gateway::ReplicaReading| {
        let found = state
            .found
            .iter()
            .find(|found| found.endpoint == reading.endpoint && reading.serves(found.digest));
        match found {
            Some(found) => format!("{}, and differs in {}", found.sentence(), found.fields()),
            None => format!("{} serves something that cannot be read", reading.endpoint),
        }
    };
    let each: Vec<_> = unadopted.iter().map(sentence).collect();
    (!each.is_empty()).then(|| {
        let empty = empty(situation.replicas);
        let empty = if empty.is_empty() { String::new() } else { format!("; {empty}") };
        let because = format!("{}; Moorline has not put that there{empty}", each.join("; "));
        let opened_by = format!(
            "`moorline adopt {name}`, which shows the differences and replaces it, or `gateway: {{adopt: true}}`"
        );
        Closed::new(Gate::Adopt, WaitsFor::You, because, opened_by)
    })
}

/// What somebody else put on a replica is written over only where that is declared, or when a person asks for it.
pub(crate) fn owner_gate(state: &EnvironmentState, situation: &Situation<'_>) -> Option<Closed> {
    let (endpoint, serving) = first_foreign(state, state.rollout_under_way()?, situation)?;
    let because = format!("{endpoint} serves what is not this environment's: {}", serving.written_by());
    let opened_by = format!("`moorline sync {}`, which writes over it, or drift.heal: [gateway]", state.name);
    Some(Closed::new(Gate::Owner, WaitsFor::You, because, opened_by))
}

/// What the policies deny. Policies that cannot be evaluated refuse.
pub(crate) fn policy_gate(denials: Result<&[Denial], &str>) -> Option<Closed> {
    let because = match denials {
        Ok([]) => return None,
        Ok(denials) => {
            let messages: Vec<_> =
                denials.iter().map(|denial| format!("{}: {}", denial.rule, denial.message)).collect();
            format!("refused by policy: {}", messages.join("; "))
        }
        Err(problem) => format!("the policies cannot be asked, so they refuse: {problem}"),
    };
    Some(Closed::new(Gate::Policy, WaitsFor::Commit, because, "a commit that follows the policies"))
}

pub(super) fn approval(input: &GateInput<'_>) -> Option<Option<Closed>> {
    let rollout = input.rollout?;
    Some(rollout.waits_for_approval().map(|_| {
        let short = rollout.revision.commit.short();
        let what = match (rollout.changing_plan(), rollout.approval_rules.are_loosened()) {
            (Some(plan), _) => format!("Terraform's plan ({}) of {short}", plan.headline()),
            (None, true) => format!("{short}, which asks for fewer approvals"),
            (None, false) => format!("the document of {short}"),
        };
        let because = format!("a person must approve {what}");
        let opened_by = format!("`moorline approve {}`, which shows it first", input.state.name);
        Closed::new(Gate::Approval, WaitsFor::You, because, opened_by)
    }))
}

pub(super) fn retry(input: &GateInput<'_>) -> Option<Option<Closed>> {
    let rollout = input.rollout?;
    let at = rollout.retry_at.filter(|at| *at > input.now);
    Some(at.map(|at| {
        let because = format!("{}: try {} failed, and it is tried again", rollout.phase, rollout.attempts);
        let opened_by = format!("itself, or at once by `moorline sync {}`", input.state.name);
        Closed { opens_at: Some(at), ..Closed::new(Gate::Retry, WaitsFor::Time, because, opened_by) }
    }))
}

/// What is tried goes on when the verdict on it is in.
pub(super) fn evidence(input: &GateInput<'_>) -> Option<Option<Closed>> {
    let rollout = input.rollout?;
    if !matches!(rollout.phase, Phase::Staging | Phase::Shifting { .. } | Phase::Baking) {
        return None;
    }
    let because = match rollout.verdict() {
        Some(Verdict::Passed | Verdict::Failed { .. }) => return Some(None),
        Some(Verdict::Inconclusive { because }) => because.clone(),
        Some(Verdict::Error { because }) => format!("it could not be asked: {because}"),
        None => "nothing was asked of it yet".to_owned(),
    };
    let short = rollout.revision.commit.short();
    let because = format!("{short} is {}: {because}", rollout.phase);
    if rollout.person_asked_at.is_some() {
        let age = age(rollout.phase_since, input.now);
        let opened_by = format!(
            "{}, a commit with a smaller verify.min_requests or a probe, or `moorline rollback {} --reason \"…\"`",
            missing(input, rollout),
            input.state.name
        );
        let because = format!("{because}; no verdict for {age}");
        return Some(Some(Closed::new(Gate::Evidence, WaitsFor::You, because, opened_by)));
    }
    Some(Some(Closed::new(Gate::Evidence, WaitsFor::Evidence, because, missing(input, rollout))))
}

/// What a verdict still needs, as far as it can be counted.
fn missing(input: &GateInput<'_>, rollout: &Rollout) -> String {
    let seen = rollout.evidence.as_ref().map_or(0, |evidence| evidence.callers.unwrap_or_default().requests);
    let is_counted = rollout.phase != Phase::Staging;
    let requests = rollout.verify.min_requests.saturating_sub(seen);
    let hold = match rollout.phase {
        Phase::Shifting { step } => rollout.plan.steps.get(step).map(|step| step.hold.get()),
        Phase::Baking => Some(rollout.verify.window.get()),
        _ => None,
    };
    let until = hold.and_then(|hold| rollout.phase_since.checked_add(hold).ok()).filter(|at| *at > input.now);
    let requests = (is_counted && requests > 0).then(|| format!("{requests} more requests of callers"));
    let time = until.map(|until| format!("{} more of watching", age(input.now, until)));
    match (requests, time) {
        (Some(requests), Some(time)) => format!("{requests} and {time}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "the next look".to_owned(),
    }
}
