use super::*;

use jiff::SignedDuration;
use moorline_model::drift::{Drift, DriftKind, DriftState, Finding, Lane, Severity};
use moorline_model::rollout::{Evidence, Undo, Verdict};
use serde_json::json;

use crate::gateway::ReplicaReading;
use crate::sample::{
    commit, declared, deployed, document, in_force, now, replica, rolling, rollout, situation,
};

fn verdict(state: &mut EnvironmentState, verdict: Verdict) {
    let rollout = rollout(state);
    rollout.evidence = Some(Evidence {
        phase: rollout.phase.clone(),
        verdict,
        facts: Default::default(),
        at: now(),
        errors_in_a_row: 0,
        wrong_probes_in_a_row: 0,
        callers: None,
    });
}

fn canary() -> Desired {
    let steps = json!([{"weight": "10%", "hold": "1m"}, {"weight": "50%", "hold": "1m"}]);
    declared("c2", &json!({"rollout": {"strategy": "canary", "steps": steps}}))
}

#[test]
fn a_passed_verdict_on_another_step_is_worth_nothing() {
    let desired = canary();
    let mut state = rolling(&in_force("c1"), &desired, Phase::Shifting { step: 0 });
    verdict(&mut state, Verdict::Passed);
    rollout(&mut state).phase = Phase::Shifting { step: 1 };
    let digest = document("c2").digest();
    let replicas = [replica("a", Some(document("c1").digest()), Some((digest, 50)))];
    assert_eq!(decide(&state, &situation(&desired, &replicas), now()), Decision::Verify);
}

#[test]
fn the_weight_is_set_until_every_replica_has_it() {
    let desired = canary();
    let state = rolling(&in_force("c1"), &desired, Phase::Shifting { step: 0 });
    let (stable, digest) = (document("c1").digest(), document("c2").digest());
    let replicas =
        [replica("a", Some(stable), Some((digest, 10))), replica("b", Some(stable), Some((digest, 0)))];
    let decision = decide(&state, &situation(&desired, &replicas), now());
    assert_eq!(decision, Decision::Shift { weight: Percent::whole(10) });
}

#[test]
fn a_replica_that_lost_its_candidate_gets_it_again() {
    let desired = canary();
    let state = rolling(&in_force("c1"), &desired, Phase::Shifting { step: 0 });
    let replicas = [replica("a", Some(document("c1").digest()), None)];
    assert_eq!(decide(&state, &situation(&desired, &replicas), now()), Decision::Stage);
}

#[test]
fn no_replica_at_all_is_no_success() {
    let desired = declared("c2", &json!({}));
    for phase in [Phase::Staging, Phase::Promoting] {
        let state = rolling(&in_force("c1"), &desired, phase);
        assert!(matches!(decide(&state, &situation(&desired, &[]), now()), Decision::Wait { .. }));
    }
    let mut state = rolling(&in_force("c1"), &desired, Phase::Baking);
    verdict(&mut state, Verdict::Passed);
    assert_eq!(decide(&state, &situation(&desired, &[]), now()), Decision::Verify);
}

#[test]
fn a_failed_verdict_outweighs_a_newer_commit() {
    let (desired, newer) = (canary(), declared("c3", &json!({})));
    let mut state = rolling(&in_force("c1"), &desired, Phase::Shifting { step: 0 });
    verdict(&mut state, Verdict::Failed { reasons: vec!["sick".to_owned()] });
    let situation = Situation { head: Some(Ok(&newer)), ..situation(&desired, &[]) };
    let undo = Phase::RollingBack { undo: Undo::Document };
    assert!(matches!(decide(&state, &situation, now()), Decision::EnterPhase { phase, .. } if phase == undo));
}

#[test]
fn a_newer_commit_supersedes_unless_it_is_held_or_something_is_applied() {
    let (desired, newer) = (canary(), declared("c3", &json!({})));
    let situation = Situation { head: Some(Ok(&newer)), ..situation(&desired, &[]) };
    for (phase, supersedes) in [
        (Phase::Pending, true),
        (Phase::Shifting { step: 1 }, true),
        (Phase::Baking, true),
        (Phase::Applying, false),
        (Phase::Promoting, false),
        (Phase::RollingBack { undo: Undo::Attest }, false),
    ] {
        let mut state = rolling(&in_force("c1"), &desired, phase.clone());
        let does =
            |state: &EnvironmentState| matches!(decide(state, &situation, now()), Decision::Supersede { .. });
        assert_eq!(does(&state), supersedes, "{phase}");
        crate::advance::hold(&mut state, Some(commit("c3")), String::new(), "bob".to_owned(), now());
        assert!(!does(&state), "{phase}, held");
    }
}

#[test]
fn a_commit_that_declares_the_same_here_supersedes_nothing() {
    let (current, mut head) = (declared("c2", &json!({})), declared("c2", &json!({})));
    head.revision = crate::sample::revision("c3");
    let replicas = [];
    let is_superseded = |head: &Desired| {
        let situation =
            Situation { head: Some(Ok(head)), current: Some(&current), ..situation(head, &replicas) };
        let state = rolling(&in_force("c1"), &current, Phase::Baking);
        matches!(decide(&state, &situation, now()), Decision::Supersede { .. })
    };
    assert!(!is_superseded(&head));
    head.policies.push("policies".to_owned());
    assert!(is_superseded(&head));
}

