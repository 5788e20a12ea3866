use super::*;

use jiff::SignedDuration;
use serde_json::json;

use crate::gateway::remembered;
use crate::lanes;
use crate::sample::{declared, document, in_force, now, replica, rolling};

/// The notifications when the source is read like this, twice a minute.
fn messages(readings: &[Option<&str>]) -> Vec<Transition> {
    let mut state = in_force("c1");
    let head = crate::sample::revision("c1");
    let mut all = Vec::new();
    for (index, error) in (0..).zip(readings) {
        let failed = error.map(CheckFailed::transient);
        let source = failed.as_ref().map_or(SourceCheck::Valid(&head), SourceCheck::Unreachable);
        let checks = Checks { source: Some(source), ..Checks::default() };
        let at = now() + SignedDuration::from_secs(30 * index);
        all.extend(note_conditions(&mut state, &checks, at).notifications);
    }
    all.into_iter().map(|message| message.transition).collect()
}

#[test]
fn one_failed_look_is_no_news_the_second_is_and_so_is_the_end() {
    let dark = Some("connection refused");
    assert_eq!(messages(&[None, dark, None]), []);
    assert_eq!(messages(&[None, dark, dark, dark, None]), [Transition::CannotCheck, Transition::Resolved]);
    assert_eq!(messages(&[dark, dark]), [Transition::CannotCheck]);
}

#[test]
fn trouble_with_the_repository_is_reported_by_one_environment_for_all() {
    let names = ["dev", "prod"].map(|name| name.parse().unwrap());
    let head = crate::sample::revision("c1");
    let notified = |scope: AlertScope<'_>| {
        let mut state = in_force("c1");
        let mut messages = Messages::default();
        let failed = CheckFailed::transient("no answer");
        let dark = || SourceCheck::Unreachable(&failed);
        for (index, source) in (0..).zip([dark(), dark(), dark(), SourceCheck::Valid(&head)]) {
            let checks = Checks { source: Some(source), scope, ..Checks::default() };
            let changes = note_conditions(&mut state, &checks, now() + SignedDuration::from_mins(index));
            messages.events.extend(changes.events);
            messages.notifications.extend(changes.notifications);
        }
        assert!(state.incidents.is_empty());
        messages
    };
    let (all, silent) = (notified(AlertScope::Shared(&names)), notified(AlertScope::Suppressed));
    let headlines: Vec<_> = all.notifications.iter().map(|message| message.headline.as_str()).collect();
    assert_eq!(
        headlines,
        [
            "dev, prod: the repository cannot be read, for 1m",
            "dev, prod: the repository can be read again, and what it declares is valid, after 3m"
        ]
    );
    // A route of `dev` takes it too, though `prod` notifies; it is about no lane.
    for message in &all.notifications {
        assert_eq!((message.environment.as_str(), &message.concerns[..]), ("prod", &names[..1]));
        assert_eq!(message.lane, None);
    }
    assert_eq!(silent.notifications, []);
    // Its own history says so all the same.
    assert_eq!(silent.events, all.events);
    assert_eq!(silent.events.len(), 2);
}

#[test]
fn other_mistakes_are_news_of_the_same_incident_and_a_second_outage_is_another() {
    let mut state = in_force("c1");
    let (bad, worse) = (crate::sample::revision("c2"), crate::sample::revision("c3"));
    let good = crate::sample::revision("c4");
    let (one, two) = (CheckFailed::stalled("a.yaml:1: one"), CheckFailed::stalled("a.yaml:1: two"));
    let bad = SourceCheck::Invalid { head: &bad, mistakes: &one };
    let worse = SourceCheck::Invalid { head: &worse, mistakes: &two };
    let good = SourceCheck::Valid(&good);
    let mut messages = Vec::new();
    for (index, source) in (0..).zip([good, bad, bad, bad, worse, worse, good, bad, bad]) {
        let checks = Checks { source: Some(source), ..Checks::default() };
        let changes = note_conditions(&mut state, &checks, now() + SignedDuration::from_mins(index));
        assert!(
            changes.events.iter().all(|event| event.severity == Severity::Warning || event.commit.is_none())
        );
        messages.extend(changes.notifications);
    }
    let transitions: Vec<_> = messages.iter().map(|message| message.transition).collect();
    assert_eq!(
        transitions,
        [Transition::Opened, Transition::Changed, Transition::Resolved, Transition::Opened]
    );
    assert_eq!(messages[0].details, ["c200000000 by ann: a.yaml:1: one"]);
    assert_eq!(messages[1].details, ["c300000000 by ann: a.yaml:1: two"]);
    assert!(messages[..3].iter().all(|message| message.incident == messages[0].incident));
    assert_ne!(messages[3].incident, messages[0].incident);
    assert_eq!(messages[0].topic, "source check since 2026-11-21 12:02 UTC");
}

