//! Files that cannot be used, and files that cease to be usable.

use std::os::unix::fs::PermissionsExt as _;

use moorline_record::{CommitError, IntentId, OpenError, Place, Record, StoreError, Version, Write};

use crate::sample::{at, audit, event, lead, place, prod, state};

#[tokio::test]
async fn the_file_and_its_journals_are_private() {
    let (folder, url) = place();
    std::fs::write(folder.path().join("moorline.db"), "").unwrap();
    let record = Record::open(&url).await.unwrap();
    record.audit(&audit("one")).await.unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
}

#[tokio::test]
async fn what_was_recorded_is_there_after_it_is_opened_again() {
    let (_folder, url) = place();
    let record = Record::open(&url).await.unwrap();
    let fence = lead(&record, "a", 0).await;
    let version = record.commit(fence, Write::of(&state(), Version(0))).await.unwrap();
    record.close().await;
    let record = Record::open(&url).await.unwrap();
    assert_eq!(record.load(&state().name).await.unwrap(), Some((state().into(), version)));
    assert!(record.lease("b", std::time::Duration::from_secs(1), at(1)).await.unwrap().is_none());
}

#[tokio::test]
async fn an_address_that_is_no_store_is_refused() {
    for url in ["", "sqlite:", "moorline.db", "postgres://moorline:hunter2@db/moorline"] {
        let error = Record::open(url).await.unwrap_err();
        assert!(matches!(error, OpenError::Address { .. }), "{url}: {error}");
        assert!(!error.to_string().contains("hunter2"));
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_made_is_named() {
    let error = Record::open("sqlite:/nowhere/moorline.db").await.unwrap_err();
    assert!(matches!(error, OpenError::File { .. }));
    assert!(error.to_string().contains("/nowhere/moorline.db"));
}

#[tokio::test]
async fn a_file_that_is_no_record_is_named_and_left_alone() {
    let (folder, url) = place();
    let path = folder.path().join("moorline.db");
    let text = "not a database, and longer than the header that SQLite looks at. ".repeat(20);
    std::fs::write(&path, &text).unwrap();
    let error = Record::open(&url).await.unwrap_err();
    assert!(matches!(&error, OpenError::Store(StoreError::Unreadable { .. })), "{error:?}");
    assert!(error.to_string().contains(path.to_str().unwrap()));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_record_of_a_newer_release_is_refused() {
    let (folder, url) = place();
    Record::open(&url).await.unwrap().close().await;
    let raw = sqlx::SqlitePool::connect(folder.path().join("moorline.db").to_str().unwrap()).await.unwrap();
    sqlx::raw_sql("INSERT INTO migrations VALUES (9, '0010_later', 'x')").execute(&raw).await.unwrap();
    let error = Record::open(&url).await.unwrap_err();
    assert!(matches!(&error, OpenError::Schema { place: Place::File(_), .. }));
    assert!(error.to_string().contains("0010_later"), "{error}");
}

#[tokio::test]
async fn a_commit_that_fails_in_its_last_statement_leaves_nothing_of_its_first() {
    let (folder, url) = place();
    let record = Record::open(&url).await.unwrap();
    let fence = lead(&record, "a", 0).await;
    let step = record.journal_begin(fence, &prod(), None, "step", audit("step")).await.unwrap();
    let raw = sqlx::SqlitePool::connect(folder.path().join("moorline.db").to_str().unwrap()).await.unwrap();
    let failing = "CREATE TRIGGER f BEFORE UPDATE ON journal BEGIN SELECT RAISE(ABORT, 'disk on fire'); END";
    sqlx::raw_sql(failing).execute(&raw).await.unwrap();

    let state = state();
    let write = Write {
        events: vec![event("one")],
        audit: vec![audit("one")],
        journal_end: Some(step),
        ..Write::of(&state, Version(0))
    };
    let error = record.commit(fence, write).await.unwrap_err();
    assert!(matches!(error, CommitError::Store(StoreError::Failed { .. })), "{error:?}");
    assert_eq!(record.load(&prod()).await.unwrap(), None);
    assert!(record.history(&prod(), 10, None).await.unwrap().is_empty());
    assert_eq!(record.verify_audit().await.unwrap().entries, 1, "the step's own entry");
}

#[tokio::test]
async fn intents_that_the_release_before_applied_are_still_readable() {
    let (folder, url) = place();
    Record::open(&url).await.unwrap().close().await;
    // The file as that release left it.
    let path = folder.path().join("moorline.db");
    let raw = sqlx::SqlitePool::connect(path.to_str().unwrap()).await.unwrap();
    let old = "DELETE FROM migrations WHERE position >= 1; ALTER TABLE intents DROP COLUMN outcome;
        INSERT INTO intents (environment, body, consumed) VALUES ('prod', '{\"environment\":\"prod\",\"wish\":\"rollback\",
            \"commit\":null,\"actor\":\"operator\",\"at\":\"2026-11-21T12:00:00Z\"}', 3)";
    sqlx::raw_sql(old).execute(&raw).await.unwrap();
    raw.close().await;
    let record = Record::open(&url).await.unwrap();
    let recorded = record.intent(&prod(), IntentId(1)).await.unwrap().unwrap();
    assert_eq!((recorded.is_applied, recorded.outcome), (true, None));
    assert_eq!(recorded.intent.operation.as_str(), "rollback");
}