#[test]
fn after_the_document_terraform_is_undone_where_an_earlier_rollout_left_it_changed() {
    // c2 applied Terraform and was superseded before its document went further.
    let desired = declared("c3", &json!({"terraform": {"directory": "infra"}}));
    let mut before = in_force("c1");
    before.verified.as_mut().unwrap().terraform_tree = Some("tree-c1".to_owned());
    before.applied.as_mut().unwrap().terraform_tree = Some("tree-c2".to_owned());
    let mut state = rolling(&before, &desired, Phase::RollingBack { undo: Undo::Document });
    let rollout = rollout(&mut state).clone();
    assert!(terraform_is_to_be_undone(&state, &rollout));
    state.applied.as_mut().unwrap().terraform_tree = Some("tree-c1".to_owned());
    assert!(!terraform_is_to_be_undone(&state, &rollout));
}

fn open(address: &str) -> Drift {
    let finding = Finding {
        lane: Lane::Gateway,
        address: address.to_owned(),
        path: "tags".to_owned(),
        kind: DriftKind::Changed,
        severity: Severity::Critical,
        declared: None,
        live: None,
        note: None,
    };
    let fingerprint = finding.fingerprint();
    Drift { finding, fingerprint, state: DriftState::Open, first_seen: now(), last_seen: now() }
}

#[test]
fn open_drift_is_healed_where_declared_and_ever_more_slowly_when_it_comes_back() {
    let heal = declared("c1", &json!({"drift": {"heal": ["gateway"]}}));
    let alert = declared("c1", &json!({}));
    let replicas = [replica("a", Some(document("edited").digest()), None)];
    let mut state = in_force("c1");
    state.drift = vec![open("http://a:1")];
    let healed = Decision::Heal { endpoints: vec!["http://a:1".to_owned()] };
    assert!(matches!(decide(&state, &situation(&alert, &replicas), now()), Decision::Wait { .. }));
    let mut at = now();
    let mut waits = Vec::new();
    for _ in 0..4 {
        let since = at;
        while decide(&state, &situation(&heal, &replicas), at) != healed {
            at += SignedDuration::from_secs(1);
        }
        waits.push(at.duration_since(since).as_secs());
        let inputs = crate::sample::inputs(&heal);
        let endpoints = vec!["http://a:1".to_owned()];
        let outcome = crate::StepOutcome::Healed { endpoints, result: Ok(()) };
        state = crate::advance(&state, outcome, &inputs, at).state;
    }
    assert_eq!(waits, [0, 10, 20, 40]);
}

// Invariant 5: healing applies the commit in force.
#[test]
fn what_is_held_is_not_healed_either() {
    let heal = declared("c1", &json!({"drift": {"heal": ["gateway"]}}));
    let mut state = in_force("c1");
    state.drift = vec![open("http://a:1")];
    crate::advance::hold(&mut state, None, String::new(), "bob".to_owned(), now());
    let replicas = [replica("a", None, None)];
    assert!(matches!(decide(&state, &situation(&heal, &replicas), now()), Decision::Wait { .. }));
}

#[test]
fn drift_is_healed_while_the_head_has_a_mistake() {
    let in_effect = declared("c1", &json!({"drift": {"heal": ["gateway"]}}));
    let mut state = in_force("c1");
    state.drift = vec![open("http://a:1")];
    let replicas = [replica("a", Some(document("edited").digest()), None)];
    let mistakes = CheckFailed::stalled("gateway.yaml:3");
    let invalid = Situation { head: Some(Err(&mistakes)), ..situation(&in_effect, &replicas) };
    assert!(matches!(decide(&state, &invalid, now()), Decision::Heal { .. }));
}

#[test]
fn a_head_that_cannot_be_read_leaves_everything_as_it_is() {
    let desired = declared("c2", &json!({}));
    let mistakes = CheckFailed::stalled("gateway.yaml:3: unknown field");
    let invalid = Situation { head: Some(Err(&mistakes)), ..situation(&desired, &[]) };
    let Decision::Wait { because, .. } = decide(&in_force("c1"), &invalid, now()) else { panic!() };
    assert!(because.contains("gateway.yaml:3"), "{because}");
}

/// A replica on which a person wrote by hand.
fn edited(name: &str) -> crate::gateway::ReplicaReading {
    let mut reading = replica(name, Some(document("edited").digest()), None);
    let stable = reading.result.as_mut().unwrap().stable.as_mut().unwrap();
    stable.origin = "manual".to_owned();
    stable.actor = Some("jane".to_owned());
    reading
}