#[test]
fn trouble_that_turns_into_another_before_its_end_still_ends() {
    let mut state = in_force("c1");
    let head = crate::sample::revision("c2");
    let (away, one) = (CheckFailed::transient("no answer"), CheckFailed::stalled("one"));
    let dark = SourceCheck::Unreachable(&away);
    let bad = SourceCheck::Invalid { head: &head, mistakes: &one };
    let mut messages = Vec::new();
    for (index, source) in (0..).zip([dark, dark, bad, SourceCheck::Valid(&head)]) {
        let checks = Checks { source: Some(source), ..Checks::default() };
        messages.extend(
            note_conditions(&mut state, &checks, now() + SignedDuration::from_mins(index)).notifications,
        );
    }
    let transitions: Vec<_> = messages.iter().map(|message| message.transition).collect();
    assert_eq!(transitions, [Transition::CannotCheck, Transition::Resolved]);
    assert_eq!(messages[0].incident, messages[1].incident);
}

#[test]
fn an_axis_that_was_not_looked_at_keeps_its_reading_and_its_age() {
    let mut state = in_force("c1");
    let replicas = [replica("a", Some(document("c1").digest()), None)];
    let checks = Checks { replicas: Some(&replicas), ..Checks::default() };
    let _first = note_conditions(&mut state, &checks, now());
    let later = now() + SignedDuration::from_mins(1);
    let _second = note_conditions(&mut state, &Checks::default(), later);
    assert_eq!(state.conditions.0[&ConditionType::Health].checked_at, now());
    assert_eq!(state.conditions.status(ConditionType::Source), ConditionStatus::Unknown);
}

// Invariant 9.
#[test]
fn health_is_not_known_while_a_replica_cannot_be_read() {
    let mut state = in_force("c1");
    let mut dark = replica("b", None, None);
    dark.result = Err(CheckFailed::transient("no answer"));
    let healthy = replica("a", Some(document("c1").digest()), None);
    let mut status = |replicas: &[ReplicaReading]| {
        let checks = Checks { replicas: Some(replicas), ..Checks::default() };
        let _messages = note_conditions(&mut state, &checks, now());
        state.conditions.status(ConditionType::Health)
    };
    assert_eq!(status(std::slice::from_ref(&healthy)), ConditionStatus::Good);
    assert_eq!(status(&[healthy, dark]), ConditionStatus::CannotCheck);
    assert_eq!(status(&[]), ConditionStatus::CannotCheck);
    assert_eq!(status(&[replica("a", Some(document("c2").digest()), None)]), ConditionStatus::Bad);
}

#[test]
fn a_hold_on_a_commit_that_nobody_wants_any_more_is_no_worry() {
    let mut state = in_force("c1");
    crate::advance::hold(
        &mut state,
        Some(crate::sample::commit("c2")),
        "bad".to_owned(),
        "m".to_owned(),
        now(),
    );
    note_hold(&mut state, now());
    assert_eq!(state.conditions.status(ConditionType::Hold), ConditionStatus::Good);
    assert!(
        state.conditions.0[&ConditionType::Hold].because.contains("c200000000 is held and not tried again")
    );
    state.head = Some(crate::sample::revision("c2"));
    note_hold(&mut state, now());
    assert_eq!(state.conditions.status(ConditionType::Hold), ConditionStatus::Attention);
}

// Invariants 9 and 18.
#[test]
fn drift_is_not_known_while_a_declared_lane_was_not_compared() {
    let mut state = in_force("c1");
    let mut look = |declared: &[Lane], looks: Vec<lanes::LaneCheck>, seconds: i64| {
        let at = now() + SignedDuration::from_secs(seconds);
        lanes::note(&mut state, Some(declared), looks, at);
        let _messages = note_conditions(&mut state, &Checks::default(), at);
        let reading = state.conditions.0[&ConditionType::Drift].clone();
        (reading.status, reading.because, reading.checked_at.duration_since(now()).as_secs())
    };
    let both = [Lane::Gateway, Lane::Terraform];
    let none = (Lane::Gateway, lanes::replicas(&[]));
    let because = "gateway: no replica was found".to_owned();
    assert_eq!(look(&both[..1], vec![none], 0), (ConditionStatus::CannotCheck, because, 0));
    let because = "terraform was not compared yet".to_owned();
    assert_eq!(look(&both, vec![(Lane::Gateway, Ok(()))], 10), (ConditionStatus::CannotCheck, because, 10));
    let healthy = "nothing differs".to_owned();
    assert_eq!(
        look(&both, vec![(Lane::Terraform, Ok(()))], 20),
        (ConditionStatus::Good, healthy.clone(), 10)
    );
    assert_eq!(look(&both, vec![(Lane::Gateway, Ok(()))], 30), (ConditionStatus::Good, healthy, 20));
    state.applied = None;
    let _messages = note_conditions(&mut state, &Checks::default(), now());
    assert_eq!(state.conditions.status(ConditionType::Drift), ConditionStatus::Unknown);
}

