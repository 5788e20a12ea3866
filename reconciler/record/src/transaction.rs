//! The transaction that a write happens in.
//!
//! SQLite ends a transaction by itself when the disk is full, and whoever still counts one as open cannot begin another: one full
//! moment would make every later write fail. So nothing is counted here. A transaction that was not committed, for whatever
//! reason, goes with its connection, and the next write gets a new one.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqlitePool;
use sqlx::{Executor as _, Sqlite, SqliteConnection};

/// An open transaction. Dropping it undoes what was written.
#[derive(Debug)]
pub(crate) struct Transaction {
    connection: PoolConnection<Sqlite>,
    is_over: bool,
    in_memory: Option<InMemory>,
}

/// A record in memory goes with its one connection, which is therefore kept: what was left open on it is undone before the next
/// transaction begins.
#[derive(Debug, Clone, Default)]
pub(crate) struct InMemory(Arc<AtomicBool>);

impl Transaction {
    /// Begins one. It takes the database's write lock at once.
    pub(crate) async fn begin(pool: &SqlitePool, in_memory: Option<&InMemory>) -> Result<Self, sqlx::Error> {
        let connection = pool.acquire().await?;
        // From here on, whatever ends this early ends the connection too.
        let mut transaction = Self { connection, is_over: false, in_memory: in_memory.cloned() };
        if in_memory.is_some_and(|memory| memory.0.swap(false, Ordering::AcqRel)) {
            // SQLite may have undone it itself.
            drop(transaction.connection.execute("ROLLBACK").await);
        }
        transaction.connection.execute("BEGIN IMMEDIATE").await?;
        Ok(transaction)
    }

    /// Makes it durable.
    pub(crate) async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.connection.execute("COMMIT").await?;
        self.is_over = true;
        Ok(())
    }
}

impl Deref for Transaction {
    type Target = SqliteConnection;
    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        match &self.in_memory {
            _ if self.is_over => {}
            Some(memory) => memory.0.store(true, Ordering::Release),
            None => self.connection.close_on_drop(),
        }
    }
}
