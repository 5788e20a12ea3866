use super::*;

mod heal;

use moorline_model::plan::Action;
use moorline_model::rollout::{ApprovalSubject, Deployed, Phase, RolloutKind, Undo};
use serde_json::json;

use crate::sample::{
    commit, declared, deployed, in_force, inputs, intent, now, plan, rolling, rollout, situation,
};

fn message(after: &AppliedIntents) -> Vec<&str> {
    after.events.iter().map(|event| event.message.as_str()).collect()
}

fn approves(plan: &str) -> Operation {
    Operation::Approve(ApprovalSubject { plan_sha256: Some(plan.to_owned()), digest: None })
}

// Invariant 19.
#[test]
fn a_document_that_waits_alone_is_approved_by_its_digest_and_no_other() {
    let desired = declared("c2", &json!({"apply": {"approval": "required"}}));
    let state = rolling(&in_force("c1"), &desired, Phase::AwaitingApproval);
    let seen = |name: &str| ApprovalSubject {
        plan_sha256: None,
        digest: Some(crate::sample::document(name).digest()),
    };
    let other = apply_intents(state.clone(), &[intent(Operation::Approve(seen("c1")))], now());
    assert!(message(&other)[0].contains("another change waits by now"), "{:?}", message(&other));
    let with_a_plan = ApprovalSubject { plan_sha256: Some("plan".to_owned()), ..seen("c2") };
    let refused = apply_intents(state.clone(), &[intent(Operation::Approve(with_a_plan))], now()).state;
    assert_eq!(refused.rollout.unwrap().approval, None);
    let mut state = apply_intents(state, &[intent(Operation::Approve(seen("c2")))], now()).state;
    assert!(rollout(&mut state).approves_document());
    assert_eq!(rollout(&mut state).waits_for_approval(), None);
}

#[test]
fn what_an_older_release_wrote_down_is_an_approval_still() {
    let old = json!({"wish": "approve", "plan_sha256": "abc"});
    assert_eq!(serde_json::from_value::<Operation>(old).unwrap(), approves("abc"));
    let old = json!({"actor": "bob", "plan_sha256": "abc", "content": "c", "at": now()});
    assert_eq!(serde_json::from_value::<Approval>(old).unwrap().digest, None);
}

#[test]
fn an_approval_is_for_the_plan_that_was_seen_and_for_no_other() {
    let desired = declared("c2", &json!({"terraform": {"directory": "infra"}}));
    let mut state = rolling(&in_force("c1"), &desired, Phase::AwaitingApproval);
    let waiting = plan("c2", &[("aws_lb.main", Action::Update)]);
    rollout(&mut state).terraform = Some(waiting.clone());
    let other = apply_intents(state.clone(), &[intent(approves("other"))], now());
    assert_eq!(other.state.rollout.as_ref().unwrap().approval, None);
    assert!(message(&other)[0].contains("another change waits by now"), "{:?}", message(&other));
    let refused = |effect: &IntentEffect| matches!(effect, IntentEffect::Answered(outcome) if outcome.exit().code() == 5);
    assert!(other.effects.iter().all(refused), "a gate refuses: {:?}", other.effects);
    let operation = approves(&waiting.binding.plan_sha256);
    let mut state = apply_intents(state, &[intent(operation)], now()).state;
    assert!(rollout(&mut state).approves(&waiting));
    // Made anew with the same content it is approved; with another change it is not.
    let mut anew = waiting.clone();
    anew.binding.plan_sha256 = "made anew".to_owned();
    assert!(rollout(&mut state).approves(&anew));
    anew.changes.push(plan("c2", &[("aws_lb.other", Action::Delete)]).changes.remove(0));
    assert!(!rollout(&mut state).approves(&anew));
    let mut moved = waiting;
    moved.binding = PlanBindingOf::another_state(moved.binding);
    assert!(!rollout(&mut state).approves(&moved));
}

struct PlanBindingOf;

impl PlanBindingOf {
    fn another_state(mut binding: moorline_model::plan::PlanBinding) -> moorline_model::plan::PlanBinding {
        binding.plan_sha256 = "made anew".to_owned();
        binding.state_serial = Some(2);
        binding
    }
}

#[test]
fn nothing_that_does_not_wait_is_approved() {
    let operation = approves("");
    let after = apply_intents(in_force("c1"), &[intent(operation)], now());
    assert_eq!(
        message(&after),
        ["bob requested `approve`, but nothing waits for approval here (for a reason)"]
    );
}

