//! What people and Terraform bring: intents, documents, and the audit of it all.

use moorline_model::IncidentKey;
use moorline_model::config::Digest;
use moorline_model::environment::StoredDocument;
use moorline_model::intent::{Intent, Operation, Outcome};
use moorline_record::{
    AuditError, HandOver, HandOverError, INTENTS_PENDING_MAX, IntentError, Record, Sequence, Unfinished,
    Version, Write,
};
use serde_json::json;

use crate::sample::{at, audit, channel, led, place, prod, state};

fn intent(operation: Operation) -> Intent {
    Intent {
        environment: prod(),
        operation,
        actor: "operator".to_owned(),
        reason: "too slow".to_owned(),
        at: at(3),
    }
}

#[tokio::test]
async fn an_intent_waits_with_its_audit_until_a_commit_consumes_it() {
    let (record, fence) = led().await;
    let hold = intent(Operation::Hold { commit: None });
    let id = record.add_intent(&hold).await.unwrap();
    record.add_intent(&intent(Operation::Sync)).await.unwrap();
    let waiting = record.pending_intents(&prod()).await.unwrap();
    assert_eq!(waiting[0], (id, hold));

    let entry = &record.audit_log(Some(&prod()), 2).await.unwrap()[1].entry;
    assert_eq!(
        (entry.actor.as_str(), entry.action.as_str(), entry.detail.as_str()),
        ("operator", "hold", "too slow")
    );

    let recorded = record.intent(&prod(), id).await.unwrap().unwrap();
    assert_eq!((recorded.is_applied, recorded.outcome), (false, None));
    let outcome = Outcome::Done { message: "held everything".to_owned() };
    let applied_intents = vec![(id, outcome.clone())];
    record.commit(fence, Write { applied_intents, ..Write::of(&state(), Version(0)) }).await.unwrap();
    let waiting = record.pending_intents(&prod()).await.unwrap();
    assert_eq!((waiting.len(), &waiting[0].1.operation), (1, &Operation::Sync));
    let recorded = record.intent(&prod(), id).await.unwrap().unwrap();
    assert_eq!((recorded.is_applied, recorded.outcome), (true, Some(outcome)));
    let last = record.last_intents(&prod(), 2).await.unwrap();
    assert_eq!(last.iter().map(|recorded| recorded.is_applied).collect::<Vec<_>>(), [false, true]);
    assert_eq!(record.last_intents(&prod(), 1).await.unwrap(), last[..1]);
    assert_eq!(record.intent(&"dev".parse().unwrap(), id).await.unwrap(), None, "another environment's");
}

#[tokio::test]
async fn waiting_intents_are_bounded() {
    let (record, _) = led().await;
    for _ in 0..INTENTS_PENDING_MAX {
        record.add_intent(&intent(Operation::Sync)).await.unwrap();
    }
    assert!(matches!(record.add_intent(&intent(Operation::Sync)).await, Err(IntentError::TooMany { .. })));
    assert_eq!(
        record.verify_audit().await.unwrap().entries,
        100,
        "what was refused was not done and is not audited"
    );
}

#[tokio::test]
async fn what_waits_for_a_cycle_is_what_each_question_alone_answers() {
    let (record, fence) = led().await;
    assert_eq!(record.unfinished(&prod()).await.unwrap(), Unfinished::default());
    record.add_intent(&intent(Operation::Sync)).await.unwrap();
    record.journal_begin(fence, &prod(), None, "gateway.promote", audit("gateway.promote")).await.unwrap();
    record.hand_over(&prod(), &document(1), None, "terraform").await.unwrap();
    let found = record.unfinished(&prod()).await.unwrap();
    assert_eq!(found.intents, record.pending_intents(&prod()).await.unwrap());
    assert_eq!(found.steps, record.journal_open(&prod()).await.unwrap());
    assert_eq!((found.intents.len(), found.steps.len()), (1, 1));
    assert_eq!(found.handed_over, Some(document(1).digest));
    assert_eq!(record.unfinished(&"dev".parse().unwrap()).await.unwrap(), Unfinished::default());
}

