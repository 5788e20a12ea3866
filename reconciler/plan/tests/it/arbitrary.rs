//! States, readings and outcomes that need make no sense together.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use moorline_model::config::{Config, Digest, Percent};
use moorline_model::declaration::{Declaration, Rollback, Traffic, Verify};
use moorline_model::environment::{EnvironmentState, Hold};
use moorline_model::plan::{Action, PlanBinding, PlanSummary, ResourceChange};
use moorline_model::rollout::{
    ApprovalRules, Deployed, Evidence, Phase, RequestCounts, Rollout, RolloutKind, Stop, Undo, Verdict,
};
use moorline_model::{CheckFailed, CommitId, FailureClass, Revision};
use moorline_plan::advance::{ApplyFailure, PlanFailure};
use moorline_plan::gateway::{CandidateServing, ReplicaReading, ReplicaStatus, Serving};
use moorline_plan::{Decision, Desired, StepOutcome, desired as desire};
use proptest::option;
use proptest::prelude::*;
use serde_json::json;

fn commit_id(name: &str) -> CommitId {
    format!("{name:0<40}").parse().unwrap()
}

pub(crate) fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn document(number: u8) -> Config {
    let value = json!({"version": 1, "name": "gateway", "tags": {"Document": number.to_string()}});
    Config::from_value("gateway.yaml", &value).unwrap()
}

fn digest() -> impl Strategy<Value = Digest> {
    (1_u8..4).prop_map(|number| document(number).digest())
}

fn revision(number: u8) -> Revision {
    Revision {
        commit: commit_id(&format!("c{number}")),
        author: "ann".to_owned(),
        message: "change".to_owned(),
        committed_at: now(),
    }
}

pub(crate) fn desired() -> Desired {
    let environment = json!({
        "name": "prod",
        "gateway": {"document": ["g"], "endpoints": ["http://a:1"], "admin_token": "env:T"},
        "terraform": {"directory": "infra"},
        "drift": {"heal": ["gateway"]},
    });
    let text = json!({"version": 1, "environments": [environment]}).to_string();
    let declaration = Declaration::parse("moorline.yaml", &text).unwrap();
    let files = [("g".to_owned(), document(2).value().to_string())];
    let name = "prod".parse().unwrap();
    desire(revision(2), &name, &declaration, &files, None, Some("tree-2".to_owned())).unwrap()
}

fn deployed() -> impl Strategy<Value = Deployed> {
    (1_u8..4, digest(), option::of("tree-[123]")).prop_map(|(number, digest, terraform_tree)| Deployed {
        revision: revision(number),
        digest,
        terraform_tree,
        at: now(),
    })
}

fn phase() -> impl Strategy<Value = Phase> {
    prop_oneof![
        Just(Phase::Pending),
        Just(Phase::Planning),
        Just(Phase::AwaitingApproval),
        Just(Phase::Applying),
        Just(Phase::Staging),
        (0_usize..4).prop_map(|step| Phase::Shifting { step }),
        Just(Phase::Promoting),
        Just(Phase::Baking),
        Just(Phase::Succeeded),
        prop_oneof![Just(Undo::Document), Just(Undo::Plan), Just(Undo::Apply), Just(Undo::Attest)]
            .prop_map(|undo| Phase::RollingBack { undo }),
        Just(Phase::RolledBack),
        Just(Phase::Frozen),
        Just(Phase::Failed),
        Just(Phase::Superseded),
    ]
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        Just(Verdict::Passed),
        Just(Verdict::Failed { reasons: vec!["sick".to_owned()] }),
        Just(Verdict::Inconclusive { because: "wait".to_owned() }),
        Just(Verdict::Error { because: "dark".to_owned(), failure: None }),
    ]
}

