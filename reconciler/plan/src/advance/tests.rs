use super::*;

use jiff::SignedDuration;
use moorline_model::notification::Transition;
use moorline_model::rollout::{Undo, Verdict};
use moorline_model::{CheckFailed, FailureClass};
use serde_json::json;

use crate::sample::{commit, declared, in_force, inputs, now, rolling, rollout, without_effect};

fn inconclusive(state: &EnvironmentState, at: Timestamp) -> Evidence {
    Evidence {
        phase: state.rollout.as_ref().unwrap().phase.clone(),
        verdict: Verdict::Inconclusive { because: "0 of 50 requests seen".to_owned() },
        facts: std::collections::BTreeMap::new(),
        at,
        errors_in_a_row: 0,
        wrong_probes_in_a_row: 0,
        callers: None,
    }
}

#[test]
fn a_person_is_notified_once_when_there_is_no_verdict_for_too_long() {
    let desired = declared("c2", &json!({}));
    let mut state = rolling(&in_force("c1"), &desired, Phase::Baking);
    let mut notified = Vec::new();
    for minutes in [29, 31, 40] {
        let at = now() + SignedDuration::from_mins(minutes);
        let next = record_evidence(&state, inconclusive(&state, at), at);
        state = next.state;
        notified.extend(next.notifications.into_iter().map(|message| (minutes, message.transition)));
    }
    assert_eq!(notified, [(31, Transition::CannotCheck)]);
}

#[test]
fn evidence_of_a_phase_that_is_over_is_dropped() {
    let desired = declared("c2", &json!({}));
    let staging = rolling(&in_force("c1"), &desired, Phase::Staging);
    let evidence = inconclusive(&staging, now());
    let baking = rolling(&in_force("c1"), &desired, Phase::Baking);
    assert_eq!(record_evidence(&baking, evidence, now()).state, baking);
}

#[test]
fn success_moves_what_was_verified_to_what_was_verified_before() {
    let desired = declared("c2", &json!({}));
    let mut state = rolling(&in_force("c1"), &desired, Phase::Baking);
    rollout(&mut state).promoted = true;
    let finished = StepOutcome::Finished { phase: Phase::Succeeded, because: None };
    let next = advance(&state, finished, &inputs(&desired), now());
    let commits = |deployed: &[moorline_model::rollout::Deployed]| {
        deployed.iter().map(|deployed| deployed.revision.commit.clone()).collect::<Vec<_>>()
    };
    assert_eq!(next.state.verified.as_ref().unwrap().revision.commit, commit("c2"));
    assert_eq!(commits(&next.state.verified_before), [commit("c1")]);
    let [message] = next.notifications.as_slice() else { panic!("{:?}", next.notifications) };
    assert_eq!(message.transition, Transition::Verified);
    assert_eq!(message.incident.to_string(), "rollout/prod/00000000-0000-7000-8000-000000000001");
}

#[test]
fn a_plan_that_fails_for_a_passing_reason_is_tried_four_times_in_all() {
    let desired = declared("c2", &json!({"terraform": {"directory": "infra"}}));
    let mut state = rolling(&in_force("c1"), &desired, Phase::Planning);
    let mut waits = Vec::new();
    let mut notified = 0;
    let lock = FailureClass::Waiting { on: "ann@laptop".to_owned() };
    for class in [lock, FailureClass::Transient, FailureClass::Transient, FailureClass::Transient] {
        let failed = PlanFailure::Failed(CheckFailed::new(class, "state is locked"));
        let next = advance(&state, StepOutcome::Planned(Err(failed)), &inputs(&desired), now());
        state = next.state;
        notified += next.notifications.len();
        if let Some(at) = rollout(&mut state).retry_at {
            waits.push(at.duration_since(now()).as_secs());
        }
    }
    assert_eq!(waits, [60, 120, 240]);
    assert_eq!((rollout(&mut state).phase.clone(), notified), (Phase::Failed, 1));
}