fn document(n: u32) -> StoredDocument {
    let document = json!({ "version": 1, "n": n });
    StoredDocument { digest: Digest::of(&document), document, at: at(i64::from(n)) }
}

#[tokio::test]
async fn a_document_is_handed_over_only_in_place_of_the_one_that_was_seen() {
    let (record, _) = led().await;
    let (one, two) = (document(1), document(2));
    let none_yet = record.hand_over(&prod(), &one, Some(two.digest), "terraform").await.unwrap_err();
    assert!(matches!(none_yet, HandOverError::Mismatch { found: None, .. }));
    assert_eq!(record.handed_over(&prod()).await.unwrap(), None);
    assert_eq!(record.verify_audit().await.unwrap().entries, 0);

    assert_eq!(record.hand_over(&prod(), &one, None, "terraform").await.unwrap(), HandOver::Changed);
    assert_eq!(
        record.hand_over(&prod(), &one, Some(one.digest), "terraform").await.unwrap(),
        HandOver::Unchanged
    );
    record.hand_over(&prod(), &two, Some(one.digest), "terraform").await.unwrap();
    let stale = record.hand_over(&prod(), &document(3), Some(one.digest), "terraform").await.unwrap_err();
    assert!(matches!(stale, HandOverError::Mismatch { expected, found: Some(found), .. }
        if expected == one.digest && found == two.digest));

    assert_eq!(record.handed_over(&prod()).await.unwrap(), Some(two));
    assert_eq!(
        record.document(&prod(), one.digest).await.unwrap().map(|kept| kept.document),
        Some(one.document)
    );
    assert_eq!(record.handed_over(&"dev".parse().unwrap()).await.unwrap(), None);
}

#[tokio::test]
async fn the_audit_refuses_change_and_removal_and_shows_them_when_forced() {
    let (folder, url) = place();
    let record = Record::open(&url).await.unwrap();
    for action in ["one", "two", "three"] {
        record.audit(&audit(action)).await.unwrap();
    }
    let head = record.verify_audit().await.unwrap();
    assert_eq!(head.entries, 3);

    let path = folder.path().join("moorline.db");
    let raw = sqlx::SqlitePool::connect(path.to_str().unwrap()).await.unwrap();
    for sql in ["UPDATE audit SET body = '{}' WHERE seq = 2", "DELETE FROM audit WHERE seq = 3"] {
        let refused = sqlx::raw_sql(sql).execute(&raw).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
    let forced = "DROP TRIGGER audit_is_never_changed; DROP TRIGGER audit_is_never_removed;
        UPDATE audit SET body = replace(body, 'two', 'owt') WHERE seq = 2";
    sqlx::raw_sql(forced).execute(&raw).await.unwrap();
    assert!(matches!(record.verify_audit().await, Err(AuditError::Broken { at: Sequence(2) })));
    sqlx::raw_sql("DELETE FROM audit WHERE seq = 2").execute(&raw).await.unwrap();
    assert!(matches!(record.verify_audit().await, Err(AuditError::Broken { at: Sequence(3) })));
}

#[tokio::test]
async fn the_audit_of_one_environment_holds_only_what_names_it_first() {
    let (record, _) = led().await;
    record.audit(&audit("gateway.stage")).await.unwrap();
    let mut other = audit("gateway.stage");
    other.target = "prod-eu".to_owned();
    record.audit(&other).await.unwrap();
    assert_eq!(record.audit_log(Some(&prod()), 10).await.unwrap().len(), 1);
    assert_eq!(record.audit_log(None, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn an_incidents_thread_is_remembered_by_channel() {
    let (record, _) = led().await;
    let incident = IncidentKey("drift/prod/1".to_owned());
    record.set_thread(&incident, &channel("slack"), "1.2").await.unwrap();
    record.set_thread(&incident, &channel("slack"), "1.3").await.unwrap();
    assert_eq!(record.thread(&incident, &channel("slack")).await.unwrap().as_deref(), Some("1.3"));
    assert_eq!(record.thread(&incident, &channel("email")).await.unwrap(), None);
}
