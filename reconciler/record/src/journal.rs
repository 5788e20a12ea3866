//! The journal: each effect is announced, with its audit entry, before it begins.

use jiff::Timestamp;
use moorline_model::event::AuditEntry;
use moorline_model::{EnvironmentName, RolloutId};

use crate::Record;
use crate::audit;
use crate::error::{FencedError, StoreError};
use crate::number::{Fence, JournalId};
use crate::store::Connection;

/// A step that was announced and of which no outcome is known: it may have happened in part, in full or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenStep {
    pub id: JournalId,
    /// The rollout it belongs to.
    pub rollout: Option<RolloutId>,
    /// Which step (`terraform.apply`, `gateway.promote`).
    pub step: String,
    /// The fence of the leader that began it.
    pub fence: Fence,
    /// When it began.
    pub began_at: Timestamp,
}

impl Record {
    /// Announces an effect; its audit entry is written in the same transaction. Only after this returns may the
    /// effect begin.
    ///
    /// # Errors
    /// [`FencedError::StaleLease`] when another leads.
    pub async fn journal_begin(
        &self,
        fence: Fence,
        environment: &EnvironmentName,
        rollout: Option<RolloutId>,
        step: &str,
        audit: AuditEntry,
    ) -> Result<JournalId, FencedError> {
        const ATTEMPT: &str = "announce a step in the journal";
        let mut transaction = self.store.begin(ATTEMPT).await?;
        self.check(ATTEMPT, fence, &mut transaction).await?;
        audit::append(&mut transaction, &audit).await.map_err(self.store.failed(ATTEMPT))?;
        let (id,): (i64,) = sqlx::query_as(
            "INSERT INTO journal (environment, rollout, step, fence, began_ms) VALUES ($1, $2, $3, $4, $5) RETURNING id",
        )
        .bind(environment.as_str())
        .bind(rollout.map(|id| id.to_string()))
        .bind(step)
        .bind(fence.to_sql())
        .bind(audit.at.as_millisecond())
        .fetch_one(&mut *transaction)
        .await
        .map_err(self.store.failed(ATTEMPT))?;
        self.store.finish(ATTEMPT, transaction).await?;
        Ok(JournalId::from_sql(id))
    }

    /// An environment's steps without an outcome, oldest first.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn journal_open(&self, environment: &EnvironmentName) -> Result<Vec<OpenStep>, StoreError> {
        let attempt = "read the journal";
        let rows: Vec<(i64, Option<String>, String, i64, i64)> = sqlx::query_as(
            "SELECT id, rollout, step, fence, began_ms FROM journal
             WHERE environment = $1 AND outcome IS NULL ORDER BY id",
        )
        .bind(environment.as_str())
        .fetch_all(self.store.reader())
        .await
        .map_err(self.store.failed(attempt))?;
        let step = |(id, rollout, step, fence, began_ms): (i64, Option<String>, String, i64, i64)| OpenStep {
            id: JournalId::from_sql(id),
            rollout: rollout.and_then(|id| id.parse().ok()),
            step,
            fence: Fence::from_sql(fence),
            began_at: Timestamp::from_millisecond(began_ms).unwrap_or(Timestamp::UNIX_EPOCH),
        };
        Ok(rows.into_iter().map(step).collect())
    }
}

/// The first outcome stays: a step ends once.
pub(crate) async fn end(
    connection: &mut Connection,
    id: JournalId,
    outcome: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE journal SET outcome = $1 WHERE id = $2 AND outcome IS NULL")
        .bind(outcome)
        .bind(id.to_sql())
        .execute(connection)
        .await
        .map(drop)
}
