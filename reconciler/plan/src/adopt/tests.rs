use moorline_model::intent::{Operation, Outcome};
use moorline_model::rollout::Phase;
use serde_json::json;

use super::*;
use crate::intent::apply_intents;
use crate::sample::{declared, document, in_force, intent, now, replica, rolling, rollout, situation};
use moorline_model::CheckFailed;

/// A replica that serves this document, put there by somebody.
fn strange_replica(name: &str, serves: &str, origin: &str) -> ReplicaReading {
    let mut reading = replica(name, Some(document(serves).digest()), None);
    let status = reading.result.as_mut().unwrap();
    status.document = Some(document(serves).value().clone());
    let stable = status.stable.as_mut().unwrap();
    stable.origin = origin.to_owned();
    stable.actor = Some("jane".to_owned());
    reading
}

/// A person's adoption of what waits, as that person sees it.
fn adoption(state: &EnvironmentState) -> Operation {
    let waits = state.found.iter().filter(|found| found.adopted.is_none());
    Operation::Adopt { seen: waits.map(|found| (found.endpoint.clone(), found.digest)).collect() }
}

fn never_met(phase: Phase, sections: &Value) -> (EnvironmentState, crate::Desired) {
    let desired = declared("c1", sections);
    let empty = EnvironmentState::new("prod".parse().unwrap());
    (rolling(&empty, &desired, phase), desired)
}

#[test]
fn each_replica_is_shown_with_its_owner_and_its_difference_and_its_document_kept() {
    let (mut state, desired) = never_met(Phase::Staging, &json!({}));
    let replicas = [
        strange_replica("a", "old", "file"),
        strange_replica("b", "edited", "manual"),
        replica("c", None, None),
        replica("d", Some(document("lost").digest()), None),
        strange_replica("e", "c1", "terraform"),
    ];
    let met = record_first_contact(&mut state, Some(&document("c1")), false, &replicas, now());
    let kept: Vec<_> = met.documents.iter().map(|kept| kept.digest).collect();
    assert_eq!(kept, [document("old").digest(), document("edited").digest()]);
    let found: Vec<_> =
        state.found.iter().map(|found| (found.endpoint.as_str(), found.origin.as_str())).collect();
    // Not the one that serves nothing, nor Git's, nor what is being brought.
    assert_eq!(found, [("http://a:1", "file"), ("http://b:1", "manual")]);
    assert_eq!(state.found[0].differs[0].live.as_deref(), Some("old"));
    let closed = adopt_gate(&state, &situation(&desired, &replicas)).unwrap();
    for part in ["http://a:1 serves ", "file by jane since", "differs in tags.Document", "http://b:1 serves"]
    {
        assert!(closed.because.contains(part), "{part}: {}", closed.because);
    }
    assert!(closed.opened_by.contains("`moorline adopt prod`"), "{}", closed.opened_by);
    // What waits with them is named: callers get nothing from it. And nothing is being verified meanwhile.
    let empty = "http://c:1 serves nothing until that is adopted, and answers callers with 503";
    assert!(closed.because.ends_with(empty), "{}", closed.because);
    let checks =
        crate::conditions::Checks { replicas: Some(&replicas), ..crate::conditions::Checks::default() };
    let _messages = crate::conditions::note_conditions(&mut state, &checks, now());
    let health = &state.conditions.0[&moorline_model::condition::ConditionType::Health];
    assert_eq!(
        (health.status, health.because.as_str()),
        (
            moorline_model::condition::ConditionStatus::Attention,
            format!(
                "2 of 5 replicas serve what was there before Moorline, until `moorline adopt prod`; {empty}"
            )
            .as_str()
        )
    );
    // Once is enough.
    assert_eq!(
        record_first_contact(&mut state, Some(&document("c1")), false, &replicas, now()),
        FirstContact::default()
    );
}

