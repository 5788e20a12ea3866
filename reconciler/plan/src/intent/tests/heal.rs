//! A person's word to heal.

use moorline_model::drift::{Drift, DriftKind, DriftState, Finding, Lane, Severity};

use super::*;

fn drift(lane: Lane, address: &str, kind: DriftKind) -> Drift {
    let finding = Finding {
        lane,
        address: address.to_owned(),
        path: "x".to_owned(),
        kind,
        severity: Severity::Warning,
        declared: None,
        live: None,
        note: None,
    };
    let fingerprint = finding.fingerprint();
    Drift { finding, fingerprint, state: DriftState::Open, first_seen: now(), last_seen: now() }
}

/// c1 is in force; two replicas and a load balancer drift from it, and something cannot be read.
fn drifted() -> EnvironmentState {
    let mut state = in_force("c1");
    state.drift = vec![
        drift(Lane::Gateway, "http://a:1", DriftKind::Changed),
        drift(Lane::Gateway, "http://b:1", DriftKind::Missing),
        drift(Lane::Gateway, "http://c:1", DriftKind::Unverifiable),
        drift(Lane::Terraform, "aws_lb.main", DriftKind::Changed),
        drift(Lane::Aws, "rule/by-hand", DriftKind::Unmanaged),
    ];
    state
}

fn heals(state: EnvironmentState, only: Option<&str>) -> Heeded {
    heed(state, &[intent(Operation::Heal { only: only.map(str::to_owned) })], now())
}

