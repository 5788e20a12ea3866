use super::*;

use moorline_model::plan::Action;
use moorline_model::rollout::Undo;
use serde_json::json;

use crate::sample::{commit, declared, deployed, in_force, intent, now, plan, rolling, rollout, situation};

fn said(heeded: &Heeded) -> Vec<&str> {
    heeded.events.iter().map(|event| event.message.as_str()).collect()
}

fn approves(plan: &str) -> Wish {
    Wish::Approve(Shown { plan_sha256: Some(plan.to_owned()), digest: None })
}

// Invariant 19.
#[test]
fn a_document_that_waits_alone_is_approved_by_its_digest_and_no_other() {
    let desired = declared("c2", &json!({"apply": {"approval": "required"}}));
    let state = rolling(&in_force("c1"), &desired, Phase::AwaitingApproval);
    let seen = |name: &str| Shown { plan_sha256: None, digest: Some(crate::sample::document(name).digest()) };
    let other = heed(state.clone(), &[intent(Wish::Approve(seen("c1")))], now());
    assert!(said(&other)[0].contains("not the one that waits"), "{:?}", said(&other));
    let with_a_plan = Shown { plan_sha256: Some("plan".to_owned()), ..seen("c2") };
    let refused = heed(state.clone(), &[intent(Wish::Approve(with_a_plan))], now()).state;
    assert_eq!(refused.rollout.unwrap().approval, None);
    let mut state = heed(state, &[intent(Wish::Approve(seen("c2")))], now()).state;
    assert!(rollout(&mut state).approves_document());
    assert_eq!(rollout(&mut state).waits_for_approval(), None);
}

#[test]
fn what_an_older_release_wrote_down_is_an_approval_still() {
    let old = json!({"wish": "approve", "plan_sha256": "abc"});
    assert_eq!(serde_json::from_value::<Wish>(old).unwrap(), approves("abc"));
    let old = json!({"actor": "bob", "plan_sha256": "abc", "content": "c", "at": now()});
    assert_eq!(serde_json::from_value::<Approval>(old).unwrap().digest, None);
}

#[test]
fn an_approval_is_for_the_plan_that_was_seen_and_for_no_other() {
    let desired = declared("c2", &json!({"terraform": {"directory": "infra"}}));
    let mut state = rolling(&in_force("c1"), &desired, Phase::AwaitingApproval);
    let waiting = plan("c2", &[("aws_lb.main", Action::Update)]);
    rollout(&mut state).terraform = Some(waiting.clone());
    let other = heed(state.clone(), &[intent(approves("other"))], now());
    assert_eq!(other.state.rollout.as_ref().unwrap().approval, None);
    assert!(said(&other)[0].contains("not the one that waits"), "{:?}", said(&other));
    let wish = approves(&waiting.binding.plan_sha256);
    let mut state = heed(state, &[intent(wish)], now()).state;
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
    let wish = approves("");
    let heeded = heed(in_force("c1"), &[intent(wish)], now());
    assert_eq!(said(&heeded), ["bob approved a change, but none waits for approval (for a reason)"]);
}

#[test]
fn going_back_holds_what_is_left_and_the_head() {
    let mut state = in_force("c2");
    state.verified_before = vec![deployed("c1"), deployed("c0")];
    state.wanted = Some(crate::sample::revision("c3"));
    let heeded = heed(state, &[intent(Wish::Rollback { commit: None })], now());
    let Some(Decision::Begin { revision, kind }) = &heeded.begin else { panic!("{:?}", said(&heeded)) };
    assert_eq!(revision.commit, commit("c1"));
    assert!(
        matches!(kind, RolloutKind::Rollback { from, actor, .. } if *from == commit("c2") && actor == "bob")
    );
    let held: Vec<_> = heeded.state.holds.iter().flat_map(|hold| hold.commit.clone()).collect();
    assert_eq!(held, [commit("c2"), commit("c3")]);
}

#[test]
fn one_goes_back_only_to_what_verified_healthy_here() {
    let mut state = in_force("c2");
    state.verified_before = vec![deployed("c1"), deployed("c0")];
    let to = |name: &str| {
        let wish = Wish::Rollback { commit: Some(commit(name)) };
        heed(state.clone(), &[intent(wish)], now())
    };
    assert!(to("c0").begin.is_some());
    for (name, why) in [("c9", "never verified healthy here"), ("c2", "is in force")] {
        let heeded = to(name);
        assert_eq!(heeded.begin, None);
        assert!(said(&heeded)[0].contains(why), "{:?}", said(&heeded));
        assert_eq!(heeded.state.holds, [], "a wish that is not heeded changes nothing");
    }
}

#[test]
fn one_does_not_go_back_to_what_is_held() {
    let mut state = in_force("c2");
    state.verified_before = vec![deployed("c1")];
    let wishes = [Wish::Hold { commit: Some(commit("c1")) }, Wish::Rollback { commit: None }];
    let heeded = heed(state, &wishes.map(intent), now());
    assert_eq!(heeded.begin, None);
}

#[test]
fn a_rollout_that_has_changed_something_is_stopped_and_held() {
    let desired = declared("c2", &json!({}));
    let state = rolling(&in_force("c1"), &desired, Phase::Baking);
    let heeded = heed(state, &[intent(Wish::Rollback { commit: None })], now());
    assert_eq!(heeded.begin, None);
    assert_eq!(heeded.state.hold_on(&commit("c2")).unwrap().by, "bob");
    let mut promoted = heeded.state;
    rollout(&mut promoted).promoted = true;
    let decision = crate::decide(&promoted, &situation(&desired, &[]), now());
    let expected = Phase::RollingBack { undo: Undo::Document };
    assert!(matches!(&decision, Decision::Move { phase, .. } if *phase == expected), "{decision:?}");
}

#[test]
fn a_rollout_that_merely_waits_makes_room() {
    let desired = declared("c3", &json!({}));
    let mut before = in_force("c2");
    before.verified_before = vec![deployed("c1")];
    before.wanted = Some(desired.revision.clone());
    let state = rolling(&before, &desired, Phase::Pending);
    let heeded = heed(state, &[intent(Wish::Rollback { commit: None })], now());
    assert!(
        matches!(&heeded.begin, Some(Decision::Begin { revision, .. }) if revision.commit == commit("c1"))
    );
    assert_eq!(heeded.state.rollout.as_ref().unwrap().phase, Phase::Superseded);
    assert!(heeded.state.hold_on(&commit("c3")).is_some());
}

#[test]
fn a_release_lifts_holds_and_freeze_and_tries_again() {
    let mut state = in_force("c1");
    state.frozen = Some("a reason".to_owned());
    let state = heed(state, &[intent(Wish::Hold { commit: None })], now()).state;
    let heeded = heed(state, &[intent(Wish::Release)], now());
    assert_eq!((heeded.state.frozen, heeded.state.holds.len()), (None, 0));
    assert!(heeded.state.sync.is_some());
}

#[test]
fn holding_twice_holds_once() {
    let wish = || intent(Wish::Hold { commit: None });
    assert_eq!(heed(in_force("c1"), &[wish(), wish()], now()).state.holds.len(), 1);
}