#[test]
fn nothing_is_replaced_before_somebody_adopts_it_and_then_only_what_was_met() {
    let (mut state, desired) = never_met(Phase::Staging, &json!({}));
    let mut replicas = vec![strange_replica("a", "old", "file")];
    let _met = record_first_contact(&mut state, Some(&document("c1")), false, &replicas, now());
    // A sync opens what apply.auto closes, and not this.
    let state = apply_intents(state, &[intent(Operation::Sync)], now()).state;
    let next = crate::decide(&state, &situation(&desired, &replicas), now());
    assert!(matches!(next, crate::Decision::Wait { .. }), "{next:?}");
    let state = apply_intents(state.clone(), &[intent(adoption(&state))], now()).state;
    let next = crate::decide(&state, &situation(&desired, &replicas), now());
    assert_eq!(next, crate::Decision::Stage);
    // What somebody puts there afterwards was not seen by whoever adopted.
    replicas[0] = strange_replica("a", "edited", "manual");
    let next = crate::decide(&state, &situation(&desired, &replicas), now());
    assert!(matches!(next, crate::Decision::Wait { .. }), "{next:?}");
}

#[test]
fn an_adoption_is_of_what_was_seen_and_of_nothing_else() {
    let (mut state, _) = never_met(Phase::Staging, &json!({}));
    let replicas = [strange_replica("a", "old", "file"), strange_replica("b", "older", "file")];
    let _met = record_first_contact(&mut state, Some(&document("c1")), false, &replicas, now());
    let saw = adoption(&state);
    // Somebody edits one of them between the look and the word.
    let replicas = [strange_replica("a", "old", "file"), strange_replica("b", "edited", "manual")];
    let _met = record_first_contact(&mut state, Some(&document("c1")), false, &replicas, now());
    for operation in [saw, Operation::Adopt { seen: std::collections::BTreeMap::new() }] {
        let refusal = operation.refused(&state).unwrap();
        assert_eq!((refusal.kind, refusal.gate), ("not-seen", Some("adopt")));
        assert!(refusal.message.contains("was not seen"), "{refusal:?}");
        let applied = apply_intents(state.clone(), &[intent(operation)], now());
        assert!(applied.state.found.iter().all(|found| found.adopted.is_none()));
    }
    assert_eq!(adoption(&state).refused(&state), None);
    // The way back is a command that is applied as it is printed.
    let applied = apply_intents(state.clone(), &[intent(adoption(&state))], now());
    assert!(
        applied.events[0].message.contains("`moorline rollback prod --reason \"…\"`"),
        "{:?}",
        applied.events
    );
}

#[test]
fn where_it_is_declared_nobody_is_asked_and_the_documents_are_kept_all_the_same() {
    let adopt = json!({"gateway": {"document": ["g"], "endpoints": ["http://a:1"], "admin_token": "env:T", "adopt": true}});
    let (mut state, desired) = never_met(Phase::Staging, &adopt);
    let replicas = [strange_replica("a", "old", "file")];
    let met = record_first_contact(&mut state, Some(&document("c1")), true, &replicas, now());
    assert_eq!((met.documents.len(), state.found.len()), (1, 1));
    assert_eq!(crate::decide(&state, &situation(&desired, &replicas), now()), crate::Decision::Stage);
    // Once it is replaced it is known still.
    let replicas = [replica("a", Some(document("c1").digest()), None)];
    let _met = record_first_contact(&mut state, Some(&document("c1")), true, &replicas, now());
    assert_eq!(state.found.len(), 1);
}

#[test]
fn recovery_is_never_blocked() {
    let (mut state, desired) = never_met(Phase::Staging, &json!({}));
    // The record was lost; the gateways serve what Git brought them.
    let replicas = [replica("a", Some(document("lost").digest()), None), replica("b", None, None)];
    assert_eq!(
        record_first_contact(&mut state, Some(&document("c1")), false, &replicas, now()),
        FirstContact::default()
    );
    assert_eq!(adopt_gate(&state, &situation(&desired, &replicas)), None);
    // Where something has verified, what somebody else put there is drift.
    let mut state = rolling(&in_force("c0"), &desired, Phase::Staging);
    let replicas = [strange_replica("a", "edited", "manual")];
    assert_eq!(
        record_first_contact(&mut state, Some(&document("c1")), false, &replicas, now()),
        FirstContact::default()
    );
    assert_eq!(adopt_gate(&state, &situation(&desired, &replicas)), None);
}

