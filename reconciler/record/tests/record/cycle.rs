//! The two ends of a cycle, and what lies between: leadership, compare-and-set, journal, history, outbox.

use std::sync::Arc;

use std::time::Duration;

use moorline_model::IncidentKey;
use moorline_model::config::Digest;
use moorline_model::environment::StoredDocument;
use moorline_model::notification::Transition;
use moorline_model::rollout::Phase;
use moorline_record::{
    Addressed, CommitError, EVENTS_RETAINED, FencedError, Record, Sequence, StaleLease, Version, Write,
};

use crate::sample::{at, audit, channel, event, lead, led, message, place, prod, rollout, state};

const TTL: Duration = Duration::from_secs(30);

#[tokio::test]
async fn of_two_openers_one_leads_and_the_other_only_when_the_lease_runs_out() {
    let (_folder, url) = place();
    let (one, two) = (Record::open(&url).await.unwrap(), Record::open(&url).await.unwrap());
    let first = one.lease("a", TTL, at(0)).await.unwrap().unwrap();
    assert_eq!(two.lease("b", TTL, at(29)).await.unwrap(), None);
    assert_eq!(two.leader().await.unwrap().holder.as_deref(), Some("a"));

    let first = one.renew(&first, TTL, at(20)).await.unwrap();
    assert_eq!(two.lease("b", TTL, at(40)).await.unwrap(), None, "a renewed lease runs longer");
    let second = two.lease("b", TTL, at(50)).await.unwrap().unwrap();
    assert!(second.token > first.token);
    assert!(matches!(one.renew(&first, TTL, at(51)).await, Err(FencedError::StaleLease(_))));

    two.release(&second).await.unwrap();
    assert_eq!(two.leader().await.unwrap().holder, None);
    assert!(one.lease("a", TTL, at(52)).await.unwrap().is_some(), "a lease given back is free at once");
}

#[tokio::test]
async fn a_restarted_leader_takes_its_own_lease_and_shuts_its_former_self_out() {
    let (record, old) = led().await;
    let new = lead(&record, "a", 1).await;
    let refused = record.commit(old, Write::of(&state(), Version(0))).await;
    assert!(
        matches!(refused, Err(CommitError::StaleLease(StaleLease { held, newest })) if held == old && newest == new)
    );
}