#[test]
fn a_rollout_waits_before_it_writes_over_what_a_person_wrote() {
    let desired = declared("c2", &json!({}));
    let mut state = rolling(&in_force("c1"), &desired, Phase::Staging);
    let replicas = [replica("a", Some(document("c1").digest()), None), edited("b")];
    let Decision::Wait { because, .. } = decide(&state, &situation(&desired, &replicas), now()) else {
        panic!()
    };
    assert!(because.contains("http://b:1") && because.contains("by hand (jane)"), "{because}");
    let decision = decide(&state, &situation(&desired, &replicas), now());
    let inputs = crate::sample::inputs(&desired);
    let waiting = crate::advance(&state, crate::sample::without_effect(&decision), &inputs, now()).state;
    assert_eq!(moorline_model::status::word(&waiting).0.as_str(), "held");
    let staged = crate::StepOutcome::Staged(Ok(Default::default()));
    let going = crate::advance(&waiting, staged, &inputs, now()).state;
    assert_eq!(moorline_model::status::word(&going).0.as_str(), "verifying");
    let healed = declared("c2", &json!({"drift": {"heal": ["gateway"]}}));
    assert_eq!(decide(&state, &situation(&healed, &replicas), now()), Decision::Stage);
    rollout(&mut state).requested_by =
        Some(moorline_model::environment::RequestedBy { actor: "bob".to_owned(), at: now() });
    assert_eq!(decide(&state, &situation(&desired, &replicas), now()), Decision::Stage);
}

#[test]
fn a_gateway_started_from_a_file_with_what_is_in_force_is_taken_over() {
    let desired = declared("c2", &json!({}));
    let state = rolling(&in_force("c1"), &desired, Phase::Staging);
    let mut reading = replica("a", Some(document("c1").digest()), None);
    reading.result.as_mut().unwrap().stable.as_mut().unwrap().origin = "file".to_owned();
    assert_eq!(decide(&state, &situation(&desired, &[reading]), now()), Decision::Stage);
}

#[test]
fn a_rollback_leaves_what_a_person_wrote_and_ends() {
    let desired = declared("c2", &json!({}));
    let state = rolling(&in_force("c1"), &desired, Phase::RollingBack { undo: Undo::Attest });
    let replicas = [replica("a", Some(document("c1").digest()), None), edited("b")];
    let end = Decision::Finish { phase: Phase::RolledBack, because: None };
    assert_eq!(decide(&state, &situation(&desired, &replicas), now()), end);
}

#[test]
fn a_rollback_does_not_wait_for_an_address_that_it_never_reached() {
    let desired = declared("c2", &json!({}));
    let mut state = rolling(&in_force("c1"), &desired, Phase::RollingBack { undo: Undo::Attest });
    let dark = |name: &str| ReplicaReading {
        result: Err(CheckFailed::transient("no answer")),
        ..replica(name, None, None)
    };
    let replicas = [replica("a", Some(document("c1").digest()), None), dark("mistyped")];
    let end = Decision::Finish { phase: Phase::RolledBack, because: None };
    assert_eq!(decide(&state, &situation(&desired, &replicas), now()), end);
    // Nothing that answers is no proof.
    let waits = |state: &EnvironmentState, replicas: &[ReplicaReading]| {
        matches!(decide(state, &situation(&desired, replicas), now()), Decision::Wait { .. })
    };
    assert!(waits(&state, &[dark("mistyped")]));
    // It may serve what an earlier rollout left, or has had the candidate.
    state.applied = Some(deployed("c0"));
    assert!(waits(&state, &replicas));
    state.applied = Some(deployed("c1"));
    rollout(&mut state).generations.insert("http://mistyped:1".to_owned(), 2);
    assert!(waits(&state, &replicas));
}

#[test]
fn an_interrupted_apply_is_planned_anew_even_while_something_else_makes_it_wait() {
    let desired = declared("c2", &json!({}));
    for (apply, plan) in [
        (Phase::Applying, Phase::Planning),
        (Phase::RollingBack { undo: Undo::Apply }, Phase::RollingBack { undo: Undo::Plan }),
    ] {
        let mut state = rolling(&in_force("c1"), &desired, apply);
        rollout(&mut state).retry_at = Some(now() + SignedDuration::from_mins(1));
        let situation = Situation {
            interrupted: Some("terraform.apply"),
            blocked: Some("a state could not be written"),
            ..situation(&desired, &[])
        };
        let decision = decide(&state, &situation, now());
        assert!(matches!(&decision, Decision::EnterPhase { phase, .. } if *phase == plan), "{decision:?}");
    }
}

#[test]
fn policies_that_were_not_read_are_read_again_and_policies_with_a_mistake_end_the_rollout() {
    let desired = declared("c2", &json!({}));
    let (away, wrong) = (CheckFailed::transient("no answer"), CheckFailed::stalled("a.rego:4: what"));
    for phase in [Phase::Pending, Phase::Staging] {
        let state = rolling(&in_force("c1"), &desired, phase);
        let replicas = [replica("a", Some(document("c1").digest()), None)];
        let next = |failed| {
            let situation = Situation { denials: Err(failed), ..situation(&desired, &replicas) };
            decide(&state, &situation, now())
        };
        let Decision::Wait { until: Some(until), .. } = next(&away) else { panic!("{:?}", next(&away)) };
        assert!(until > now());
        assert!(!matches!(next(&wrong), Decision::Wait { .. }), "{:?}", next(&wrong));
    }
}
