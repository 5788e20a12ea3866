use std::path::Path;

use moorline_config::Percent;
use serde_json::{Value, json};

use super::*;
use crate::secrets::SecretError;
use crate::secrets::refresh::Scope;
use crate::secrets::shelf::Shelf;

fn at(seconds: u64) -> Timestamp {
    "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + std::time::Duration::from_secs(seconds)
}

fn setup(directory: Option<&Path>) -> Setup {
    setup_with(directory, &Shelf::default())
}

fn setup_with(directory: Option<&Path>, shelf: &Shelf) -> Setup {
    Setup {
        directory: directory.map(Path::to_owned),
        resolver: shelf.resolver(),
        instance: "test".to_owned(),
        tracker: TaskTracker::new(),
    }
}

fn start(directory: Option<&Path>, file: Option<&Proposal>) -> State {
    State::start(setup(directory), file, at(0)).unwrap()
}

fn value(name: &str) -> Value {
    json!({"version": 1, "name": name})
}

fn named(name: &str) -> Proposal {
    Proposal::Posted(value(name))
}

fn file(name: &str) -> Proposal {
    Proposal::Files(vec![("gateway.yaml".to_owned(), value(name).to_string())])
}

fn bad() -> Proposal {
    let provider = |reference: &str| json!({"kind": "openai", "api_key": reference});
    Proposal::Posted(json!({
        "version": 1, "name": "g", "providers": {"a": provider("env:UNSET"), "b": provider("env:UNSET_TOO")},
    }))
}

fn from(origin: Origin) -> Write {
    let author = Author { origin, commit: Some("c0ffee".to_owned()), actor: None, reason: None };
    Write { author, if_match: None, ownership: Ownership::Respect }
}

fn git() -> Write {
    from(Origin::Git)
}

fn digest_of(name: &str) -> Digest {
    Digest::of(&value(name))
}

/// A document's digest and its number.
type Seen = Option<(Digest, u64)>;

/// Stable and candidate.
fn served(state: &State) -> (Seen, Seen) {
    let status = state.status();
    let candidate =
        status.candidate.map(|candidate| (candidate.attestation.digest, candidate.attestation.generation.0));
    (status.stable.map(|stable| (stable.digest, stable.generation.0)), candidate)
}

#[test]
fn a_document_is_taken_once_and_again_only_attested() {
    let state = start(None, None);
    assert_eq!(state.replace(&named("a"), &git(), at(1)).unwrap(), Taken::Changed(Number(1)));
    let mut newer = git();
    newer.author.commit = Some("newer".to_owned());
    assert_eq!(state.replace(&named("a"), &newer, at(2)).unwrap(), Taken::Same(Number(1)));
    let stable = state.status().stable.unwrap();
    assert_eq!((stable.commit.as_deref(), stable.since), (Some("newer"), at(1)));
    assert_eq!(state.changes(), 1);
}

