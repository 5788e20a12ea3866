//! What can go wrong with the record. Each error says what was attempted and on which file.

use std::fmt;
use std::path::PathBuf;

use moorline_model::EnvironmentName;
use moorline_model::config::Digest;

use crate::number::{Fence, Sequence, Version};

/// Where the record is kept, as errors name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    File(PathBuf),
    /// Memory: gone when the process ends.
    Memory,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(formatter),
            Self::Memory => formatter.write_str("memory"),
        }
    }
}

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot {attempt}: there is no room left for {place}")]
    Full {
        /// What was attempted.
        attempt: &'static str,
        /// On which file.
        place: Place,
        /// The database's word.
        #[source]
        source: sqlx::Error,
    },
    #[error("cannot {attempt}: {place} may only be read")]
    ReadOnly {
        /// What was attempted.
        attempt: &'static str,
        /// On which file.
        place: Place,
        /// The database's word.
        #[source]
        source: sqlx::Error,
    },
    /// Too much of this process's own waits for it. Trying again later helps.
    #[error("cannot {attempt}: other writes of this daemon wait for {place}; it is tried again")]
    Crowded {
        /// What was attempted.
        attempt: &'static str,
        /// On which file.
        place: Place,
        /// The database's word.
        #[source]
        source: sqlx::Error,
    },
    /// Another process held it longer than [`crate::BUSY_TIMEOUT`]. Trying again later helps.
    #[error("cannot {attempt}: {place} is in use by another process")]
    Busy {
        /// What was attempted.
        attempt: &'static str,
        /// On which file.
        place: Place,
        /// The database's word.
        #[source]
        source: sqlx::Error,
    },
    /// What is stored is not what this release writes.
    #[error("cannot {attempt}: {place} holds something unreadable")]
    Unreadable {
        /// What was attempted.
        attempt: &'static str,
        /// On which file.
        place: Place,
        /// What is wrong with it.
        #[source]
        source: sqlx::Error,
    },
    #[error("cannot {attempt} in {place}")]
    Failed {
        /// What was attempted.
        attempt: &'static str,
        /// On which file.
        place: Place,
        /// The database's word.
        #[source]
        source: sqlx::Error,
    },
}

impl StoreError {
    pub(crate) fn new(attempt: &'static str, place: Place, source: sqlx::Error) -> Self {
        match Trouble::of(&source) {
            Trouble::Full => Self::Full { attempt, place, source },
            Trouble::ReadOnly => Self::ReadOnly { attempt, place, source },
            Trouble::Crowded => Self::Crowded { attempt, place, source },
            Trouble::Busy => Self::Busy { attempt, place, source },
            Trouble::Unreadable => Self::Unreadable { attempt, place, source },
            Trouble::Other => Self::Failed { attempt, place, source },
        }
    }

    /// Whether trying again later may help without a person.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Crowded { .. } | Self::Full { .. })
    }
}

/// SQLite's primary result codes that call for different deeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    Full,
    ReadOnly,
    Crowded,
    Busy,
    Unreadable,
    Other,
}

impl Trouble {
    pub(crate) fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolTimedOut => Self::Crowded,
            sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => Self::Unreadable,
            sqlx::Error::Database(database) => {
                let code = database.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or(0);
                // The low byte is the primary code: 5 BUSY, 6 LOCKED, 8 READONLY, 11 CORRUPT, 13 FULL, 26 NOTADB.
                match code & 0xff {
                    5 | 6 => Self::Busy,
                    8 => Self::ReadOnly,
                    13 => Self::Full,
                    11 | 26 => Self::Unreadable,
                    _ => Self::Other,
                }
            }
            _ => Self::Other,
        }
    }
}

/// A newer leader has been chosen; whoever holds the older fence must stop acting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this process is no longer the leader: it holds fence {held}, the newest is {newest}")]
pub struct StaleLease {
    /// The fence that was shown.
    pub held: Fence,
    /// The newest fence.
    pub newest: Fence,
}

/// Why a write that shows a fence was refused.
#[derive(Debug, thiserror::Error)]
pub enum FencedError {
    /// Another process leads.
    #[error(transparent)]
    StaleLease(#[from] StaleLease),
    /// The store could not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a cycle's result was not committed. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Another process leads.
    #[error(transparent)]
    StaleLease(#[from] StaleLease),
    /// The state was committed by somebody else since it was loaded.
    #[error("`{environment}` was committed meanwhile: expected version {expected}, found {found}")]
    Conflict {
        /// Of which environment.
        environment: EnvironmentName,
        /// The version the writer had loaded.
        expected: Version,
        /// The version that is there.
        found: Version,
    },
    /// The store could not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<FencedError> for CommitError {
    fn from(error: FencedError) -> Self {
        match error {
            FencedError::StaleLease(stale) => Self::StaleLease(stale),
            FencedError::Store(store) => Self::Store(store),
        }
    }
}

/// Why an intent was not written down.
#[derive(Debug, thiserror::Error)]
pub enum IntentError {
    /// Too many wait already.
    #[error("`{environment}` has {max} intents waiting; no more are taken until some are applied")]
    TooMany { environment: EnvironmentName, max: usize },
    /// The store could not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a document was not handed over.
#[derive(Debug, thiserror::Error)]
pub enum HandOverError {
    /// It is not the one the writer saw.
    #[error("the document of `{environment}` was changed meanwhile: expected {expected}, found {}", found_text(*.found))]
    Mismatch {
        environment: EnvironmentName,
        /// The digest the writer had seen.
        expected: Digest,
        /// The digest that is there; absent: none was handed over.
        found: Option<Digest>,
    },
    /// The store could not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn found_text(found: Option<Digest>) -> String {
    found.map_or_else(|| "none".to_owned(), |digest| digest.to_string())
}

/// What a check of the audit found.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// An entry was changed, or one before it was removed.
    #[error("audit entry {at} is not what was written: its hash does not follow from the entries before it")]
    Broken {
        /// The first entry that does not fit.
        at: Sequence,
    },
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_of_our_own_is_not_laid_at_another_process() {
        let error = StoreError::new("commit a cycle", Place::Memory, sqlx::Error::PoolTimedOut);
        assert!(error.is_transient());
        assert_eq!(
            error.to_string(),
            "cannot commit a cycle: other writes of this daemon wait for memory; it is tried again"
        );
    }
}
