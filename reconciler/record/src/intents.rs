//! What people asked for: written down here with its audit entry, applied by the next cycle, which adds what came of it.

use moorline_model::EnvironmentName;
use moorline_model::event::AuditEntry;
use moorline_model::intent::{Intent, Outcome};

use crate::Record;
use crate::audit;
use crate::error::{IntentError, StoreError};
use crate::number::{IntentId, Version};
use crate::store::{Connection, from_json, limit, to_json};

/// Intents of one environment that may wait at once.
pub const INTENTS_PENDING_MAX: usize = 100;

/// An intent as it stands in the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedIntent {
    pub intent: Intent,
    /// Whether a cycle has applied it.
    pub is_applied: bool,
    /// What came of it; absent while it waits, and for intents that an earlier release applied.
    pub outcome: Option<Outcome>,
}

impl Record {
    /// Writes an intent down, and first, in the same transaction, who asked for what and why.
    ///
    /// # Errors
    /// [`IntentError::TooMany`] when [`INTENTS_PENDING_MAX`] wait already.
    pub async fn add_intent(&self, intent: &Intent) -> Result<IntentId, IntentError> {
        const ATTEMPT: &str = "write an intent";
        let failed = || self.store.failed(ATTEMPT);
        let mut transaction = self.store.begin(ATTEMPT).await?;
        let (waiting,): (i64,) =
            sqlx::query_as("SELECT count(*) FROM intents WHERE environment = $1 AND consumed IS NULL")
                .bind(intent.environment.as_str())
                .fetch_one(&mut *transaction)
                .await
                .map_err(failed())?;
        if waiting >= limit(INTENTS_PENDING_MAX) {
            let environment = intent.environment.clone();
            return Err(IntentError::TooMany { environment, max: INTENTS_PENDING_MAX });
        }
        audit::append(&mut transaction, &entry(intent)).await.map_err(failed())?;
        let body = to_json(intent).map_err(failed())?;
        let (id,): (i64,) =
            sqlx::query_as("INSERT INTO intents (environment, body) VALUES ($1, $2) RETURNING id")
                .bind(intent.environment.as_str())
                .bind(body)
                .fetch_one(&mut *transaction)
                .await
                .map_err(failed())?;
        self.store.finish(ATTEMPT, transaction).await?;
        Ok(IntentId::from_sql(id))
    }

    /// One of an environment's intents, and what came of it.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn intent(
        &self,
        environment: &EnvironmentName,
        id: IntentId,
    ) -> Result<Option<RecordedIntent>, StoreError> {
        let attempt = "read an intent";
        let row: Option<(String, Option<i64>, Option<String>)> =
            sqlx::query_as("SELECT body, consumed, outcome FROM intents WHERE environment = $1 AND id = $2")
                .bind(environment.as_str())
                .bind(id.to_sql())
                .fetch_optional(self.store.reader())
                .await
                .map_err(self.store.failed(attempt))?;
        row.map(from_row).transpose().map_err(self.store.failed(attempt))
    }

    /// An environment's last intents and what came of them, the newest first.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn last_intents(
        &self,
        environment: &EnvironmentName,
        rows: usize,
    ) -> Result<Vec<RecordedIntent>, StoreError> {
        let attempt = "read the last intents";
        let found: Vec<(String, Option<i64>, Option<String>)> = sqlx::query_as(
            "SELECT body, consumed, outcome FROM intents WHERE environment = $1 ORDER BY id DESC LIMIT $2",
        )
        .bind(environment.as_str())
        .bind(limit(rows))
        .fetch_all(self.store.reader())
        .await
        .map_err(self.store.failed(attempt))?;
        found.into_iter().map(from_row).collect::<Result<_, _>>().map_err(self.store.failed(attempt))
    }

    /// An environment's intents that no commit has applied, oldest first.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn pending_intents(
        &self,
        environment: &EnvironmentName,
    ) -> Result<Vec<(IntentId, Intent)>, StoreError> {
        let attempt = "read the waiting intents";
        let rows: Vec<(i64, String)> = sqlx::query_as(
            "SELECT id, body FROM intents WHERE environment = $1 AND consumed IS NULL ORDER BY id LIMIT $2",
        )
        .bind(environment.as_str())
        .bind(limit(INTENTS_PENDING_MAX))
        .fetch_all(self.store.reader())
        .await
        .map_err(self.store.failed(attempt))?;
        rows.into_iter()
            .map(|(id, body)| Ok((IntentId::from_sql(id), from_json(&body)?)))
            .collect::<Result<_, _>>()
            .map_err(self.store.failed(attempt))
    }
}

fn from_row(
    (body, consumed, outcome): (String, Option<i64>, Option<String>),
) -> Result<RecordedIntent, sqlx::Error> {
    let outcome = outcome.map(|outcome| from_json(&outcome)).transpose()?;
    Ok(RecordedIntent { intent: from_json(&body)?, is_applied: consumed.is_some(), outcome })
}

fn entry(intent: &Intent) -> AuditEntry {
    let detail = match intent.operation.detail() {
        Some(detail) => format!("{detail}: {}", intent.reason),
        None => intent.reason.clone(),
    };
    AuditEntry {
        at: intent.at,
        actor: intent.actor.clone(),
        action: intent.operation.as_str().to_owned(),
        target: intent.environment.to_string(),
        commit: intent.operation.commit().cloned(),
        detail,
    }
}

/// Notes that a commit applied an intent, and what came of it.
pub(crate) async fn mark_applied(
    connection: &mut Connection,
    id: IntentId,
    outcome: &Outcome,
    version: Version,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE intents SET consumed = $1, outcome = $2 WHERE id = $3 AND consumed IS NULL")
        .bind(version.to_sql())
        .bind(to_json(outcome)?)
        .bind(id.to_sql())
        .execute(connection)
        .await
        .map(drop)
}
