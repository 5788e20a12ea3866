use moorline_admin::Origin;
use serde_json::json;

use super::*;
use crate::secrets::shelf::Shelf;
use crate::state::{Author, Ownership, Proposal, Setup, State, Write};

/// A snapshot with a stable and a candidate, and the candidate's probe key.
fn snapshot(weight: Percent) -> (Arc<Snapshot>, String) {
    let setup = Setup {
        directory: None,
        resolver: Shelf::default().resolver(),
        instance: "test".to_owned(),
        tracker: tokio_util::task::TaskTracker::new(),
    };
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let state = State::start(setup, None, now).unwrap();
    let author = Author { origin: Origin::Git, commit: None, actor: None, reason: None };
    let write = Write { author, if_match: None, ownership: Ownership::Respect };
    let named = |name: &str| Proposal::Posted(json!({"version": 1, "name": name}));
    state.replace(&named("stable"), &write, now).unwrap();
    let staged = state.stage(&named("candidate"), weight, &write, now).unwrap();
    (Arc::clone(&state.snapshot()), staged.probe_key)
}

fn picked<'a>(snapshot: &'a Snapshot, probe_key: Option<&[u8]>, die: u16) -> &'a str {
    snapshot.pick(probe_key, die).unwrap().config.name.as_str()
}

#[test]
fn the_die_decides_in_exact_proportion_to_the_weight() {
    for (weight, share) in [("0%", 0), ("0.5%", 50), ("25%", 2500), ("100%", 10_000)] {
        let (snapshot, _) = snapshot(weight.parse().unwrap());
        let candidates = (0..10_000).filter(|die| picked(&snapshot, None, *die) == "candidate").count();
        assert_eq!(candidates, share, "{weight}");
    }
}

#[test]
fn the_probe_key_pins_to_the_candidate_and_a_wrong_one_is_ignored() {
    let (snapshot, key) = snapshot(Percent::ZERO);
    assert_eq!(picked(&snapshot, Some(key.as_bytes()), 9_999), "candidate");
    for wrong in ["", "x", &key[1..], &format!("{key}0"), &key.to_uppercase().replace(char::is_numeric, "0")]
    {
        assert_eq!(picked(&snapshot, Some(wrong.as_bytes()), 0), "stable", "{wrong}");
    }
}

#[test]
fn a_key_does_not_print() {
    let key = ProbeKey::new([0xab; 32]);
    assert!(!format!("{key:?}").contains("abab"));
}