#[test]
fn a_plan_that_needs_a_person_is_not_tried_again() {
    let desired = declared("c2", &json!({"terraform": {"directory": "infra"}}));
    let state = rolling(&in_force("c1"), &desired, Phase::Planning);
    let failed = PlanFailure::Failed(CheckFailed::stalled("no such variable"));
    let mut next = advance(&state, StepOutcome::Planned(Err(failed)), &inputs(&desired), now());
    assert_eq!(rollout(&mut next.state).phase, Phase::Failed);
}

#[test]
fn a_failed_apply_is_undone_and_its_tree_forgotten() {
    let desired = declared("c2", &json!({"terraform": {"directory": "infra"}}));
    let mut before = in_force("c1");
    before.applied.as_mut().unwrap().terraform_tree = Some("tree-c1".to_owned());
    let state = rolling(&before, &desired, Phase::Applying);
    let failed = ApplyFailure::Failed { reason: "quota".to_owned() };
    let mut next = advance(&state, StepOutcome::Applied(Err(failed)), &inputs(&desired), now());
    assert_eq!(rollout(&mut next.state).phase, Phase::RollingBack { undo: Undo::Plan });
    assert!(rollout(&mut next.state).terraform_applied);
    assert_eq!(next.state.applied.unwrap().terraform_tree, None);
    assert_eq!(next.notifications[0].transition, Transition::RollingBack);
    assert!(next.notifications[0].headline.contains("terraform apply failed: quota"));
}

#[test]
fn a_rollback_that_is_not_automatic_freezes() {
    let sections = json!({"terraform": {"directory": "infra"}, "rollback": {"automatic": false}});
    let desired = declared("c2", &sections);
    let state = rolling(&in_force("c1"), &desired, Phase::Applying);
    let failed = ApplyFailure::Failed { reason: "quota".to_owned() };
    let next = advance(&state, StepOutcome::Applied(Err(failed)), &inputs(&desired), now());
    assert!(next.state.frozen.as_ref().unwrap().contains("rollback.automatic is false"));
    assert_eq!(next.notifications[0].transition, Transition::Frozen);
    assert_eq!(next.notifications[0].action.as_deref(), Some("merge a fix, then moorline release prod"));
}

#[test]
fn a_stale_plan_is_forgotten_and_nothing_counts_as_applied() {
    let desired = declared("c2", &json!({"terraform": {"directory": "infra"}}));
    let mut state = rolling(&in_force("c1"), &desired, Phase::Applying);
    rollout(&mut state).terraform = Some(crate::sample::plan("c2", &[]));
    let failed = ApplyFailure::Stale { reason: "the state's serial is 8 and not 7".to_owned() };
    let mut next = advance(&state, StepOutcome::Applied(Err(failed)), &inputs(&desired), now());
    let rollout = rollout(&mut next.state);
    assert_eq!((&rollout.phase, rollout.stale_plans), (&Phase::Planning, 1));
    assert!(rollout.terraform.is_none() && !rollout.terraform_applied);
}

#[test]
fn a_promotion_is_remembered_before_it_is_tried() {
    let desired = declared("c2", &json!({}));
    let state = rolling(&in_force("c1"), &desired, Phase::Staging);
    let entered = StepOutcome::PhaseEntered { phase: Phase::Promoting, because: String::new() };
    let mut next = advance(&state, entered, &inputs(&desired), now());
    assert!(rollout(&mut next.state).promoted);
}

#[test]
fn a_new_head_is_history_once() {
    let mut state = in_force("c1");
    let head = crate::sample::revision("c2");
    let event = record_head(&mut state, &head, now()).unwrap();
    assert_eq!(event.message, "c200000000 by ann: change c2");
    assert_eq!(record_head(&mut state, &head, now()), None);
}