fn plan() -> impl Strategy<Value = PlanSummary> {
    let action = prop_oneof![Just(Action::Update), Just(Action::Replace), Just(Action::Unknown)];
    (1_u8..4, 0_i64..1200, proptest::collection::vec(action, 0..3)).prop_map(|(number, age, actions)| {
        let change = |action| ResourceChange {
            address: "aws_lb.main".to_owned(),
            resource_type: "aws_lb".to_owned(),
            action,
            attributes: Vec::new(),
        };
        PlanSummary {
            binding: PlanBinding {
                commit: commit_id(&format!("c{number}")),
                plan_sha256: "plan".to_owned(),
                state_serial: None,
                state_lineage: None,
                made_at: now() - SignedDuration::from_secs(age),
            },
            changes: actions.into_iter().map(change).collect(),
            outputs: Vec::new(),
            findings: Vec::new(),
            resource_count: 3,
        }
    })
}

prop_compose! {
    fn rollout()(
        (phase, is_canary, number, digest) in (phase(), any::<bool>(), 1_u8..4, option::of(digest())),
        (from, terraform, evidence) in (option::of(deployed()), option::of(plan()), option::of((phase(), verdict()))),
        (attempts, stale_plans, retry, is_stopped) in (0_u32..30, 0_u32..6, option::of(-60_i64..60), any::<bool>()),
        (terraform_applied, promoted, automatic, is_rollback) in any::<(bool, bool, bool, bool)>(),
    ) -> Rollout {
        let steps = serde_json::from_value(json!([{"weight": "10%", "hold": "1m"}])).unwrap();
        let traffic = Traffic {
            strategy: "canary".to_owned(),
            steps: if is_canary { steps } else { Vec::new() },
        };
        let kind = if is_rollback {
            RolloutKind::Rollback { from: commit_id("c3"), actor: "ann".to_owned(), reason: String::new() }
        } else {
            RolloutKind::Deploy
        };
        Rollout {
            id: "00000000-0000-7000-8000-000000000000".parse().unwrap(),
            kind,
            revision: revision(number),
            from,
            phase,
            started_at: now() - SignedDuration::from_mins(20),
            phase_since: now() - SignedDuration::from_mins(16),
            traffic,
            verify: Verify::default(),
            rollback: Rollback { automatic },
            approval_rules: ApprovalRules::default(),
            terraform_tree: Some("tree-2".to_owned()),
            requested_by: None,
            stop: is_stopped.then(|| Stop { actor: "ann".to_owned(), reason: String::new() }),
            terraform,
            terraform_applied,
            approval: None,
            digest,
            changes: None,
            terraform_changes: None,
            generations: BTreeMap::new(),
            promoted,
            callers_before: RequestCounts::default(),
            share: None,
            evidence: evidence.map(|(phase, verdict)| Evidence {
                phase,
                verdict,
                facts: BTreeMap::new(),
                at: now(),
                errors_in_a_row: 0,
                wrong_probes_in_a_row: 0,
                callers: None,
            }),
            reason: None,
            attempts,
            retry_at: retry.map(|seconds| now() + SignedDuration::from_secs(seconds)),
            retry_failure: retry.map(|_| FailureClass::Transient),
            stale_plans,
            person_asked_at: None,
            is_announced: false,
            awaits_person: false,
        }
    }
}

prop_compose! {
    pub(crate) fn state()(
        (applied, verified, rollout) in (option::of(deployed()), option::of(deployed()), option::of(rollout())),
        (held, is_all_held, is_frozen) in (option::of(1_u8..4), any::<bool>(), any::<bool>()),
        is_rolled_back in any::<bool>(),
    ) -> EnvironmentState {
        let hold = |commit| Hold { commit, reason: "no".to_owned(), by: "bob".to_owned(), since: now() };
        let one = held.map(|number| hold(Some(commit_id(&format!("c{number}")))));
        EnvironmentState {
            applied,
            verified,
            rollout,
            holds: one.into_iter().chain(is_all_held.then(|| hold(None))).collect(),
            frozen: is_frozen.then(|| "a reason".to_owned()),
            rolled_back: is_rolled_back.then(|| commit_id("c2")).into_iter().collect::<BTreeSet<_>>(),
            ..EnvironmentState::new("prod".parse().unwrap())
        }
    }
}