#[test]
fn going_back_holds_what_is_left_and_the_head() {
    let mut state = in_force("c2");
    state.verified_before = vec![deployed("c1"), deployed("c0")];
    state.head = Some(crate::sample::revision("c3"));
    let after = apply_intents(state, &[intent(Operation::Rollback { commit: None })], now());
    let Some(Decision::Begin { revision, kind }) = &after.begin else { panic!("{:?}", message(&after)) };
    assert_eq!(revision.commit, commit("c1"));
    assert!(
        matches!(kind, RolloutKind::Rollback { from, actor, .. } if *from == commit("c2") && actor == "bob")
    );
    let held: Vec<_> = after.state.holds.iter().flat_map(|hold| hold.commit.clone()).collect();
    assert_eq!(held, [commit("c2"), commit("c3")]);
}

#[test]
fn one_goes_back_only_to_what_verified_healthy_here() {
    let mut state = in_force("c2");
    state.verified_before = vec![deployed("c1"), deployed("c0")];
    let to = |name: &str| {
        let operation = Operation::Rollback { commit: Some(commit(name)) };
        apply_intents(state.clone(), &[intent(operation)], now())
    };
    assert!(to("c0").begin.is_some());
    for (name, why) in [("c9", "never verified healthy here"), ("c2", "is in force")] {
        let after = to(name);
        assert_eq!(after.begin, None);
        assert!(message(&after)[0].contains(why), "{:?}", message(&after));
        assert_eq!(after.state.holds, [], "an intent that is not applied changes nothing");
    }
}

#[test]
fn going_back_passes_over_what_would_change_nothing() {
    let like_c2 = |name| Deployed { revision: deployed(name).revision, ..deployed("c2") };
    let mut state = in_force("c2");
    state.verified_before = vec![like_c2("c1"), deployed("c0")];
    let after = apply_intents(state.clone(), &[intent(Operation::Rollback { commit: None })], now());
    let Some(Decision::Begin { revision, .. }) = &after.begin else { panic!("{:?}", message(&after)) };
    assert_eq!(revision.commit, commit("c0"));
    state.verified_before.pop();
    let after = apply_intents(state, &[intent(Operation::Rollback { commit: None })], now());
    assert_eq!(after.begin, None);
    assert!(message(&after)[0].contains("declares the same as c2"), "{:?}", message(&after));
}

#[test]
fn one_does_not_go_back_to_what_is_held() {
    let mut state = in_force("c2");
    state.verified_before = vec![deployed("c1")];
    let operations = [Operation::Hold { commit: Some(commit("c1")) }, Operation::Rollback { commit: None }];
    let after = apply_intents(state, &operations.map(intent), now());
    assert_eq!(after.begin, None);
}

#[test]
fn a_rollout_that_has_changed_something_is_stopped_and_held() {
    let desired = declared("c2", &json!({}));
    let state = rolling(&in_force("c1"), &desired, Phase::Baking);
    let after = apply_intents(state, &[intent(Operation::Rollback { commit: None })], now());
    assert_eq!(after.begin, None);
    assert_eq!(after.state.hold_on(&commit("c2")).unwrap().by, "bob");
    let mut promoted = after.state;
    rollout(&mut promoted).promoted = true;
    let decision = crate::decide(&promoted, &situation(&desired, &[]), now());
    let expected = Phase::RollingBack { undo: Undo::Document };
    assert!(matches!(&decision, Decision::EnterPhase { phase, .. } if *phase == expected), "{decision:?}");
}

#[test]
fn going_back_is_not_undone_by_asking_for_it_again() {
    let mut state = rolling(&in_force("c2"), &declared("c1", &json!({})), Phase::Staging);
    let (actor, reason) = ("ann".to_owned(), String::new());
    rollout(&mut state).kind = RolloutKind::Rollback { from: commit("c2"), actor, reason };
    let after = apply_intents(state.clone(), &[intent(Operation::Rollback { commit: None })], now());
    assert!(message(&after)[0].contains("ann already rolls back to c100000000"), "{:?}", message(&after));
    assert_eq!(after.state.rollout, state.rollout);
    assert_eq!(after.state.holds, state.holds, "where it goes to is never held");
}