#[test]
fn an_interrupted_apply_counts_as_applied_and_its_plan_and_tree_are_forgotten() {
    let desired = declared("c2", &json!({"terraform": {"directory": "infra"}}));
    let mut before = in_force("c1");
    before.applied.as_mut().unwrap().terraform_tree = Some("tree-c1".to_owned());
    let mut state = rolling(&before, &desired, Phase::Applying);
    rollout(&mut state).terraform = Some(crate::sample::plan("c2", &[]));
    let entered = StepOutcome::PhaseEntered { phase: Phase::Planning, because: "interrupted".to_owned() };
    let mut next = advance(&state, entered, &inputs(&desired), now());
    // Also where the next rollout declares the old tree again: what Terraform made of the world is not known.
    assert_eq!(next.state.applied.as_ref().unwrap().terraform_tree, None);
    let rollout = rollout(&mut next.state);
    assert!(rollout.terraform_applied && rollout.terraform.is_none());
    assert_eq!(rollout.stale_plans, 1);
}

// Invariant 5: undoing would bring a held commit back.
#[test]
fn a_rollout_does_not_go_back_to_what_a_person_left() {
    use moorline_model::intent::{Intent, Operation};
    let mut state = in_force("c1");
    state.verified_before = vec![crate::sample::deployed("c0")];
    let operation: Intent = crate::sample::intent(Operation::Rollback { commit: None });
    let applied = crate::intent::apply_intents(state, &[operation], now());
    let desired = declared("c0", &json!({}));
    let begin = applied.begin.unwrap();
    let mut next = advance(&applied.state, without_effect(&begin), &inputs(&desired), now());
    assert_eq!(rollout(&mut next.state).from, None);
}

#[test]
fn a_rollout_behind_a_closed_gate_is_held_and_says_by_what() {
    let desired = declared("c2", &json!({"apply": {"auto": false}}));
    let state = rolling(&in_force("c1"), &desired, Phase::Pending);
    assert_eq!(moorline_model::status::word(&state).0.as_str(), "applying");
    let decision = crate::decide(&state, &crate::sample::situation(&desired, &[]), now());
    let state = advance(&state, without_effect(&decision), &inputs(&desired), now()).state;
    assert_eq!(moorline_model::status::word(&state).0.as_str(), "held");
    let apply = &state.conditions.0[&moorline_model::condition::ConditionType::Apply];
    assert!(apply.because.contains("c200000000 waits: apply.auto is false"), "{}", apply.because);
}

/// What `moorline_plan::advance` is given when a commit begins over another one.
fn begun(before: &EnvironmentState, desired: &Desired, in_force: Option<&Config>) -> Advance {
    use moorline_model::rollout::RolloutKind;
    let begun = StepOutcome::Begun { revision: desired.revision.clone(), kind: RolloutKind::Deploy };
    let inputs = Inputs { in_force, ..inputs(desired) };
    advance(before, begun, &inputs, now())
}

#[test]
fn a_rollout_says_from_its_beginning_what_it_changes() {
    let (desired, in_force_document) = (declared("c2", &json!({})), crate::sample::document("c1"));
    let mut next = begun(&in_force("c1"), &desired, Some(&in_force_document));
    let sentence = "the tags.Document of the gateway changes from c1 to c2";
    assert_eq!(next.events[0].message, format!("c200000000 by ann begins: change c2 ({sentence})"));
    assert_eq!(rollout(&mut next.state).what_changes(), sentence);
    // Once it is in force, it is not compared with itself.
    rollout(&mut next.state).promoted = true;
    rollout(&mut next.state).changes = None;
    let inputs = Inputs { in_force: desired.document.config(), ..inputs(&desired) };
    let mut later = advance(&next.state, StepOutcome::Verifying, &inputs, now());
    assert_eq!(rollout(&mut later.state).changes, None);
}

#[test]
fn what_changes_nothing_here_says_so_and_what_is_not_known_does_too() {
    let (desired, in_force_document) = (declared("c1", &json!({})), crate::sample::document("c1"));
    let mut before = in_force("c1");
    before.applied.as_mut().unwrap().revision = crate::sample::revision("c0");
    let mut next = begun(&before, &desired, Some(&in_force_document));
    assert_eq!(rollout(&mut next.state).what_changes(), "changes nothing here");
    let mut next = begun(&in_force("c1"), &declared("c2", &json!({})), None);
    assert_eq!(rollout(&mut next.state).what_changes(), "what it changes is not known");
}