fn reading(name: &'static str) -> impl Strategy<Value = ReplicaReading> {
    let status =
        (option::of(digest()), option::of((digest(), 0_u16..101))).prop_map(|(stable, candidate)| {
            Ok(ReplicaStatus {
                instance: "i".to_owned(),
                stable: stable.map(|digest| Serving {
                    digest,
                    commit: None,
                    generation: 1,
                    origin: "git".to_owned(),
                    actor: None,
                    reason: None,
                    since: now(),
                }),
                candidate: candidate.map(|(digest, weight)| CandidateServing {
                    digest,
                    generation: 2,
                    weight: Percent::whole(weight),
                }),
                document: None,
                recent: None,
            })
        });
    let dark = prop_oneof![
        Just(CheckFailed::transient("no answer")),
        Just(CheckFailed::stalled("refuses the token")),
    ];
    let result = prop_oneof![4 => status, 1 => dark.prop_map(Err)];
    result.prop_map(move |result| ReplicaReading { endpoint: format!("http://{name}:1"), result })
}

pub(crate) fn readings() -> impl Strategy<Value = Vec<ReplicaReading>> {
    (reading("a"), reading("b"), 0_usize..3)
        .prop_map(|(a, b, count)| [a, b].into_iter().take(count).collect())
}

/// What steps come to.
#[derive(Debug, Clone)]
pub(crate) struct Results {
    plan: PlanSummary,
    digest: Option<Digest>,
    failure: Failure,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Failure {
    None,
    NotRun,
    Terraform,
    Passing,
}

pub(crate) fn results() -> impl Strategy<Value = Results> {
    let failure = prop_oneof![
        2 => Just(Failure::None),
        1 => Just(Failure::NotRun),
        1 => Just(Failure::Terraform),
        1 => Just(Failure::Passing),
    ];
    (plan(), option::of(digest()), failure).prop_map(|(plan, digest, failure)| Results {
        plan,
        digest,
        failure,
    })
}

impl Results {
    /// The outcome of a decision.
    pub(crate) fn of(self, decision: Decision) -> StepOutcome {
        let reason = || "no".to_owned();
        let act = || match self.failure {
            Failure::None => Ok(()),
            _ => Err(CheckFailed::transient("no")),
        };
        let planned = match self.failure {
            Failure::None => Ok(self.plan.clone()),
            Failure::NotRun => Err(PlanFailure::Act(CheckFailed::transient("no"))),
            other => Err(PlanFailure::Failed(CheckFailed::new(
                match other == Failure::Passing {
                    true => FailureClass::Transient,
                    false => FailureClass::Stalled,
                },
                reason(),
            ))),
        };
        let applied = match self.failure {
            Failure::None => Ok(()),
            Failure::NotRun => Err(ApplyFailure::Act(CheckFailed::transient("no"))),
            Failure::Terraform => Err(ApplyFailure::Failed { reason: reason() }),
            Failure::Passing => Err(ApplyFailure::Stale { reason: reason() }),
        };
        match decision {
            Decision::Wait { because, until } => StepOutcome::Waited { because, until },
            Decision::Verify => StepOutcome::Verifying,
            Decision::Begin { revision, kind } => StepOutcome::Begun { revision, kind },
            Decision::EnterPhase { phase, because } => StepOutcome::PhaseEntered { phase, because },
            Decision::Finish { phase, because } => StepOutcome::Finished { phase, because },
            Decision::PlanTerraform => StepOutcome::Planned(planned),
            Decision::ApplyTerraform => StepOutcome::Applied(applied.map(|()| self.digest)),
            Decision::UndoPlan => StepOutcome::UndoPlanned(act().map(|()| self.plan.clone())),
            Decision::UndoApply => StepOutcome::UndoApplied(applied),
            Decision::Stage => StepOutcome::Staged(act().map(|()| BTreeMap::new())),
            Decision::Shift { weight } => StepOutcome::Shifted { weight, result: act() },
            Decision::Promote => StepOutcome::Promoted(act()),
            Decision::Supersede { by } => StepOutcome::Superseded { by, result: act() },
            Decision::UndoDocument { .. } => StepOutcome::DocumentUndone(act()),
            Decision::Heal { endpoints } => StepOutcome::Healed { endpoints, result: act() },
            Decision::RestoreFound { actor, reason, .. } => {
                StepOutcome::FoundRestored { actor, reason, result: act() }
            }
        }
    }
}