#[tokio::test]
async fn every_write_of_a_stale_leader_is_refused_and_leaves_nothing() {
    let (_folder, url) = place();
    let (one, two) = (Record::open(&url).await.unwrap(), Record::open(&url).await.unwrap());
    let stale = lead(&one, "a", 0).await;
    one.journal_begin(stale, &prod(), None, "gateway.stage", audit("gateway.stage")).await.unwrap();
    lead(&two, "b", 31).await;

    let state = state();
    let write =
        Write { events: vec![event("late")], audit: vec![audit("late")], ..Write::of(&state, Version(0)) };
    assert!(matches!(one.commit(stale, write).await, Err(CommitError::StaleLease(_))));
    let begun = one.journal_begin(stale, &prod(), None, "gateway.promote", audit("gateway.promote")).await;
    assert!(matches!(begun, Err(FencedError::StaleLease(_))));

    assert_eq!(one.load(&prod()).await.unwrap(), None);
    assert_eq!(one.audit_log(None, 10).await.unwrap().len(), 1, "the audit of the one step that was allowed");
    assert_eq!(one.journal_open(&prod()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_state_is_committed_only_over_the_one_that_was_loaded() {
    let (record, fence) = led().await;
    let mut state = state();
    let first = record.commit(fence, Write::of(&state, Version(0))).await.unwrap();
    state.frozen = Some("people".to_owned());
    let second = record.commit(fence, Write::of(&state, first)).await.unwrap();
    assert_eq!(record.load(&prod()).await.unwrap(), Some((Arc::new(state.clone()), second)));
    assert_eq!(record.environments().await.unwrap(), [Arc::new(state.clone())]);

    let late = record.commit(fence, Write { events: vec![event("late")], ..Write::of(&state, first) }).await;
    assert!(
        matches!(late, Err(CommitError::Conflict { expected, found, .. }) if expected == first && found == second)
    );
    assert!(record.history(&prod(), 10, None).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_step_is_open_with_its_audit_from_before_its_effect_until_its_result_is_committed() {
    let (record, fence) = led().await;
    let rolling = rollout(1, &Phase::Applying);
    let id = record
        .journal_begin(fence, &prod(), Some(rolling.id), "terraform.apply", audit("terraform.apply"))
        .await
        .unwrap();
    let open = record.journal_open(&prod()).await.unwrap();
    assert_eq!(
        (open[0].id, open[0].rollout, open[0].step.as_str()),
        (id, Some(rolling.id), "terraform.apply")
    );
    assert_eq!(record.audit_log(Some(&prod()), 1).await.unwrap()[0].entry.action, "terraform.apply");

    let state = state();
    record.commit(fence, Write { journal_end: Some(id), ..Write::of(&state, Version(0)) }).await.unwrap();
    assert!(record.journal_open(&prod()).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_interrupted_step_stays_open_until_a_state_that_knows_of_it_is_committed() {
    let (record, fence) = led().await;
    let id = record
        .journal_begin(fence, &prod(), None, "terraform.apply", audit("terraform.apply"))
        .await
        .unwrap();
    let state = state();
    let write = |expected| Write { left_open: vec![id], ..Write::of(&state, expected) };
    let refused = record.commit(fence, write(Version(7))).await;
    assert!(matches!(refused, Err(CommitError::Conflict { .. })));
    assert_eq!(record.journal_open(&prod()).await.unwrap().len(), 1, "nothing of the commit is left");
    record.commit(fence, write(Version(0))).await.unwrap();
    assert!(record.journal_open(&prod()).await.unwrap().is_empty());
}

#[tokio::test]
async fn rollouts_are_kept_as_last_committed_newest_first() {
    let (record, fence) = led().await;
    let mut version = Version(0);
    let mut state = state();
    for (number, phase) in [(1, Phase::Staging), (1, Phase::Succeeded), (2, Phase::Planning)] {
        state.rollout = Some(rollout(number, &phase));
        version = record.commit(fence, Write::of(&state, version)).await.unwrap();
    }
    let phases: Vec<Phase> =
        record.rollouts(&prod(), 10).await.unwrap().into_iter().map(|r| r.phase).collect();
    assert_eq!(phases, [Phase::Planning, Phase::Succeeded]);
    assert_eq!(record.rollouts(&prod(), 1).await.unwrap().len(), 1);
    let one = record.rollout(&prod(), rollout(1, &Phase::Pending).id).await.unwrap();
    assert_eq!(one.map(|one| one.phase), Some(Phase::Succeeded));
    let elsewhere = record.rollout(&"dev".parse().unwrap(), rollout(1, &Phase::Pending).id).await.unwrap();
    assert_eq!(elsewhere, None);
    let counts = record.rollout_counts().await.unwrap();
    assert_eq!(counts[0], ("prod".to_owned(), "planning".to_owned(), 1));
}

#[tokio::test]
async fn history_is_read_page_by_page_and_onwards() {
    let (record, fence) = led().await;
    let events = (0..5).map(|n| event(&format!("event {n}"))).collect();
    record.commit(fence, Write { events, ..Write::of(&state(), Version(0)) }).await.unwrap();
    let page = record.history(&prod(), 2, None).await.unwrap();
    assert_eq!(page[0].event.message, "event 4");
    let older = record.history(&prod(), 2, Some(page[1].seq)).await.unwrap();
    assert_eq!(older[0].event.message, "event 2");
    let onwards = record.events_after(page[1].seq, 10).await.unwrap();
    assert_eq!(onwards.len(), 1);
    assert_eq!(record.last_event().await.unwrap(), Sequence(5));
}

#[tokio::test]
async fn history_keeps_its_bound() {
    let (record, fence) = led().await;
    let events = (0..EVENTS_RETAINED + 7).map(|n| event(&n.to_string())).collect();
    record.commit(fence, Write { events, ..Write::of(&state(), Version(0)) }).await.unwrap();
    record.prune(fence).await.unwrap();
    let kept = record.history(&prod(), usize::MAX, None).await.unwrap();
    assert_eq!(kept.len(), EVENTS_RETAINED);
    assert_eq!(kept.last().unwrap().event.message, "7");
}

#[tokio::test]
async fn another_channel_gets_a_message_only_when_its_incident_was_reported_there() {
    let (record, fence) = led().await;
    let to = |name, others: &[&str], message: Addressed| Addressed {
        channels: vec![channel(name)],
        others: others.iter().copied().map(channel).collect(),
        ..message
    };
    let pending = async || {
        let pending = record.outbox_pending().await.unwrap();
        pending
            .into_iter()
            .map(|(channel, count)| format!("{channel} {count}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let opened = to("ops", &["pager"], message("drift/prod/1", Transition::Opened));
    let notifications = vec![opened];
    let version =
        record.commit(fence, Write { notifications, ..Write::of(&state(), Version(0)) }).await.unwrap();
    assert_eq!(pending().await, "ops 1", "the incident was not reported to the pager");
    let notifications = vec![
        to("pager", &["ops"], message("drift/prod/1", Transition::Changed)),
        to("pager", &["ops"], message("drift/prod/2", Transition::Opened)),
        to("night", &["ops", "pager"], message("drift/prod/1", Transition::Resolved)),
    ];
    let version =
        record.commit(fence, Write { notifications, ..Write::of(&state(), version) }).await.unwrap();
    assert_eq!(pending().await, "night 1, ops 3, pager 3");
    // What was sent long ago is forgotten, but for its thread.
    record.set_thread(&IncidentKey("drift/prod/0".to_owned()), &channel("pager"), "1.2").await.unwrap();
    let notifications = vec![to("ops", &["pager", "night"], message("drift/prod/0", Transition::Resolved))];
    record.commit(fence, Write { notifications, ..Write::of(&state(), version) }).await.unwrap();
    assert_eq!(pending().await, "night 1, ops 4, pager 4");
}

#[tokio::test]
async fn a_message_is_queued_once_a_channel_and_goes_in_its_incidents_order() {
    let (record, fence) = led().await;
    let notifications = vec![
        message("drift/prod/1", Transition::Opened),
        message("drift/prod/1", Transition::Opened),
        message("drift/prod/1", Transition::Resolved),
    ];
    record.commit(fence, Write { notifications, ..Write::of(&state(), Version(0)) }).await.unwrap();
    assert_eq!(record.outbox_pending().await.unwrap(), [(channel("email"), 2), (channel("slack"), 2)]);
    assert!(record.outbox_due(at(-1), 10).await.unwrap().is_empty(), "none is due before its time");

    let due = record.outbox_due(at(0), 10).await.unwrap();
    assert_eq!(due.len(), 2, "the second of an incident waits for the first");
    let slack = &due[0];
    assert_eq!((slack.channel.as_str(), slack.key.as_str()), ("slack", "drift/prod/1#opened#1#slack"));

    record.outbox_begin(fence, slack.id).await.unwrap();
    assert!(record.outbox_due(at(0), 1).await.unwrap()[0].unsettled, "a delivery cut short is seen");
    record.outbox_failed(slack.id, at(60), "no route").await.unwrap();
    assert!(record.outbox_due(at(59), 10).await.unwrap().iter().all(|item| item.channel.as_str() == "email"));
    let again = record.outbox_due(at(60), 1).await.unwrap();
    assert_eq!((again[0].attempt, again[0].unsettled), (1, false));

    record.outbox_delivered(slack.id).await.unwrap();
    let next = record.outbox_due(at(60), 10).await.unwrap();
    let next = next.iter().find(|item| item.channel.as_str() == "slack").unwrap();
    assert_eq!(next.notification.transition, Transition::Resolved);
    record.outbox_given_up(next.id, "channel is gone").await.unwrap();
    assert_eq!(record.outbox_pending().await.unwrap(), [(channel("email"), 2)]);
    assert_eq!(record.outbox_next().await.unwrap(), Some(at(0)));

    let waiting = record.outbox_due(at(60), 1).await.unwrap().remove(0);
    record.lease("another", TTL, at(1_000_000)).await.unwrap().unwrap();
    let refused = record.outbox_begin(fence, waiting.id).await;
    assert!(matches!(refused, Err(FencedError::StaleLease(_))), "who leads no more begins no delivery");
    assert!(!record.outbox_due(at(60), 1).await.unwrap()[0].unsettled);
}

#[tokio::test]
async fn documents_needed_to_go_back_outlive_the_bound() {
    let (record, fence) = led().await;
    let kept = |n: usize| {
        let document = serde_json::json!({ "n": n });
        StoredDocument { digest: Digest::of(&document), document, at: at(i64::try_from(n).unwrap()) }
    };
    let mut state = state();
    let mut rolling = rollout(1, &Phase::Baking);
    rolling.digest = Some(kept(0).digest);
    state.rollout = Some(rolling);
    let documents = (0..moorline_record::DOCUMENTS_RETAINED + 10).map(kept).collect();
    record.hand_over(&prod(), &kept(1), None, "terraform").await.unwrap();
    record.commit(fence, Write { documents, ..Write::of(&state, Version(0)) }).await.unwrap();
    record.prune(fence).await.unwrap();
    let is_kept = async |n| record.document(&prod(), kept(n).digest).await.unwrap().is_some();
    assert!(is_kept(0).await, "the rollout's own");
    assert!(is_kept(1).await, "the one handed over");
    assert!(!is_kept(2).await, "one too many, and nobody's");
    assert!(is_kept(100).await);
}

#[tokio::test]
async fn writes_of_this_process_are_announced() {
    let (record, fence) = led().await;
    let mut changes = record.changes();
    changes.mark_unchanged();
    record.commit(fence, Write::of(&state(), Version(0))).await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), changes.changed()).await.unwrap().unwrap();
}