// Invariant 9.
#[test]
fn what_cannot_be_read_is_neither_verifying_nor_in_sync() {
    use moorline_model::status::{StatusWord, word};
    let dark = |name: &str| ReplicaReading {
        result: Err(CheckFailed::transient("no answer")),
        ..replica(name, None, None)
    };
    let word = |mut state: EnvironmentState, replicas: &[ReplicaReading]| {
        lanes::note(
            &mut state,
            Some(&[Lane::Gateway]),
            vec![(Lane::Gateway, lanes::replicas(replicas))],
            now(),
        );
        state.replicas = replicas.iter().map(|reading| remembered(reading, now())).collect();
        let checks = Checks { replicas: Some(replicas), ..Checks::default() };
        let _messages = note_conditions(&mut state, &checks, now());
        word(&state).0
    };
    let desired = declared("c2", &json!({}));
    let healthy = replica("a", Some(document("c1").digest()), None);
    assert_eq!(word(in_force("c1"), std::slice::from_ref(&healthy)), StatusWord::InSync);
    assert_eq!(word(in_force("c1"), &[healthy.clone(), dark("b")]), StatusWord::CannotCheck);
    for phase in [Phase::Staging, Phase::Shifting { step: 0 }, Phase::Baking] {
        let rolling = || rolling(&in_force("c1"), &desired, phase.clone());
        assert_eq!(word(rolling(), &[dark("a"), dark("b")]), StatusWord::CannotCheck, "{phase}");
        assert_eq!(word(rolling(), &[]), StatusWord::CannotCheck, "{phase}");
        assert_eq!(word(rolling(), &[healthy.clone(), dark("b")]), StatusWord::Verifying, "{phase}");
        let mut outdated = rolling();
        outdated.conditions.note(ConditionType::Source, ConditionStatus::CannotCheck, "no answer", now());
        assert_eq!(word(outdated, std::slice::from_ref(&healthy)), StatusWord::CannotCheck, "{phase}");
    }
}

#[test]
fn while_a_document_is_tried_health_is_busy() {
    let desired = declared("c2", &json!({}));
    let mut state = rolling(&in_force("c1"), &desired, Phase::Baking);
    let replicas = [replica("a", Some(document("c2").digest()), None)];
    let checks = Checks { replicas: Some(&replicas), ..Checks::default() };
    let _messages = note_conditions(&mut state, &checks, now());
    assert_eq!(state.conditions.status(ConditionType::Health), ConditionStatus::Busy);
}

#[test]
fn a_message_about_a_lanes_check_is_of_that_lane() {
    let mut state = in_force("c1");
    let mut lanes = Vec::new();
    for index in 0..3 {
        let failed = CheckFailed::stalled("no credentials");
        let checks = Checks { plan: Some(Err(&failed)), ..Checks::default() };
        let at = now() + SignedDuration::from_mins(index);
        let messages = note_conditions(&mut state, &checks, at);
        lanes.extend(messages.notifications.into_iter().map(|message| message.lane));
    }
    assert_eq!(lanes, [Some(Lane::Terraform)]);
}

#[test]
fn a_condition_says_whether_trying_again_helps_until_it_could_be_checked() {
    let mut state = in_force("c1");
    let head = crate::sample::revision("c1");
    let (mistakes, away) = (CheckFailed::stalled("a.yaml:1: one"), CheckFailed::transient("no answer"));
    let lock = FailureClass::Waiting { on: "ann@laptop".to_owned() };
    let locked = CheckFailed::new(lock.clone(), "the state is locked by ann@laptop");
    let dark =
        ReplicaReading { result: Err(away.clone()), ..replica("a", Some(document("c1").digest()), None) };
    let mut after = |source, plan: Option<&CheckFailed>, replicas: &[ReplicaReading]| {
        let lanes = [Lane::Gateway, Lane::Terraform];
        let looks = vec![
            (Lane::Gateway, lanes::replicas(replicas)),
            (Lane::Terraform, plan.map_or(Ok(()), |failed| Err(failed.clone().into()))),
        ];
        lanes::note(&mut state, Some(&lanes), looks, now());
        let plan = plan.map(Err);
        let checks = Checks { source: Some(source), plan, replicas: Some(replicas), ..Checks::default() };
        let _told = note_conditions(&mut state, &checks, now());
        [ConditionType::Source, ConditionType::Plan, ConditionType::Health, ConditionType::Drift]
            .map(|of| state.conditions.0.get(&of).and_then(|condition| condition.failure.clone()))
    };
    let invalid = SourceCheck::Invalid { head: &head, mistakes: &mistakes };
    assert_eq!(
        after(invalid, Some(&locked), &[dark]),
        [Some(FailureClass::Stalled), Some(lock.clone()), Some(FailureClass::Transient), Some(lock),]
    );
    let [source, _, health, drift] = after(SourceCheck::Unreachable(&away), None, &[]);
    assert_eq!(source, Some(FailureClass::Transient));
    assert_eq!((health, drift), (Some(FailureClass::Stalled), Some(FailureClass::Stalled)), "no replica");
    let well = [replica("a", Some(document("c1").digest()), None)];
    let [source, _, health, drift] = after(SourceCheck::Valid(&head), None, &well);
    assert_eq!([source, health, drift], [None, None, None]);
}
