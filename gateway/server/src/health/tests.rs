//! What is remembered of targets and credentials, and what their guards do.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::*;

const SETTINGS: Settings = Settings { failures: 2, window: 1_000, cooldown: 500 };

fn id(model: usize) -> TargetId {
    TargetId { provider: "p".parse().unwrap(), model: format!("m{model}").parse().unwrap(), origin: None }
}

/// Health that goes by a clock of ours and notes what it tells.
fn watched() -> (Health, Arc<AtomicU64>, Arc<Mutex<Vec<Event>>>) {
    let (now, told) = (Arc::<AtomicU64>::default(), Arc::<Mutex<Vec<Event>>>::default());
    let (clock, ear) = (Arc::clone(&now), Arc::clone(&told));
    let health =
        Health::new(move || clock.load(Ordering::Relaxed), move |event| ear.lock().unwrap().push(event));
    (health, now, told)
}

#[test]
fn a_target_keeps_its_health_and_one_that_is_gone_is_forgotten_unless_it_is_broken() {
    let (health, _, _) = watched();
    let kept = health.target(&id(0));
    let request = kept.enter(SETTINGS).unwrap();
    assert_eq!(health.target(&id(0)).under_way(), 1);
    for _ in 0..2 {
        health.target(&id(1)).enter(SETTINGS).unwrap().end(Verdict::Bad);
    }
    for other in 2..10_000 {
        drop(health.target(&id(other)));
    }
    assert!(health.targets.0.lock().unwrap().by_id.len() <= SWEEP_AT_LEAST + 1);
    assert!(Arc::ptr_eq(&health.target(&id(0)), &kept));
    assert!(health.known_target(&id(1)).unwrap().is_broken(), "no swap of documents heals it");
    drop(request);
    assert_eq!(kept.under_way(), 0);
}

#[test]
fn a_breaker_tells_when_it_opens_and_closes_and_a_dropped_probe_makes_room() {
    let (health, now, told) = watched();
    let target = health.target(&id(0));
    for _ in 0..2 {
        target.enter(SETTINGS).unwrap().end(Verdict::Bad);
    }
    let wait = Duration::from_millis(500);
    assert_eq!(target.enter(SETTINGS).unwrap_err(), Unavailable { wait, reason: Reason::Broken });
    now.store(500, Ordering::Relaxed);
    let probe = target.enter(SETTINGS).unwrap();
    target.enter(SETTINGS).unwrap_err();
    drop(probe);
    let mut probe = target.enter(SETTINGS).unwrap();
    probe.answered();
    assert_eq!(target.enter(SETTINGS).unwrap().end(Verdict::Good), ());
    probe.end(Verdict::Bad);
    assert!(!target.is_broken(), "how an answer ends after it began is counted as any other");
    let (provider, model) = ("p".to_owned(), "m0".to_owned());
    let (opened, closed) = (
        Event::BreakerOpened { provider: provider.clone(), model: model.clone() },
        Event::BreakerClosed { provider, model },
    );
    assert_eq!(*told.lock().unwrap(), [opened, closed]);
    assert_eq!(target.under_way(), 0);
}

#[test]
fn a_target_that_wants_to_be_left_alone_is_for_as_long_as_is_reasonable() {
    let (health, now, told) = watched();
    let target = health.target(&id(0));
    target.quiet_for(Duration::from_secs(3));
    let wait = Duration::from_secs(3);
    assert_eq!(target.enter(SETTINGS).unwrap_err(), Unavailable { wait, reason: Reason::Limited });
    now.store(3_000, Ordering::Relaxed);
    drop(target.enter(SETTINGS).unwrap());
    target.quiet_for(Duration::from_secs(86_400));
    assert_eq!(target.enter(SETTINGS).unwrap_err().wait, Duration::from_secs(60));
    assert!(told.lock().unwrap().is_empty() && !target.is_broken());
}

#[test]
fn a_refused_credential_is_out_until_a_probe_is_taken_and_another_one_is_not_out_at_all() {
    let (health, now, _) = watched();
    let id = |fingerprint| CredentialId { provider: "p".parse().unwrap(), origin: None, fingerprint };
    let credential = health.credential(&id(1));
    credential.enter().unwrap().taken();
    credential.enter().unwrap().refused();
    assert!(credential.enter().is_err() && credential.is_out());
    health.credential(&id(2)).enter().unwrap().taken();
    now.store(30_000, Ordering::Relaxed);
    let probe = credential.enter().unwrap();
    assert!(credential.enter().is_err());
    drop(probe);
    credential.enter().unwrap().taken();
    drop(credential.enter().unwrap());
}

#[test]
fn what_a_credential_may_not_do_is_the_target_s_matter_once_it_was_taken_elsewhere() {
    let (health, _, _) = watched();
    let id = CredentialId { provider: "p".parse().unwrap(), origin: None, fingerprint: 1 };
    let credential = health.credential(&id);
    assert!(!credential.enter().unwrap().forbidden() && credential.is_out());
    let other = health.credential(&CredentialId { fingerprint: 2, ..id });
    other.enter().unwrap().taken();
    assert!(other.enter().unwrap().forbidden() && !other.is_out());
}