#[test]
fn what_is_being_undone_is_not_released() {
    let undoing = Phase::RollingBack { undo: Undo::Document };
    let state = rolling(&in_force("c1"), &declared("c2", &json!({})), undoing);
    let after = apply_intents(state, &[intent(Operation::Release)], now());
    assert!(message(&after)[0].contains("c200000000 is being undone"), "{:?}", message(&after));
    let refused = |effect: &IntentEffect| matches!(effect, IntentEffect::Answered(outcome) if outcome.exit().code() == 5);
    assert!(after.effects.iter().all(refused), "a hold refuses: {:?}", after.effects);
}

#[test]
fn a_rollout_that_merely_waits_makes_room() {
    let desired = declared("c3", &json!({}));
    let mut before = in_force("c2");
    before.verified_before = vec![deployed("c1")];
    before.head = Some(desired.revision.clone());
    let state = rolling(&before, &desired, Phase::Pending);
    let after = apply_intents(state, &[intent(Operation::Rollback { commit: None })], now());
    assert!(
        matches!(&after.begin, Some(Decision::Begin { revision, .. }) if revision.commit == commit("c1"))
    );
    assert_eq!(after.state.rollout.as_ref().unwrap().phase, Phase::Superseded);
    assert!(after.state.hold_on(&commit("c3")).is_some());
}

#[test]
fn a_release_lifts_holds_and_freeze_and_tries_again() {
    let mut state = in_force("c1");
    state.frozen = Some("a reason".to_owned());
    let state = apply_intents(state, &[intent(Operation::Hold { commit: None })], now()).state;
    let after = apply_intents(state, &[intent(Operation::Release)], now());
    assert_eq!((after.state.frozen, after.state.holds.len()), (None, 0));
    assert!(after.state.sync.is_some());
}

#[test]
fn holding_twice_holds_once() {
    let operation = || intent(Operation::Hold { commit: None });
    assert_eq!(apply_intents(in_force("c1"), &[operation(), operation()], now()).state.holds.len(), 1);
}

/// Applies an intent, takes the step of its cycle, and says what came of it.
fn came_of(state: EnvironmentState, operation: Operation, situation: &crate::Situation<'_>) -> Outcome {
    let after = apply_intents(state, &[intent(operation)], now());
    let decision = after.begin.unwrap_or_else(|| crate::decide(&after.state, situation, now()));
    let desired = situation.head.and_then(Result::ok);
    let inputs = crate::Inputs { desired, ..inputs(situation.current.unwrap()) };
    let state = crate::advance(&after.state, crate::sample::without_effect(&decision), &inputs, now()).state;
    let taken = StepTaken { decision: &decision, failure: None, begun: situation.current, situation };
    conclude(after.effects, &taken, &state, now()).remove(0)
}

fn parts(outcome: &Outcome) -> (&str, u8, bool) {
    (outcome.message(), outcome.exit().code(), outcome.rollout().is_some())
}

#[test]
fn a_hold_says_why_in_the_words_of_who_made_it_last() {
    let state = apply_intents(in_force("c1"), &[intent(Operation::Hold { commit: None })], now()).state;
    let later = Intent {
        actor: "ann".to_owned(),
        reason: "a feast".to_owned(),
        ..intent(Operation::Hold { commit: None })
    };
    let again = apply_intents(state, &[later], now());
    let [hold] = again.state.holds.as_slice() else { panic!("{:?}", again.state.holds) };
    assert_eq!((hold.by.as_str(), hold.reason.as_str()), ("ann", "a feast"));
    let effect = again.effects[0].message();
    assert_eq!(effect, "held everything, which was held already by bob: for a reason");

    let mut state = again.state;
    advance::hold(&mut state, Some(commit("c2")), "it is sick".to_owned(), "moorline".to_owned(), now());
    advance::hold(&mut state, Some(commit("c3")), "it is sick".to_owned(), "moorline".to_owned(), now());
    state.frozen = Some("the probe got 502".to_owned());
    let released = apply_intents(state, &[intent(Operation::Release)], now());
    assert_eq!(
        released.effects[0].message(),
        "lifted the freeze and the hold on everything and c200000000 and c300000000"
    );
    assert!(released.state.holds.is_empty() && released.state.frozen.is_none());
}

