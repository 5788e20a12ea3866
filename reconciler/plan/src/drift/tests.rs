use super::*;

use jiff::SignedDuration;
use moorline_model::drift::Severity;
use proptest::prelude::*;

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn finding(lane: Lane, address: &str, path: &str, kind: DriftKind, live: &str) -> Finding {
    Finding {
        lane,
        address: address.to_owned(),
        path: path.to_owned(),
        kind,
        severity: Severity::Critical,
        declared: Some("1".to_owned()),
        live: Some(live.to_owned()),
        note: None,
    }
}

fn changed(live: &str) -> Finding {
    finding(Lane::Gateway, "http://a", "limits", DriftKind::Changed, live)
}

fn unread() -> Finding {
    finding(Lane::Gateway, "http://a", "", DriftKind::Unverifiable, "")
}

fn ignore(path: Option<&str>, expires: &str) -> Ignore {
    Ignore {
        address: "http://a".to_owned(),
        path: path.map(str::to_owned),
        owner: "platform".to_owned(),
        reason: "known".to_owned(),
        expires: expires.parse().unwrap(),
    }
}

fn read(known: &[Drift], findings: Vec<Finding>, rules: &[Ignore]) -> Tracked {
    track(known, &[Lane::Gateway], findings, rules, "2026-11-21".parse().unwrap(), now())
}

fn states(tracked: &Tracked) -> Vec<DriftState> {
    tracked.drift.iter().map(|drift| drift.state).collect()
}

#[test]
fn a_finding_opens_on_the_second_reading_and_not_on_the_first() {
    let first = read(&[], vec![changed("2")], &[]);
    assert_eq!((states(&first), first.opened.len()), (vec![DriftState::Suspected], 0));
    let second = read(&first.drift, vec![changed("2")], &[]);
    assert_eq!((states(&second), second.opened.len()), (vec![DriftState::Open], 1));
}

#[test]
fn what_was_only_suspected_goes_without_a_word() {
    let first = read(&[], vec![changed("2")], &[]);
    assert_eq!(read(&first.drift, vec![], &[]), Tracked::default());
}

fn open(findings: Vec<Finding>) -> Vec<Drift> {
    let first = read(&[], findings.clone(), &[]);
    read(&first.drift, findings, &[]).drift
}

#[test]
fn what_was_open_is_resolved_once_its_lane_does_not_find_it() {
    let gone = read(&open(vec![changed("2")]), vec![], &[]);
    assert_eq!((gone.drift.len(), gone.resolved.len()), (0, 1));
}

#[test]
fn a_lane_that_was_not_read_keeps_its_findings() {
    let known = open(vec![changed("2")]);
    let tracked = track(&known, &[Lane::Aws], vec![], &[], "2026-11-21".parse().unwrap(), now());
    assert_eq!((tracked.drift, tracked.resolved.len()), (known, 0));
}

#[test]
fn another_live_value_is_a_change_and_another_note_is_not() {
    let known = open(vec![changed("2")]);
    assert_eq!(read(&known, vec![changed("3")], &[]).changed.len(), 1);
    let noted = Finding { note: Some("another error text".to_owned()), ..changed("2") };
    assert_eq!(read(&known, vec![noted], &[]).changed.len(), 0);
}

// Invariant 9.
#[test]
fn an_address_that_cannot_be_read_is_neither_in_step_nor_gone() {
    let missing = finding(Lane::Gateway, "http://a", "", DriftKind::Missing, "");
    let known = open(vec![changed("2"), missing]);
    let dark = read(&known, vec![unread()], &[]);
    assert_eq!(dark.resolved.len(), 0);
    assert_eq!(dark.drift.len(), 3);
    assert!(known.iter().all(|drift| dark.drift.contains(drift)));
    // Read again and in step: both the darkness and what was known before it are over.
    let dark = read(&dark.drift, vec![unread()], &[]);
    assert_eq!(dark.opened.len(), 1);
    let light = read(&dark.drift, vec![], &[]);
    assert_eq!((light.drift.len(), light.resolved.len()), (0, 3));
}

#[test]
fn an_ignored_finding_is_shown_and_silent_until_its_rule_expires() {
    let rule = [ignore(Some("limits"), "2026-11-21")];
    let first = read(&[], vec![changed("2")], &rule);
    let second = read(&first.drift, vec![changed("2")], &rule);
    assert_eq!((states(&second), second.opened.len()), (vec![DriftState::Ignored], 0));
    let expired = [ignore(Some("limits"), "2026-11-20")];
    assert_eq!(read(&second.drift, vec![changed("2")], &expired).opened.len(), 1);
}

#[test]
fn a_rule_for_another_field_does_not_match_and_one_without_a_field_does() {
    let first = read(&[], vec![changed("2")], &[ignore(Some("tags"), "2027-01-01")]);
    assert_eq!(states(&first), [DriftState::Suspected]);
    let first = read(&[], vec![changed("2")], &[ignore(None, "2027-01-01")]);
    assert_eq!(states(&first), [DriftState::Ignored]);
}

#[test]
fn a_new_rule_ends_the_incident_of_what_was_open() {
    let tracked = read(&open(vec![changed("2")]), vec![changed("2")], &[ignore(None, "2027-01-01")]);
    assert_eq!((states(&tracked), tracked.resolved.len()), (vec![DriftState::Ignored], 1));
}

fn any_finding() -> impl Strategy<Value = Finding> {
    let lane = prop_oneof![Just(Lane::Gateway), Just(Lane::Aws)];
    let kind = prop_oneof![Just(DriftKind::Changed), Just(DriftKind::Missing), Just(DriftKind::Unverifiable)];
    (lane, "[ab]", "[xy]?", kind, "[12]")
        .prop_map(|(lane, address, path, kind, live)| finding(lane, &address, &path, kind, &live))
}

proptest! {
    #[test]
    fn the_same_reading_a_third_time_is_no_news(
        before in proptest::collection::vec(any_finding(), 0..8),
        findings in proptest::collection::vec(any_finding(), 0..8),
    ) {
        let today = "2026-11-21".parse().unwrap();
        let lanes = [Lane::Gateway, Lane::Aws];
        let rules = [Ignore { address: "b".to_owned(), ..ignore(Some("x"), "2027-01-01") }];
        let read = |known: &[Drift], findings: &[Finding], minutes: i64| {
            let at = now() + SignedDuration::from_mins(minutes);
            track(known, &lanes, findings.to_vec(), &rules, today, at)
        };
        let known = read(&[], &before, 0).drift;
        let known = read(&known, &findings, 1).drift;
        let second = read(&known, &findings, 2);
        let third = read(&second.drift, &findings, 3);
        prop_assert_eq!(third.opened.len() + third.changed.len() + third.resolved.len(), 0);
        let told = |tracked: &Tracked| {
            tracked.drift.iter().map(|drift| (drift.finding.clone(), drift.state, drift.first_seen)).collect::<Vec<_>>()
        };
        prop_assert_eq!(told(&second), told(&third));
    }
}
