//! Heals that a person requests.

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

fn heals(state: EnvironmentState, only: Option<&str>) -> AppliedIntents {
    apply_intents(state, &[intent(Operation::Heal { only: only.map(str::to_owned) })], now())
}

fn refusal(after: &AppliedIntents) -> (&str, u8) {
    match &after.effects[0] {
        IntentEffect::Answered(outcome @ Outcome::Refused { message, .. }) => {
            (message, outcome.exit().code())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn replicas_get_the_document_back_and_terraform_is_planned_anew() {
    let after = heals(drifted(), None);
    assert_eq!(after.heal, ["http://a:1", "http://b:1"]);
    let Some(Decision::Begin { revision, kind: RolloutKind::Heal { actor, head, .. } }) = &after.begin else {
        panic!("{:?}", after.begin)
    };
    assert_eq!((&revision.commit, actor.as_str(), head), (&commit("c1"), "bob", &Some(commit("c1"))));
    let message = message(&after)[0];
    for part in [
        "bob restores the document of c100000000 on http://a:1, http://b:1",
        "plans Terraform at c100000000 for aws_lb.main",
        "http://c:1 (it could not be read)",
        "rule/by-hand (Terraform does not own it",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    // The tree in force is planned anew, though it is the one declared.
    let desired = declared("c1", &json!({"terraform": {"directory": "infra"}}));
    let mut state = after.state;
    state.applied.as_mut().unwrap().terraform_tree.clone_from(&desired.terraform_tree);
    let begin = after.begin.unwrap();
    let state = crate::advance(&state, crate::sample::without_effect(&begin), &inputs(&desired), now()).state;
    let next = crate::decide(&state, &situation(&desired, &[]), now());
    assert!(matches!(next, Decision::EnterPhase { phase: Phase::Planning, .. }), "{next:?}");
}

#[test]
fn only_heals_what_it_names_and_is_refused_with_what_drifts_when_that_does_not() {
    let after = heals(drifted(), Some("http://b:1"));
    assert_eq!((after.heal, after.begin), (vec!["http://b:1".to_owned()], None));
    let after = heals(drifted(), Some("http://x:1"));
    let (message, exit) = refusal(&after);
    assert_eq!(exit, 1);
    assert!(
        message.starts_with("http://x:1 does not drift; what does: http://a:1, http://b:1, aws_lb.main"),
        "{message}"
    );
    // Terraform gives all of it back at once, so nothing is left out.
    let mut state = drifted();
    state.drift.push(drift(Lane::Terraform, "aws_lb.other", DriftKind::Changed));
    let after = heals(state, Some("aws_lb.main"));
    assert!(refusal(&after).0.contains("aws_lb.other"), "{:?}", after.effects);
    assert!(heals(drifted(), Some("aws_lb.main")).begin.is_some());
}

#[test]
fn where_nothing_drifts_nothing_is_done_and_what_cannot_be_healed_is_named() {
    let after = heals(in_force("c1"), None);
    assert!(matches!(&after.effects[0], IntentEffect::Answered(Outcome::Done { .. })), "{:?}", after.effects);
    assert_eq!((after.heal.len(), after.begin), (0, None));
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
    let after = heals(state.clone(), None);
    assert_eq!((after.heal.len(), &after.begin), (2, &None));
    assert!(message(&after)[0].contains("though everything is held by ann"), "{:?}", message(&after));
    assert_eq!(refusal(&heals(state, Some("aws_lb.main"))).1, 5);
    // Invariant 5: a commit that is held is not put anywhere.
    let mut state = drifted();
    advance::hold(&mut state, Some(commit("c1")), "sick".to_owned(), "ann".to_owned(), now());
    let after = heals(state, None);
    assert_eq!((refusal(&after).1, after.heal.len()), (5, 0));
}

#[test]
fn a_replica_that_refuses_is_named() {
    let after = heals(drifted(), Some("http://a:1"));
    let decision = Decision::Heal { endpoints: after.heal.clone() };
    let desired = declared("c1", &json!({}));
    let situation = situation(&desired, &[]);
    let taken =
        StepTaken { decision: &decision, failure: Some("no answer"), begun: None, situation: &situation };
    let outcome = conclude(after.effects.clone(), &taken, &after.state, now()).remove(0);
    assert_eq!(parts(&outcome), ("the document could not be restored: no answer", 1, false));
    let taken = StepTaken { failure: None, ..taken };
    let outcome = conclude(after.effects, &taken, &after.state, now()).remove(0);
    assert_eq!(parts(&outcome), ("restored the document of c100000000 on http://a:1", 0, false));
}

#[test]
fn a_heal_does_not_try_the_head_again_that_failed_before_it() {
    let (old, failed) =
        (declared("c1", &json!({"terraform": {"directory": "infra"}})), declared("c2", &json!({})));
    let mut state = rolling(&drifted(), &failed, Phase::Failed);
    state.head = Some(failed.revision.clone());
    let after = heals(state, None);
    let begin = after.begin.unwrap();
    let mut state =
        crate::advance(&after.state, crate::sample::without_effect(&begin), &inputs(&old), now()).state;
    let seen = crate::Situation { head: Some(Ok(&failed)), ..situation(&old, &[]) };
    let next = crate::decide(&state, &seen, now());
    assert!(matches!(next, Decision::EnterPhase { phase: Phase::Planning, .. }), "not superseded: {next:?}");
    rollout(&mut state).phase = Phase::Succeeded;
    let next = crate::decide(&state, &seen, now());
    assert!(matches!(next, Decision::Wait { .. }), "{next:?}");
    // A newer one takes its place as ever.
    let newest = declared("c3", &json!({}));
    rollout(&mut state).phase = Phase::Planning;
    let seen = crate::Situation { head: Some(Ok(&newest)), ..situation(&old, &[]) };
    assert!(matches!(crate::decide(&state, &seen, now()), Decision::Supersede { .. }));
}
