//! Samples for unit tests: one environment, a few commits, replicas that serve what they are told.

use moorline_model::config::{Config, Digest, Percent};
use moorline_model::declaration::Declaration;
use moorline_model::environment::EnvironmentState;
use moorline_model::intent::{Intent, Operation};
use moorline_model::plan::{Action, PlanBinding, PlanSummary, ResourceChange};
use moorline_model::rollout::{Deployed, Phase, Rollout, RolloutKind};
use moorline_model::{CommitId, Revision};
use serde_json::{Value, json};

use crate::desired::{Desired, desired};
use crate::gateway::{CandidateServing, ReplicaReading, ReplicaStatus, Serving};
use crate::{Decision, Inputs, Situation, StepOutcome, advance};

pub(crate) fn now() -> jiff::Timestamp {
    // A Saturday.
    "2026-11-21T12:00:00Z".parse().unwrap()
}

pub(crate) fn commit(name: &str) -> CommitId {
    format!("{name:0<40}").parse().unwrap()
}

pub(crate) fn revision(name: &str) -> Revision {
    Revision {
        commit: commit(name),
        author: "ann".to_owned(),
        message: format!("change {name}"),
        committed_at: now(),
    }
}

pub(crate) fn document(name: &str) -> Config {
    let value = json!({"version": 1, "name": "gateway", "tags": {"Document": name}});
    Config::from_value("gateway.yaml", &value).unwrap()
}

/// What commit `name` declares, with these sections in place of the defaults.
pub(crate) fn declared(name: &str, sections: &Value) -> Desired {
    let mut environment = json!({
        "name": "prod",
        "gateway": {"document": ["g"], "endpoints": ["http://a:1"], "admin_token": "env:T"},
    });
    for (key, value) in sections.as_object().unwrap() {
        environment[key] = value.clone();
    }
    let text = json!({"version": 1, "environments": [environment]}).to_string();
    let declaration = Declaration::parse("moorline.yaml", &text).unwrap();
    let files = [("g".to_owned(), document(name).value().to_string())];
    let environment = "prod".parse().unwrap();
    desired(revision(name), &environment, &declaration, &files, None, Some(format!("tree-{name}"))).unwrap()
}

pub(crate) fn deployed(name: &str) -> Deployed {
    Deployed { revision: revision(name), digest: document(name).digest(), terraform_tree: None, at: now() }
}

/// An environment in which a commit is in force and verified.
pub(crate) fn in_force(name: &str) -> EnvironmentState {
    EnvironmentState {
        applied: Some(deployed(name)),
        verified: Some(deployed(name)),
        head: Some(revision(name)),
        ..EnvironmentState::new("prod".parse().unwrap())
    }
}

/// The environment with a rollout of what `desired` declares in a phase.
pub(crate) fn rolling(state: &EnvironmentState, desired: &Desired, phase: Phase) -> EnvironmentState {
    let begun = StepOutcome::Begun { revision: desired.revision.clone(), kind: RolloutKind::Deploy };
    let mut state = advance(state, begun, &inputs(desired), now()).state;
    rollout(&mut state).phase = phase;
    state
}

/// The outcome of a decision that has no effect; one that has is not carried out.
pub(crate) fn without_effect(decision: &Decision) -> StepOutcome {
    match decision.clone() {
        Decision::Wait { because, until } => StepOutcome::Waited { because, until },
        Decision::Begin { revision, kind } => StepOutcome::Begun { revision, kind },
        Decision::EnterPhase { phase, because } => StepOutcome::PhaseEntered { phase, because },
        Decision::Finish { phase, because } => StepOutcome::Finished { phase, because },
        _ => StepOutcome::Verifying,
    }
}

pub(crate) fn rollout(state: &mut EnvironmentState) -> &mut Rollout {
    state.rollout.as_mut().unwrap()
}

pub(crate) fn inputs(desired: &Desired) -> Inputs<'_> {
    Inputs {
        id: "00000000-0000-7000-8000-000000000001".parse().unwrap(),
        desired: Some(desired),
        in_force: None,
        incoming: None,
    }
}

pub(crate) fn situation<'a>(desired: &'a Desired, replicas: &'a [ReplicaReading]) -> Situation<'a> {
    Situation {
        head: Some(Ok(desired)),
        current: Some(desired),
        replicas,
        denials: Ok(&[]),
        interrupted: None,
        blocked: None,
    }
}

pub(crate) fn replica(
    name: &str,
    stable: Option<Digest>,
    candidate: Option<(Digest, u16)>,
) -> ReplicaReading {
    let stable = stable.map(|digest| Serving {
        digest,
        commit: None,
        generation: 1,
        origin: "git".to_owned(),
        actor: None,
        reason: None,
        since: now(),
    });
    let candidate = candidate.map(|(digest, weight)| CandidateServing {
        digest,
        generation: 2,
        weight: Percent::whole(weight),
    });
    let status = ReplicaStatus { instance: name.to_owned(), stable, candidate, document: None, recent: None };
    ReplicaReading { endpoint: format!("http://{name}:1"), result: Ok(status) }
}

pub(crate) fn plan(name: &str, changes: &[(&str, Action)]) -> PlanSummary {
    let change = |(address, action): &(&str, Action)| ResourceChange {
        address: (*address).to_owned(),
        resource_type: address.split('.').next().unwrap().to_owned(),
        action: *action,
        attributes: vec![],
    };
    PlanSummary {
        binding: PlanBinding {
            commit: commit(name),
            plan_sha256: format!("sha of {name}"),
            state_serial: Some(1),
            state_lineage: None,
            made_at: now(),
        },
        changes: changes.iter().map(change).collect(),
        outputs: vec![],
        findings: vec![],
        resource_count: 10,
    }
}

pub(crate) fn intent(operation: Operation) -> Intent {
    Intent {
        environment: "prod".parse().unwrap(),
        operation,
        actor: "bob".to_owned(),
        reason: "for a reason".to_owned(),
        at: now(),
    }
}