#[test]
fn a_document_that_terraform_hands_over_is_compared_once_it_is_there() {
    let sections = json!({
        "terraform": {"directory": "infra"},
        "gateway": {"document": {"terraform": "openai_gateway.main"}, "endpoints": ["http://a:1"], "admin_token": "env:T"},
    });
    let desired = declared("c2", &sections);
    let mut state = rolling(&in_force("c1"), &desired, Phase::Staging);
    assert_eq!(rollout(&mut state).what_changes(), "what it changes is not known");
    let (old, new) = (crate::sample::document("c1"), crate::sample::document("c2"));
    rollout(&mut state).digest = Some(new.digest());
    let inputs = Inputs { in_force: Some(&old), incoming: Some(&new), ..inputs(&desired) };
    let next = advance(&state, StepOutcome::Verifying, &inputs, now());
    let lines: Vec<_> = next.events.iter().map(|event| event.message.as_str()).collect();
    assert_eq!(
        lines,
        ["c200000000 is known in full (the tags.Document of the gateway changes from c1 to c2)"]
    );
    let again = advance(&next.state, StepOutcome::Verifying, &inputs, now());
    assert_eq!(again.events, []);
}

/// What commit `c2` declares, with the document of another, and the state in which `c1` is in force.
fn following() -> (EnvironmentState, Desired, Desired) {
    let in_effect = declared("c1", &json!({}));
    let head = Desired { revision: crate::sample::revision("c2"), ..in_effect.clone() };
    (in_force("c1"), head, in_effect)
}

#[test]
fn a_head_that_declares_what_is_in_force_takes_its_place_without_a_rollout_and_without_news() {
    let (mut state, head, in_effect) = following();
    assert_eq!(fast_forward(&mut state, &head, &in_effect, now()), Some(FastForwarded(None)));
    for deployed in [&state.applied, &state.verified] {
        assert_eq!(deployed.as_ref().unwrap().revision, head.revision);
    }
    assert_eq!(state.head.as_ref(), Some(&head.revision));
    assert_eq!(state.rollout, None);
    assert_eq!(fast_forward(&mut state, &head, &head, now()), None, "it is in force already");
    // After something else was wanted, that it is not any more is news.
    let (mut state, head, in_effect) = following();
    state.head = Some(crate::sample::revision("c3"));
    let Some(FastForwarded(Some(event))) = fast_forward(&mut state, &head, &in_effect, now()) else {
        panic!()
    };
    assert!(event.message.contains("declares the same here as c1"), "{}", event.message);
}

#[test]
fn nothing_follows_what_differs_is_held_or_is_not_as_it_was_verified() {
    type Change = fn(&mut EnvironmentState, &mut Desired);
    let changes: [(&str, Change); 8] = [
        ("its document", |_, head| head.document = declared("c2", &json!({})).document),
        ("its declaration", |_, head| {
            let environment = std::sync::Arc::make_mut(&mut head.environment);
            environment.drift.heal.push(moorline_model::drift::Lane::Gateway);
        }),
        ("its policies", |_, head| head.policies.push("policies".to_owned())),
        ("its Terraform", |_, head| head.terraform_tree = Some("other".to_owned())),
        ("it is held", |state, head| {
            hold(state, Some(head.revision.commit.clone()), String::new(), "bob".to_owned(), now());
        }),
        ("it is frozen", |state, _| state.frozen = Some("a reason".to_owned())),
        ("it never verified", |state, _| state.verified = None),
        ("a rollout is under way", |state, head| *state = rolling(state, head, Phase::Staging)),
    ];
    for (what, change) in changes {
        let (mut state, mut head, in_effect) = following();
        change(&mut state, &mut head);
        let before = state.clone();
        assert_eq!(fast_forward(&mut state, &head, &in_effect, now()), None, "{what}");
        assert_eq!(state, before, "{what}");
    }
}
