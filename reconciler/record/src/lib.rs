//! The record: all that outlives a cycle and a process.
//!
//! In: what a cycle found and decided ([`Write`]), what people ask for, the document Terraform delivers. Out: the same
//! again, in order. One SQLite file; every commit is on disk when it returns, and every write of a cycle shows the
//! leader's [`Fence`].
//!
//! Reading order: [`lease`](Record::lease) makes a leader, [`load`](Record::load) and [`commit`](Record::commit) are
//! the two ends of a cycle, [`journal_begin`](Record::journal_begin) stands before each effect; the outbox carries
//! messages on afterwards.

#![expect(missing_docs, reason = "only this workspace uses the crate; a doc says what a name does not")]

mod audit;
mod commit;
mod documents;
mod error;
mod history;
mod intents;
mod journal;
mod lease;
mod number;
mod outbox;
mod recent;
mod retention;
mod schema;
mod store;
mod transaction;
mod unfinished;

use std::sync::Arc;

use tokio::sync::watch;

pub use audit::{AuditHead, AuditRow};
pub use commit::Write;
pub use documents::HandOver;
pub use error::{
    AuditError, CommitError, FencedError, HandOverError, IntentError, Place, StaleLease, StoreError,
};
pub use history::Recorded;
pub use intents::{INTENTS_PENDING_MAX, RecordedIntent};
pub use journal::OpenStep;
pub use lease::{Leader, Lease};
pub use number::{Fence, IntentId, JournalId, OutboxId, Sequence, Version};
pub use outbox::{Addressed, OutboxItem};
pub use retention::{
    DOCUMENTS_RETAINED, EVENTS_RETAINED, INTENTS_RETAINED, JOURNAL_RETAINED, OUTBOX_RETAINED,
    ROLLOUTS_RETAINED, THREADS_RETAINED,
};
pub use store::{BUSY_TIMEOUT, OpenError};
pub use unfinished::Unfinished;

/// The record. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Record {
    store: Arc<store::Store>,
    recent: Arc<recent::Recent>,
}

impl Record {
    /// Opens a record (`sqlite:PATH`, `sqlite::memory:`), makes it when there is none, and brings its tables up to
    /// date. The file is readable by this user only.
    ///
    /// # Errors
    /// [`OpenError`] names the file.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        let store = store::Store::open(url).await?;
        Ok(Self { store: Arc::new(store), recent: Arc::default() })
    }

    /// Where it is kept.
    #[must_use]
    pub fn place(&self) -> &Place {
        self.store.place()
    }

    /// A count that moves with each write of this process. Writes of other processes do not move it.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.store.changes()
    }

    /// Transactions that this process has written, each of them a wait for the disk.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.store.writes()
    }

    /// Closes the file; later calls fail.
    pub async fn close(&self) {
        self.store.close().await;
    }
}