fn refusal(heeded: &Heeded) -> (&str, u8) {
    match &heeded.heard[0] {
        Heard::Known(outcome @ Outcome::Refused { message, .. }) => (message, outcome.exit_code()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn replicas_get_the_document_back_and_terraform_is_planned_anew() {
    let heeded = heals(drifted(), None);
    assert_eq!(heeded.heal, ["http://a:1", "http://b:1"]);
    let Some(Decision::Begin { revision, kind: RolloutKind::Heal { actor, head, .. } }) = &heeded.begin
    else {
        panic!("{:?}", heeded.begin)
    };
    assert_eq!((&revision.commit, actor.as_str(), head), (&commit("c1"), "bob", &Some(commit("c1"))));
    let said = said(&heeded)[0];
    for part in [
        "bob gives the document of c100000000 back to http://a:1, http://b:1",
        "plans Terraform at c100000000 for aws_lb.main",
        "http://c:1 (it could not be read)",
        "rule/by-hand (Terraform does not own it",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // The tree in force is planned anew, though it is the one declared.
    let desired = declared("c1", &json!({"terraform": {"directory": "infra"}}));
    let mut state = heeded.state;
    state.applied.as_mut().unwrap().terraform_tree.clone_from(&desired.terraform_tree);
    let begin = heeded.begin.unwrap();
    let state = crate::advance(&state, &begin, crate::Acted::Rested, &inputs(&desired), now()).state;
    let next = crate::decide(&state, &situation(&desired, &[]), now());
    assert!(matches!(next, Decision::Move { phase: Phase::Planning, .. }), "{next:?}");
}

#[test]
fn only_heals_what_it_names_and_is_told_what_drifts_when_that_does_not() {
    let heeded = heals(drifted(), Some("http://b:1"));
    assert_eq!((heeded.heal, heeded.begin), (vec!["http://b:1".to_owned()], None));
    let heeded = heals(drifted(), Some("http://x:1"));
    let (message, exit) = refusal(&heeded);
    assert_eq!(exit, 1);
    assert!(
        message.starts_with("http://x:1 does not drift; what does: http://a:1, http://b:1, aws_lb.main"),
        "{message}"
    );
    // Terraform gives all of it back at once, so nothing is left unsaid.
    let mut state = drifted();
    state.drift.push(drift(Lane::Terraform, "aws_lb.other", DriftKind::Changed));
    let heeded = heals(state, Some("aws_lb.main"));
    assert!(refusal(&heeded).0.contains("aws_lb.other"), "{:?}", heeded.heard);
    assert!(heals(drifted(), Some("aws_lb.main")).begin.is_some());
}

#[test]
fn where_nothing_drifts_nothing_is_done_and_what_cannot_be_given_back_is_said() {
    let heeded = heals(in_force("c1"), None);
    assert!(matches!(&heeded.heard[0], Heard::Known(Outcome::Done { .. })), "{:?}", heeded.heard);
    assert_eq!((heeded.heal.len(), heeded.begin), (0, None));
    let mut state = in_force("c1");
    state.drift = vec![drift(Lane::Gateway, "http://c:1", DriftKind::Unverifiable)];
    assert_eq!(refusal(&heals(state, None)).1, 1);
    // Somebody looks after what is ignored.
    let mut state = drifted();
    state.drift.truncate(1);
    state.drift[0].state = DriftState::Ignored;
    assert!(heals(state, None).heal.is_empty());
}

#[test]
fn a_persons_word_opens_a_hold_on_everything_for_replicas_and_for_nothing_else() {
    let mut state = drifted();
    advance::hold(&mut state, None, "a freeze".to_owned(), "ann".to_owned(), now());
    let heeded = heals(state.clone(), None);
    assert_eq!((heeded.heal.len(), &heeded.begin), (2, &None));
    assert!(said(&heeded)[0].contains("though everything is held by ann"), "{:?}", said(&heeded));
    assert_eq!(refusal(&heals(state, Some("aws_lb.main"))).1, 5);
    // Invariant 5: a commit that is held is not put anywhere.
    let mut state = drifted();
    advance::hold(&mut state, Some(commit("c1")), "sick".to_owned(), "ann".to_owned(), now());
    let heeded = heals(state, None);
    assert_eq!((refusal(&heeded).1, heeded.heal.len()), (5, 0));
}

#[test]
fn a_replica_that_refuses_is_told() {
    let heeded = heals(drifted(), Some("http://a:1"));
    let decision = Decision::Heal { endpoints: heeded.heal.clone() };
    let desired = declared("c1", &json!({}));
    let situation = situation(&desired, &[]);
    let step = Step { decision: &decision, failure: Some("no answer"), begun: None, situation: &situation };
    let outcome = conclude(heeded.heard.clone(), &step, &heeded.state, now()).remove(0);
    assert_eq!(told(&outcome), ("the document could not be given back: no answer", 1, false));
    let step = Step { failure: None, ..step };
    let outcome = conclude(heeded.heard, &step, &heeded.state, now()).remove(0);
    assert_eq!(told(&outcome), ("gave the document of c100000000 back to http://a:1", 0, false));
}

#[test]
fn a_heal_does_not_try_the_head_again_that_failed_before_it() {
    let (old, failed) =
        (declared("c1", &json!({"terraform": {"directory": "infra"}})), declared("c2", &json!({})));
    let mut state = rolling(&drifted(), &failed, Phase::Failed);
    state.head = Some(failed.revision.clone());
    let heeded = heals(state, None);
    let begin = heeded.begin.unwrap();
    let mut state = crate::advance(&heeded.state, &begin, crate::Acted::Rested, &inputs(&old), now()).state;
    let seen = crate::Situation { head: Some(Ok(&failed)), ..situation(&old, &[]) };
    let next = crate::decide(&state, &seen, now());
    assert!(matches!(next, Decision::Move { phase: Phase::Planning, .. }), "not superseded: {next:?}");
    rollout(&mut state).phase = Phase::Succeeded;
    let next = crate::decide(&state, &seen, now());
    assert!(matches!(next, Decision::Rest { .. }), "{next:?}");
    // A newer one takes its place as ever.
    let newest = declared("c3", &json!({}));
    rollout(&mut state).phase = Phase::Planning;
    let seen = crate::Situation { head: Some(Ok(&newest)), ..situation(&old, &[]) };
    assert!(matches!(crate::decide(&state, &seen, now()), Decision::Supersede { .. }));
}