#[test]
fn a_write_that_expects_another_document_changes_nothing() {
    let state = start(None, None);
    state.replace(&named("a"), &git(), at(1)).unwrap();
    let write = Write { if_match: Some(digest_of("other")), ..git() };
    for refused in [
        state.replace(&named("b"), &write, at(2)).err(),
        state.stage(&named("b"), Percent::ZERO, &write, at(2)).err(),
    ] {
        let error = refused.unwrap();
        assert!(matches!(error, ChangeError::Precondition { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains(&digest_of("other").to_string()) && text.contains(&digest_of("a").to_string()),
            "{text}"
        );
    }
    assert_eq!(served(&state), (Some((digest_of("a"), 1)), None));
}

#[test]
fn another_owner_is_refused_unless_it_takes_over_and_then_the_candidate_goes() {
    let state = start(None, None);
    state.replace(&named("a"), &git(), at(1)).unwrap();
    state.stage(&named("b"), Percent::ZERO, &git(), at(2)).unwrap();
    let error = state.replace(&named("c"), &from(Origin::Terraform), at(3)).unwrap_err();
    assert!(matches!(error, ChangeError::Owned { owner: Origin::Git, writer: Origin::Terraform }));
    assert!(error.to_string().contains("git") && error.to_string().contains("terraform"), "{error}");
    assert_eq!(served(&state), (Some((digest_of("a"), 1)), Some((digest_of("b"), 2))));
    let take_over = Write { ownership: Ownership::TakeOver, ..from(Origin::Terraform) };
    state.replace(&named("a"), &take_over, at(4)).unwrap();
    assert_eq!(served(&state), (Some((digest_of("a"), 1)), None));
    assert_eq!(state.status().stable.unwrap().origin, Origin::Terraform);
}

#[test]
fn a_bad_document_is_told_with_every_mistake_and_the_good_one_serves_on() {
    let state = start(None, None);
    state.replace(&named("a"), &git(), at(1)).unwrap();
    let mut events = state.listen();
    let ChangeError::Secrets(Lacking { mistakes, is_passing: false }) =
        state.replace(&bad(), &git(), at(2)).unwrap_err()
    else {
        panic!()
    };
    assert_eq!(mistakes.len(), 2, "{mistakes:?}");
    assert!(matches!(state.stage(&bad(), Percent::HUNDRED, &git(), at(2)), Err(ChangeError::Secrets(_))));
    assert_eq!(served(&state), (Some((digest_of("a"), 1)), None));
    let rejected = state.status().rejected;
    assert_eq!((rejected.len(), &rejected[0].mistakes, rejected[0].origin), (1, &mistakes, Origin::Git));
    assert_eq!(events.try_recv().unwrap(), Event::ConfigRejected { origin: Origin::Git, mistakes: 2 });
    // The next document taken ends it.
    state.replace(&named("b"), &git(), at(3)).unwrap();
    assert_eq!((state.status().rejected.len(), state.rejections()), (0, 2));
}

#[test]
fn refused_documents_are_remembered_up_to_a_bound() {
    let state = start(None, None);
    for number in 0..20 {
        let bad = Proposal::Posted(
            json!({"version": 1, "name": "g", "providers": {format!("p{number}"): {"kind": "openai", "api_key": "env:UNSET"}}}),
        );
        state.replace(&bad, &git(), at(number)).unwrap_err();
    }
    let rejected = state.status().rejected;
    assert_eq!((rejected.len(), rejected[0].at), (8, at(19)));
}

#[test]
fn a_candidate_is_staged_weighed_and_promoted_and_each_verb_can_be_repeated() {
    let state = start(None, None);
    state.replace(&named("a"), &git(), at(1)).unwrap();
    let staged = state.stage(&named("b"), Percent::ZERO, &git(), at(2)).unwrap();
    let again = state.stage(&named("b"), Percent::whole(5), &git(), at(3)).unwrap();
    assert_eq!((staged.probe_key == again.probe_key, again.candidate.weight), (true, Percent::whole(5)));
    assert_eq!(served(&state), (Some((digest_of("a"), 1)), Some((digest_of("b"), 2))));
    let recorder_before = state.snapshot().candidate.as_ref().unwrap().generation.number;
    assert!(matches!(
        state.set_weight(Some(digest_of("a")), Percent::HUNDRED, at(4)),
        Err(ChangeError::Precondition { .. })
    ));
    assert_eq!(
        state.set_weight(Some(digest_of("b")), Percent::whole(50), at(4)).unwrap().weight,
        Percent::whole(50)
    );
    for moment in [5, 6] {
        state.promote(Some(digest_of("b")), at(moment)).unwrap();
        assert_eq!(served(&state), (Some((digest_of("b"), 2)), None));
    }
    assert_eq!(state.snapshot().stable.as_ref().unwrap().number, recorder_before);
    assert!(matches!(state.promote(Some(digest_of("z")), at(7)), Err(ChangeError::NoCandidate)));
    assert!(matches!(state.set_weight(None, Percent::ZERO, at(7)), Err(ChangeError::NoCandidate)));
    state.discard(at(8));
    assert_eq!(served(&state), (Some((digest_of("b"), 2)), None));
}

#[test]
fn another_candidate_gets_another_number_and_another_key() {
    let state = start(None, None);
    let first = state.stage(&named("a"), Percent::ZERO, &git(), at(1)).unwrap();
    let second = state.stage(&named("b"), Percent::ZERO, &git(), at(2)).unwrap();
    assert_ne!(first.probe_key, second.probe_key);
    assert_eq!(second.candidate.attestation.generation, Number(2));
    state.discard(at(3));
    assert_eq!(served(&state), (None, None));
}

#[test]
fn counts_of_what_was_just_retired_can_still_be_read_and_later_not_any_more() {
    let state = start(None, None);
    state.replace(&named("a"), &git(), at(1)).unwrap();
    let held = |number| state.stats(Number(number), None, at(9)).is_some();
    state.stage(&named("b"), Percent::ZERO, &git(), at(2)).unwrap();
    state.promote(Some(digest_of("b")), at(3)).unwrap();
    assert!(held(1) && held(2) && !held(3));
    state.replace(&named("c"), &git(), at(4)).unwrap();
    state.replace(&named("d"), &git(), at(5)).unwrap();
    assert!(!held(1) && held(2) && held(3) && held(4));
}

#[test]
fn a_restart_brings_back_the_stable_and_the_counter_but_no_candidate() {
    let directory = tempfile::tempdir().unwrap();
    let before = {
        let state = start(Some(directory.path()), None);
        state.replace(&named("a"), &git(), at(1)).unwrap();
        state.stage(&named("b"), Percent::whole(10), &git(), at(2)).unwrap();
        state.replace(&bad(), &git(), at(3)).unwrap_err();
        served(&state).0
    };
    let state = start(Some(directory.path()), None);
    assert_eq!(served(&state), (before, None));
    assert_eq!(state.status().stable.unwrap().commit.as_deref(), Some("c0ffee"));
    // The candidate's number is not given again.
    assert_eq!(state.replace(&named("c"), &git(), at(4)).unwrap(), Taken::Changed(Number(3)));
}

#[test]
fn a_change_that_cannot_be_kept_is_not_made() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state");
    let state = start(Some(&path), None);
    state.replace(&named("a"), &git(), at(1)).unwrap();
    state.stage(&named("b"), Percent::ZERO, &git(), at(1)).unwrap();
    std::fs::remove_dir_all(&path).unwrap();
    let not_kept = |error: ChangeError| matches!(error, ChangeError::NotKept(_));
    assert!(not_kept(state.replace(&named("c"), &git(), at(2)).unwrap_err()));
    assert!(not_kept(state.stage(&named("c"), Percent::ZERO, &git(), at(2)).unwrap_err()));
    assert!(not_kept(state.promote(Some(digest_of("b")), at(2)).unwrap_err()));
    assert_eq!(served(&state), (Some((digest_of("a"), 1)), Some((digest_of("b"), 2))));
}

#[test]
fn the_file_bootstraps_and_rules_until_another_takes_over() {
    let directory = tempfile::tempdir().unwrap();
    {
        let state = start(Some(directory.path()), Some(&file("a")));
        assert_eq!(state.status().stable.unwrap().origin, Origin::File);
        assert_eq!(state.reload(&file("b"), at(1)).unwrap(), Taken::Changed(Number(2)));
    }
    // While the file is the owner, the file as it is at the start wins; the same one keeps its number.
    assert_eq!(served(&start(Some(directory.path()), Some(&file("b")))).0, Some((digest_of("b"), 2)));
    {
        let state = start(Some(directory.path()), Some(&file("c")));
        assert_eq!(served(&state).0, Some((digest_of("c"), 3)));
        state.replace(&named("d"), &Write { ownership: Ownership::TakeOver, ..git() }, at(2)).unwrap();
        assert_eq!(state.reload(&file("e"), at(3)).unwrap(), Taken::Ignored(Origin::Git));
    }
    assert_eq!(served(&start(Some(directory.path()), Some(&file("e")))).0, Some((digest_of("d"), 4)));
}

#[test]
fn a_file_with_mistakes_stops_a_first_start_and_never_a_later_one() {
    let directory = tempfile::tempdir().unwrap();
    let bad = Proposal::Files(vec![(
        "gateway.yaml".to_owned(),
        json!({"version": 1, "name": "g", "surprise": 1}).to_string(),
    )]);
    let Err(StartError::Invalid(mistakes)) = State::start(setup(Some(directory.path())), Some(&bad), at(0))
    else {
        panic!()
    };
    assert!(mistakes.to_string().contains("gateway.yaml"), "{mistakes}");
    drop(start(Some(directory.path()), Some(&file("a"))));
    let state = start(Some(directory.path()), Some(&bad));
    assert_eq!((served(&state).0, state.status().rejected.len()), (Some((digest_of("a"), 1)), 1));
}

#[test]
fn a_kept_document_whose_secret_is_gone_is_told_and_served_once_it_is_back() {
    let (directory, shelf) = (tempfile::tempdir().unwrap(), Shelf::default());
    shelf.put("ssm:/key", "marker-1");
    let state = State::start(setup_with(Some(directory.path()), &shelf), None, at(0)).unwrap();
    state.replace(&with_key("g"), &git(), at(1)).unwrap();
    assert_eq!(fingerprint(&state).len(), 8);
    let before = served(&state);
    drop(state);

    shelf.fail("ssm:/key", SecretError::Unreachable("down".to_owned()));
    let state =
        State::start(setup_with(Some(directory.path()), &shelf), Some(&file("ignored")), at(2)).unwrap();
    let told = (state.status().rejected.len(), state.rejections());
    assert_eq!((served(&state), told, state.is_waiting()), ((None, None), (1, 1), true));
    // Nor does the file serve in the owner's place, however often it is read.
    assert_eq!(state.reload(&file("ignored"), at(3)).unwrap(), Taken::Ignored(Origin::Git));
    assert!(!state.restore_again(at(3)));
    assert_eq!((state.status().rejected.len(), state.rejections()), (1, 1), "the same refusal is told once");

    shelf.put("ssm:/key", "marker-2");
    assert!(state.restore_again(at(4)));
    assert_eq!((served(&state), state.status().rejected.len()), (before, 0));
}

#[test]
fn what_is_written_while_the_kept_document_waits_takes_its_place() {
    let (directory, shelf) = (tempfile::tempdir().unwrap(), Shelf::default());
    shelf.put("ssm:/key", "marker-1");
    {
        let state = State::start(setup_with(Some(directory.path()), &shelf), None, at(0)).unwrap();
        state.replace(&with_key("g"), &git(), at(1)).unwrap();
    }
    let state = start(Some(directory.path()), None);
    state.replace(&named("b"), &git(), at(2)).unwrap();
    assert!(!state.is_waiting() && state.restore_again(at(3)));
    assert_eq!(served(&state).0, Some((digest_of("b"), 2)));
}

#[test]
fn a_file_whose_store_is_down_at_a_first_start_waits_and_one_whose_variable_is_not_set_ends_it() {
    let layer = |reference: &str| {
        let document =
            json!({"version": 1, "name": "g", "providers": {"a": {"kind": "openai", "api_key": reference}}});
        Proposal::Files(vec![("gateway.yaml".to_owned(), document.to_string())])
    };
    let shelf = Shelf::default();
    let state = State::start(setup_with(None, &shelf), Some(&layer("ssm:/key")), at(0)).unwrap();
    assert_eq!((served(&state), state.status().rejected.len()), ((None, None), 1));
    assert!(matches!(state.reload(&layer("ssm:/key"), at(1)), Err(ChangeError::Secrets(_))));
    assert_eq!(state.rejections(), 1, "a file read again is the same refusal");
    shelf.put("ssm:/key", "marker");
    assert_eq!(state.reload(&layer("ssm:/key"), at(2)).unwrap(), Taken::Changed(Number(1)));
    let ended = State::start(setup_with(None, &shelf), Some(&layer("env:UNSET")), at(0));
    assert!(matches!(ended, Err(StartError::Invalid(_))));
}

/// A document with a secret in a store.
fn with_key(name: &str) -> Proposal {
    let provider = json!({"kind": "openai", "api_key": "ssm:/key"});
    Proposal::Posted(json!({"version": 1, "name": name, "providers": {"a": provider}}))
}

fn fingerprint(state: &State) -> String {
    state.snapshot().stable.as_ref().unwrap().fingerprints["ssm:/key"].clone().unwrap()
}

#[test]
fn a_secret_that_changed_changes_neither_number_nor_counts_nor_probe_key() {
    let shelf = Shelf::default();
    shelf.put("ssm:/key", "marker-1");
    let state = State::start(setup_with(None, &shelf), None, at(0)).unwrap();
    state.replace(&with_key("a"), &git(), at(1)).unwrap();
    let staged = state.stage(&with_key("b"), Percent::whole(5), &git(), at(1)).unwrap();
    let before = state.snapshot.load_full();
    let mut events = state.listen();
    let candidate = |snapshot: &Snapshot| Arc::clone(&snapshot.candidate.as_ref().unwrap().generation);

    assert!(state.renew_secrets(Scope::All, at(2)));
    let same = state.snapshot.load_full();
    assert!(Arc::ptr_eq(&candidate(&before), &candidate(&same)), "nothing is made again without need");
    shelf.put("ssm:/key", "marker-2");
    assert!(state.renew_secrets(Scope::Files, at(3)));
    assert!(Arc::ptr_eq(&candidate(&before), &candidate(&state.snapshot.load_full())), "it is in no file");
    assert!(state.renew_secrets(Scope::All, at(4)));
    let after = state.snapshot.load_full();
    let status = state.status();
    assert_eq!(
        served(&state),
        (
            Some((before.stable.as_ref().unwrap().config.digest(), 1)),
            Some((candidate(&before).config.digest(), 2))
        )
    );
    assert_eq!(status.stable.unwrap().since, at(1));
    for (before, after) in [
        (before.stable.clone().unwrap(), after.stable.clone().unwrap()),
        (candidate(&before), candidate(&after)),
    ] {
        assert_ne!(before.fingerprints, after.fingerprints);
        assert!(!Arc::ptr_eq(&before.routing, &after.routing));
        assert_eq!(before.attestation, after.attestation);
    }
    assert!(after.candidate.as_ref().unwrap().probe_key.matches(staged.probe_key.as_bytes()));
    assert_eq!((state.changes(), events.try_recv().is_err()), (2, true), "no document changed");
    // The same document written again is the same, with the values of now.
    shelf.put("ssm:/key", "marker-3");
    let fingerprint_before = fingerprint(&state);
    assert_eq!(state.replace(&with_key("a"), &git(), at(5)).unwrap(), Taken::Same(Number(1)));
    assert_ne!(fingerprint(&state), fingerprint_before);
}

#[test]
fn a_store_that_is_down_changes_nothing_and_is_told_until_it_is_back() {
    let shelf = Shelf::default();
    shelf.put("ssm:/key", "marker-1");
    let state = State::start(setup_with(None, &shelf), None, at(0)).unwrap();
    state.replace(&with_key("a"), &git(), at(1)).unwrap();
    let before = fingerprint(&state);
    for (moment, error) in
        [(2, SecretError::Unreachable("down".to_owned())), (3, SecretError::Refused("denied".to_owned()))]
    {
        shelf.fail("ssm:/key", error);
        assert!(!state.renew_secrets(Scope::All, at(moment)));
        let stale = state.status().stale_secrets;
        assert_eq!((stale.len(), stale[0].since, fingerprint(&state)), (1, at(1), before.clone()));
        assert_eq!(state.held().failures(), moment - 1);
    }
    assert_eq!(state.held().oldest(), Some(at(1)));
    // A store that says no to a new document is believed; one that is down is stood in for.
    let ChangeError::Secrets(lacking) = state.replace(&with_key("b"), &git(), at(4)).unwrap_err() else {
        panic!()
    };
    assert!(!lacking.is_passing);
    shelf.fail("ssm:/key", SecretError::Unreachable("down".to_owned()));
    assert_eq!(state.replace(&with_key("b"), &git(), at(5)).unwrap(), Taken::Changed(Number(2)));
    assert_eq!((fingerprint(&state), state.held().oldest()), (before, Some(at(1))));
    shelf.put("ssm:/key", "marker-2");
    assert!(state.renew_secrets(Scope::All, at(6)));
    assert!(state.status().stale_secrets.is_empty());
}

#[test]
fn values_of_documents_that_serve_no_longer_are_forgotten() {
    let shelf = Shelf::default();
    shelf.put("ssm:/key", "marker-1");
    let state = State::start(setup_with(None, &shelf), None, at(0)).unwrap();
    state.replace(&with_key("a"), &git(), at(1)).unwrap();
    state.replace(&named("b"), &git(), at(2)).unwrap();
    assert!(state.held().oldest().is_some());
    state.renew_secrets(Scope::All, at(3));
    assert_eq!(state.held().oldest(), None);
}
