//! What has only grown older is in memory first, and written with all others at once.

use std::sync::Arc;

use moorline_model::condition::{ConditionStatus, ConditionType};
use moorline_model::environment::EnvironmentState;
use moorline_record::{CommitError, FencedError, Record, Version, Write};

use crate::sample::{at, led, prod, state};

const TTL: std::time::Duration = std::time::Duration::from_secs(15);

fn checked_at(state: &Arc<EnvironmentState>) -> i64 {
    state.conditions.0[&ConditionType::Health].checked_at.duration_since(at(0)).as_secs()
}

fn aged(seconds: i64) -> Arc<EnvironmentState> {
    let mut state = state();
    state.conditions.note(ConditionType::Health, ConditionStatus::Good, "it serves", at(seconds));
    state.into()
}

/// What a process reads that does not lead.
async fn stored(path: &std::path::Path) -> Arc<EnvironmentState> {
    let other = Record::open(&format!("sqlite:{}", path.display())).await.unwrap();
    let (found, all) = (other.load(&prod()).await.unwrap().unwrap().0, other.environments().await.unwrap());
    assert_eq!(all, std::slice::from_ref(&found));
    other.close().await;
    found
}

#[tokio::test]
async fn ages_are_seen_at_once_and_written_together() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("moorline.db");
    let record = Record::open(&format!("sqlite:{}", path.display())).await.unwrap();
    let fence = record.lease("a", TTL, at(0)).await.unwrap().unwrap().token;
    assert!(!record.defer(aged(1), Version(0)).await.unwrap(), "nothing was written yet");
    let version = record.commit(fence, Write::of(&aged(1), Version(0))).await.unwrap();
    let (writes, changes) = (record.writes(), *record.changes().borrow());

    assert!(record.defer(aged(9), version).await.unwrap());
    assert_eq!(record.load(&prod()).await.unwrap(), Some((aged(9), version)));
    assert_eq!(record.environments().await.unwrap(), [aged(9)]);
    assert_eq!((record.writes(), checked_at(&stored(&path).await)), (writes, 1), "nothing is written yet");

    assert_eq!(record.write_deferred(fence).await.unwrap(), 1);
    assert_eq!(record.write_deferred(fence).await.unwrap(), 0, "once");
    assert_eq!((record.writes(), checked_at(&stored(&path).await)), (writes + 1, 9));
    assert_eq!(*record.changes().borrow(), changes, "that is no news");

    let version = record.commit(fence, Write::of(&aged(12), version)).await.unwrap();
    assert!(!record.defer(aged(10), Version(version.0 - 1)).await.unwrap(), "a newer one was written");
    assert_eq!(checked_at(&record.load(&prod()).await.unwrap().unwrap().0), 12);
}

#[tokio::test]
async fn what_is_in_memory_never_hides_what_another_wrote() {
    let (record, fence) = led().await;
    let version = record.commit(fence, Write::of(&aged(1), Version(0))).await.unwrap();
    assert!(record.defer(aged(2), version).await.unwrap());
    let refused = record.commit(fence, Write::of(&aged(3), Version(7))).await;
    assert!(matches!(refused, Err(CommitError::Conflict { .. })));
    assert_eq!(checked_at(&record.load(&prod()).await.unwrap().unwrap().0), 1, "what is stored");

    assert!(record.defer(aged(6), version).await.unwrap(), "that version is stored");
    record.lease("another", TTL, at(1_000_000)).await.unwrap().unwrap();
    assert!(matches!(record.write_deferred(fence).await, Err(FencedError::StaleLease(_))));
}

#[tokio::test]
async fn a_state_is_changed_where_it_is_kept_and_who_has_it_at_hand_keeps_what_it_was() {
    let (record, fence) = led().await;
    let grow_older = |seconds: i64| {
        move |state: &mut EnvironmentState| {
            state.conditions.note(ConditionType::Health, ConditionStatus::Good, "it serves", at(seconds));
            true
        }
    };
    assert!(!record.amend(&prod(), Version(0), grow_older(1)).await.unwrap(), "nothing was written yet");
    let version = record.commit(fence, Write::of(&aged(1), Version(0))).await.unwrap();
    let at_hand = record.load(&prod()).await.unwrap().unwrap().0;
    assert!(record.amend(&prod(), version, grow_older(9)).await.unwrap());
    assert_eq!((checked_at(&at_hand), checked_at(&record.load(&prod()).await.unwrap().unwrap().0)), (1, 9));
    assert!(!record.amend(&prod(), Version(version.0 + 1), grow_older(12)).await.unwrap(), "another version");
    assert!(!record.amend(&prod(), version, |_| false).await.unwrap(), "it was not changed");
    assert_eq!(record.write_deferred(fence).await.unwrap(), 1);
    assert_eq!(record.write_deferred(fence).await.unwrap(), 0, "once");
}