/// The gate that keeps a rollout from writing to replicas.
fn adopt_gate(state: &EnvironmentState, situation: &Situation<'_>) -> Option<crate::gates::Closed> {
    let input = crate::gates::GateInput::new(state, situation, &[], now());
    let closed = crate::gates::first_closed(crate::gates::Stage::Write, &input);
    closed.filter(|closed| closed.gate.as_str() == "adopt")
}

fn restored(result: Result<(), CheckFailed>) -> crate::StepOutcome {
    crate::StepOutcome::FoundRestored { actor: "bob".to_owned(), reason: String::new(), result }
}

#[test]
fn one_goes_back_to_what_each_replica_served_and_is_asked_again_afterwards() {
    let (mut state, desired) = never_met(Phase::Baking, &json!({}));
    let replicas = [strange_replica("a", "old", "file"), strange_replica("b", "older", "file")];
    let _met = record_first_contact(&mut state, Some(&document("c1")), false, &replicas, now());
    let mut state = apply_intents(state.clone(), &[intent(adoption(&state))], now()).state;
    rollout(&mut state).promoted = true;
    let applied = apply_intents(state, &[intent(Operation::Rollback { commit: None })], now());
    let Some(crate::Decision::RestoreFound { documents, .. }) = &applied.restore else {
        panic!("{:?}", applied.effects)
    };
    assert_eq!(documents["http://a:1"], document("old").digest());
    assert_eq!(documents["http://b:1"], document("older").digest());
    let inputs = crate::sample::inputs(&desired);
    // A replica that does not answer: nothing is remembered as done, and one asks again.
    let failed = restored(Err(CheckFailed::transient("no answer")));
    let after = crate::advance(&applied.state, failed, &inputs, now()).state;
    assert!(after.rollout_under_way().is_some());
    let after = crate::advance(&applied.state, restored(Ok(())), &inputs, now()).state;
    assert_eq!(after.rollout.as_ref().unwrap().phase, Phase::RolledBack);
    assert_eq!((&after.applied, &after.verified), (&None, &None));
    let apply = &after.conditions.0[&moorline_model::condition::ConditionType::Apply];
    assert!(apply.because.contains("bob went back to what served before Moorline"), "{apply:?}");
    assert_eq!(after.hold_on(&desired.revision.commit).unwrap().by, "bob");
    assert!(after.found.iter().all(|found| found.adopted.is_none()));
    let applied = apply_intents(after, &[intent(Operation::Rollback { commit: None })], now());
    assert!(
        matches!(&applied.effects[0], crate::intent::IntentEffect::Answered(Outcome::Refused { .. })),
        "they serve already: {:?}",
        applied.effects
    );
}

#[test]
fn a_replica_that_served_nothing_before_is_named_when_one_goes_back() {
    let (mut state, desired) = never_met(Phase::Baking, &json!({}));
    let replicas = [strange_replica("a", "old", "file"), replica("b", None, None)];
    let _met = record_first_contact(&mut state, Some(&document("c1")), true, &replicas, now());
    rollout(&mut state).promoted = true;
    let serves_c1 = |name| replica(name, Some(document("c1").digest()), None);
    state.replicas =
        [serves_c1("a"), serves_c1("b")].iter().map(|read| crate::gateway::remembered(read, now())).collect();
    let applied = apply_intents(state, &[intent(Operation::Rollback { commit: None })], now());
    let named = "http://b:1 served nothing before, and goes on with";
    assert!(
        matches!(&applied.effects[0], crate::intent::IntentEffect::Heals { did, .. } if did.contains(named))
    );
    assert!(applied.restore.is_some());
    let inputs = crate::sample::inputs(&desired);
    let mut after = crate::advance(&applied.state, restored(Ok(())), &inputs, now()).state;
    let apply = &after.conditions.0[&moorline_model::condition::ConditionType::Apply];
    assert!(apply.because.contains(named), "{apply:?}");
    after.replicas[0].digest = Some(document("old").digest());
    let callers = moorline_model::callers::callers(&after);
    assert_eq!(
        (callers.sentence.as_str(), callers.affected),
        (
            "Callers: 1 of 2 replicas answer them from another document; on the others what was there before Moorline serves.",
            Some(true)
        )
    );
}
