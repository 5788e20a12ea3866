use moorline_model::intent::{Outcome, Wish};
use moorline_model::rollout::Phase;
use serde_json::json;

use super::*;
use crate::gates::adopt_gate;
use crate::intent::heed;
use crate::sample::{declared, document, in_force, intent, now, replica, rolling, rollout, situation};

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
    let met = meet(&mut state, Some(&document("c1")), false, &replicas, now());
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
    // Once is enough.
    assert_eq!(meet(&mut state, Some(&document("c1")), false, &replicas, now()), Met::default());
}

#[test]
fn nothing_is_replaced_before_somebody_adopts_it_and_then_only_what_was_met() {
    let (mut state, desired) = never_met(Phase::Staging, &json!({}));
    let mut replicas = vec![strange_replica("a", "old", "file")];
    let _met = meet(&mut state, Some(&document("c1")), false, &replicas, now());
    // A sync opens what apply.auto closes, and not this.
    let state = heed(state, &[intent(Wish::Sync)], now()).state;
    let next = crate::decide(&state, &situation(&desired, &replicas), now());
    assert!(matches!(next, crate::Decision::Rest { .. }), "{next:?}");
    let state = heed(state, &[intent(Wish::Adopt)], now()).state;
    let next = crate::decide(&state, &situation(&desired, &replicas), now());
    assert_eq!(next, crate::Decision::Stage);
    // What somebody puts there afterwards was not seen by whoever adopted.
    replicas[0] = strange_replica("a", "edited", "manual");
    let next = crate::decide(&state, &situation(&desired, &replicas), now());
    assert!(matches!(next, crate::Decision::Rest { .. }), "{next:?}");
}

#[test]
fn where_it_is_declared_nobody_is_asked_and_the_documents_are_kept_all_the_same() {
    let adopt = json!({"gateway": {"document": ["g"], "endpoints": ["http://a:1"], "admin_token": "env:T", "adopt": true}});
    let (mut state, desired) = never_met(Phase::Staging, &adopt);
    let replicas = [strange_replica("a", "old", "file")];
    let met = meet(&mut state, Some(&document("c1")), true, &replicas, now());
    assert_eq!((met.documents.len(), state.found.len()), (1, 1));
    assert_eq!(crate::decide(&state, &situation(&desired, &replicas), now()), crate::Decision::Stage);
    // Once it is replaced it is known still.
    let replicas = [replica("a", Some(document("c1").digest()), None)];
    let _met = meet(&mut state, Some(&document("c1")), true, &replicas, now());
    assert_eq!(state.found.len(), 1);
}

#[test]
fn recovery_is_never_blocked() {
    let (mut state, desired) = never_met(Phase::Staging, &json!({}));
    // The record was lost; the gateways serve what Git brought them.
    let replicas = [replica("a", Some(document("lost").digest()), None), replica("b", None, None)];
    assert_eq!(meet(&mut state, Some(&document("c1")), false, &replicas, now()), Met::default());
    assert_eq!(adopt_gate(&state, &situation(&desired, &replicas)), None);
    // Where something has verified, what somebody else put there is drift.
    let mut state = rolling(&in_force("c0"), &desired, Phase::Staging);
    let replicas = [strange_replica("a", "edited", "manual")];
    assert_eq!(meet(&mut state, Some(&document("c1")), false, &replicas, now()), Met::default());
    assert_eq!(adopt_gate(&state, &situation(&desired, &replicas)), None);
}

#[test]
fn one_goes_back_to_what_each_replica_served_and_is_asked_again_afterwards() {
    let (mut state, desired) = never_met(Phase::Baking, &json!({}));
    let replicas = [strange_replica("a", "old", "file"), strange_replica("b", "older", "file")];
    let _met = meet(&mut state, Some(&document("c1")), false, &replicas, now());
    let mut state = heed(state, &[intent(Wish::Adopt)], now()).state;
    rollout(&mut state).promoted = true;
    let heeded = heed(state, &[intent(Wish::Rollback { commit: None })], now());
    let Some(decision @ crate::Decision::Restore { documents, .. }) = &heeded.restore else {
        panic!("{:?}", heeded.heard)
    };
    assert_eq!(documents["http://a:1"], document("old").digest());
    assert_eq!(documents["http://b:1"], document("older").digest());
    let inputs = crate::sample::inputs(&desired);
    // A replica that does not answer: nothing is remembered as done, and one asks again.
    let failed = crate::Acted::ActFailed { reason: "no answer".to_owned() };
    let after = crate::advance(&heeded.state, decision, failed, &inputs, now()).state;
    assert!(after.rollout_under_way().is_some());
    let after = crate::advance(&heeded.state, decision, crate::Acted::Restored, &inputs, now()).state;
    assert_eq!(after.rollout.as_ref().unwrap().phase, Phase::RolledBack);
    assert_eq!(after.applied, None);
    assert_eq!(after.hold_on(&desired.revision.commit).unwrap().by, "bob");
    assert!(after.found.iter().all(|found| found.adopted.is_none()));
    let heeded = heed(after, &[intent(Wish::Rollback { commit: None })], now());
    assert!(
        matches!(&heeded.heard[0], crate::intent::Heard::Known(Outcome::Refused { .. })),
        "they serve already: {:?}",
        heeded.heard
    );
}