#[test]
fn each_intent_has_its_outcome() {
    let (old, new) = (declared("c1", &json!({})), declared("c2", &json!({})));
    let (rests, changes) = (situation(&old, &[]), situation(&new, &[]));
    let mut held = in_force("c1");
    advance::hold(&mut held, Some(commit("c2")), "too dear".to_owned(), "ann".to_owned(), now());
    let mut held_twice = held.clone();
    advance::hold(&mut held_twice, Some(commit("c3")), "too dear".to_owned(), "ann".to_owned(), now());
    let hold = || Operation::Hold { commit: None };
    let cases = [
        (in_force("c1"), Operation::Sync, &rests, ("looked; c100000000 is in force", 0, false)),
        (in_force("c1"), Operation::Sync, &changes, ("looked; c200000000 begins", 0, true)),
        (held.clone(), Operation::Release, &changes, ("lifted the hold; c200000000 begins", 0, true)),
        (
            held_twice,
            Operation::Release,
            &changes,
            ("lifted the hold on c200000000 and c300000000; c200000000 begins", 0, true),
        ),
        (
            held,
            Operation::Sync,
            &changes,
            (
                "looked; c200000000 is held by ann: too dear (opened by a newer commit, or `moorline release prod`)",
                5,
                false,
            ),
        ),
        (in_force("c1"), hold(), &rests, ("held everything", 0, false)),
        (
            in_force("c1"),
            Operation::Release,
            &rests,
            ("released, but nothing was held; c100000000 is in force", 0, false),
        ),
        (
            in_force("c1"),
            Operation::Rollback { commit: None },
            &rests,
            ("no other commit verified healthy here before", 1, false),
        ),
    ];
    for (state, operation, situation, expected) in cases {
        let outcome = came_of(state, operation, situation);
        assert_eq!(parts(&outcome), expected, "{outcome:?}");
    }
}

#[test]
fn what_a_gate_keeps_from_going_on_is_no_success() {
    let night = json!({"apply": {"windows": [{"allow": "Mon-Fri 08:00-18:00 UTC"}]}});
    let desired = declared("c2", &night);
    let outcome = came_of(in_force("c1"), Operation::Sync, &situation(&desired, &[]));
    let (message, exit, has_rollout) = parts(&outcome);
    assert_eq!((exit, has_rollout), (5, true), "{outcome:?}");
    assert!(message.ends_with("(opens at 2026-11-23T08:00:00Z)"), "{message}");
    assert!(matches!(outcome, Outcome::Waits { gate, .. } if gate == "window"));

    // An approval that a hold keeps from being applied.
    let desired = declared("c2", &json!({"terraform": {"directory": "infra"}}));
    let mut state = rolling(&in_force("c1"), &desired, Phase::AwaitingApproval);
    let plan = plan("c2", &[("aws_lb.main", Action::Update)]);
    rollout(&mut state).terraform = Some(plan.clone());
    let approve = || approves(&plan.binding.plan_sha256);
    let outcome = came_of(state.clone(), approve(), &situation(&desired, &[]));
    assert!(matches!(&outcome, Outcome::UnderWay { .. }), "{outcome:?}");
    advance::hold(&mut state, None, "a freeze".to_owned(), "ann".to_owned(), now());
    let outcome = came_of(state, approve(), &situation(&desired, &[]));
    assert!(matches!(&outcome, Outcome::Waits { gate, .. } if gate == "hold"), "{outcome:?}");
}

#[test]
fn a_rollback_names_the_rollout_that_it_began_and_admits_when_it_began_none() {
    let mut state = in_force("c2");
    state.verified_before = vec![deployed("c1")];
    let (back, head) = (declared("c1", &json!({})), declared("c2", &json!({})));
    let operation = || Operation::Rollback { commit: None };
    let outcome = came_of(state.clone(), operation(), &situation(&back, &[]));
    assert_eq!(parts(&outcome), ("rolls back from c200000000 to c100000000", 0, true));
    // What c1 declares cannot be read.
    let outcome = came_of(state, operation(), &situation(&head, &[]));
    assert_eq!(outcome.exit().code(), 1, "{outcome:?}");

    let state = rolling(&in_force("c1"), &head, Phase::Baking);
    let id = state.rollout.as_ref().unwrap().id;
    let outcome = came_of(state, operation(), &situation(&head, &[]));
    assert_eq!(outcome.rollout(), Some(id), "the one that is stopped: {outcome:?}");
}
