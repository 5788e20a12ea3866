//! The database behind the record: one writer, a few readers.
//!
//! All knowledge of which database it is stays in this file, [`crate::schema`] and the migrations; the statements
//! elsewhere are written in what SQLite and PostgreSQL share.

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::SqliteConnection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use tokio::sync::watch;

use crate::error::{Place, StoreError};
use crate::schema::{self, SchemaError};
use crate::transaction::{InMemory, Transaction};

/// Longest wait for another process that writes.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that read beside the one that writes.
const READERS: u32 = 4;

/// Why the record could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address is of no store this release knows.
    #[error("`{url}` is not a store: expected sqlite:PATH or sqlite::memory:")]
    Address { url: String },
    /// The file could not be made or made private.
    #[error("cannot make {} a private file of this process", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The tables in it are not of this release.
    #[error("cannot use {place}: {detail}")]
    Schema {
        place: Place,
        /// What is wrong with them.
        detail: String,
    },
    /// The database could not be opened or brought up to date.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Debug)]
pub(crate) struct Store {
    writer: SqlitePool,
    reader: SqlitePool,
    place: Place,
    /// The leader's lease is renewed on a connection of its own: behind a queue of writers it could run out.
    lease: SqlitePool,
    in_memory: Option<InMemory>,
    changed: watch::Sender<u64>,
    writes: AtomicU64,
}

impl Store {
    pub(crate) async fn open(url: &str) -> Result<Self, OpenError> {
        match url.strip_prefix("sqlite:") {
            Some(":memory:") => Self::in_memory().await,
            Some(path) if !path.trim_start_matches('/').is_empty() => {
                Self::in_file(PathBuf::from(path.strip_prefix("//").unwrap_or(path))).await
            }
            _ => Err(OpenError::Address { url: without_password(url) }),
        }
    }

    async fn in_memory() -> Result<Self, OpenError> {
        // Each connection would have a memory of its own, so there is one, and it is never closed.
        let options = SqliteConnectOptions::new().in_memory(true).foreign_keys(true);
        let pool = SqlitePoolOptions::new()
            .min_connections(1)
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None);
        let place = Place::Memory;
        let pool = pool.connect_with(options).await.map_err(|error| opening(&place, error))?;
        Self::ready([pool.clone(), pool.clone(), pool], place).await
    }

    async fn in_file(path: PathBuf) -> Result<Self, OpenError> {
        make_private(&path).map_err(|source| OpenError::File { path: path.clone(), source })?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true);
        let place = Place::File(path);
        // A file does not hang up: a connection is not asked whether it is there each time before it is used.
        let pool = || {
            SqlitePoolOptions::new()
                .acquire_timeout(2 * BUSY_TIMEOUT)
                .max_lifetime(None)
                .test_before_acquire(false)
        };
        let writer = pool().max_connections(1).connect_with(options.clone()).await;
        let writer = writer.map_err(|error| opening(&place, error))?;
        let lease = pool().max_connections(1).connect_lazy_with(options.clone());
        let reader = pool().max_connections(READERS).connect_lazy_with(options.pragma("query_only", "ON"));
        Self::ready([writer, reader, lease], place).await
    }

    async fn ready([writer, reader, lease]: [SqlitePool; 3], place: Place) -> Result<Self, OpenError> {
        let (changed, writes) = (watch::Sender::new(0), AtomicU64::new(0));
        let in_memory = (place == Place::Memory).then(InMemory::default);
        let store = Self { writer, reader, lease, in_memory, place, changed, writes };
        let mut transaction = store.begin("open the record").await?;
        schema::migrate(&mut transaction).await.map_err(|error| match error {
            SchemaError::Database(error) => opening(&store.place, error).into(),
            other => OpenError::Schema { place: store.place.clone(), detail: other.to_string() },
        })?;
        transaction.commit().await.map_err(|error| opening(&store.place, error))?;
        Ok(store)
    }

    /// Begins a write. It takes the database's write lock at once: a transaction that first reads and then wants to
    /// write could otherwise find that another process wrote in between.
    pub(crate) async fn begin(&self, attempt: &'static str) -> Result<Transaction, StoreError> {
        Transaction::begin(&self.writer, self.in_memory.as_ref()).await.map_err(self.failed(attempt))
    }

    /// Begins a write of the lease, beside the queue of the other writes.
    pub(crate) async fn begin_lease(&self, attempt: &'static str) -> Result<Transaction, StoreError> {
        Transaction::begin(&self.lease, self.in_memory.as_ref()).await.map_err(self.failed(attempt))
    }

    /// Makes a write durable and tells those who watch.
    pub(crate) async fn finish(
        &self,
        attempt: &'static str,
        transaction: Transaction,
    ) -> Result<(), StoreError> {
        self.finish_quietly(attempt, transaction).await?;
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
        Ok(())
    }

    /// The same, where nothing is new for those who watch.
    pub(crate) async fn finish_quietly(
        &self,
        attempt: &'static str,
        transaction: Transaction,
    ) -> Result<(), StoreError> {
        transaction.commit().await.map_err(self.failed(attempt))?;
        self.writes.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Transactions that this process wrote, each of them one wait for the disk.
    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    pub(crate) const fn reader(&self) -> &SqlitePool {
        &self.reader
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(crate) const fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) fn failed(&self, attempt: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
        let place = self.place.clone();
        move |source| StoreError::new(attempt, place, source)
    }

    pub(crate) async fn close(&self) {
        self.reader.close().await;
        self.lease.close().await;
        self.writer.close().await;
    }
}

fn opening(place: &Place, source: sqlx::Error) -> StoreError {
    StoreError::new("open the record", place.clone(), source)
}

// The record holds who did what and which documents were declared: nobody else's to read. SQLite gives its journal
// files the same permissions.
fn make_private(path: &Path) -> std::io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(())
}

// `postgres://user:password@host/db` must not reach a log.
fn without_password(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => format!("{}…{}", &url[..scheme + 3], &url[at..]),
        _ => url.to_owned(),
    }
}

/// A value as stored.
pub(crate) fn to_json(value: &impl Serialize) -> Result<String, sqlx::Error> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(error.into()))
}

/// A stored value.
pub(crate) fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, sqlx::Error> {
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// Counts rows for a bound.
pub(crate) fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// The connection inside a transaction.
pub(crate) type Connection = SqliteConnection;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_an_address_is_not_repeated() {
        assert_eq!(without_password("postgres://moorline:hunter2@db/moorline"), "postgres://…@db/moorline");
        assert_eq!(without_password("mysql:x"), "mysql:x");
    }

    // What a full disk and a file system mounted read-only make SQLite answer, brought about without either.
    async fn trouble_after(store: &Store, pragma: &'static str) -> StoreError {
        sqlx::query(pragma).execute(&store.writer).await.unwrap();
        loop {
            if let Err(error) = write(store, 100_000).await {
                return error;
            }
        }
    }

    async fn write(store: &Store, bytes: usize) -> Result<(), StoreError> {
        let mut transaction = store.begin("write").await?;
        sqlx::query("INSERT INTO events (environment, body) VALUES ('prod', $1)")
            .bind("x".repeat(bytes))
            .execute(&mut *transaction)
            .await
            .map_err(store.failed("write"))?;
        store.finish("write", transaction).await
    }

    async fn in_file() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::in_file(folder.path().join("moorline.db")).await.unwrap();
        (folder, store)
    }

    #[tokio::test]
    async fn a_full_disk_is_told_from_a_file_that_may_only_be_read_and_both_name_the_file() {
        let (_folder, store) = in_file().await;
        let full = trouble_after(&store, "PRAGMA max_page_count = 100").await;
        assert!(matches!(full, StoreError::Full { .. }), "{full:?}");
        assert!(full.is_transient());
        let read_only = trouble_after(&store, "PRAGMA query_only = ON").await;
        assert!(matches!(read_only, StoreError::ReadOnly { .. }), "{read_only:?}");
        for error in [full, read_only] {
            assert!(error.to_string().contains("moorline.db"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_disk_that_was_full_for_a_moment_is_written_again() {
        let (_folder, store) = in_file().await;
        let full = trouble_after(&store, "PRAGMA max_page_count = 100").await;
        assert!(matches!(full, StoreError::Full { .. }), "{full:?}");
        sqlx::query("PRAGMA max_page_count = 1000000").execute(&store.writer).await.unwrap();
        for _ in 0..3 {
            write(&store, 10).await.unwrap();
        }
    }

    #[tokio::test]
    async fn what_was_not_finished_is_undone_and_hinders_nobody() {
        let (_folder, file) = in_file().await;
        for store in [file, Store::in_memory().await.unwrap()] {
            let mut given_up = store.begin("write").await.unwrap();
            sqlx::query("INSERT INTO events (environment, body) VALUES ('given up', '')")
                .execute(&mut *given_up)
                .await
                .unwrap();
            drop(given_up);
            write(&store, 10).await.unwrap();
            store.finish("write", store.begin_lease("write").await.unwrap()).await.unwrap();
            let names: Vec<(String,)> =
                sqlx::query_as("SELECT environment FROM events").fetch_all(store.reader()).await.unwrap();
            assert_eq!(names, [("prod".to_owned(),)], "{:?}", store.place());
        }
    }
}
