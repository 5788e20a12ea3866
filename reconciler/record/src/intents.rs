//! What people asked for: written down here with its audit entry, heeded by the next cycle.

use moorline_model::EnvironmentName;
use moorline_model::event::AuditEntry;
use moorline_model::intent::{Intent, Wish};
use moorline_model::rollout::Shown;

use crate::Record;
use crate::audit;
use crate::error::{IntentError, StoreError};
use crate::number::{IntentId, Version};
use crate::store::{Connection, from_json, limit, to_json};

/// Wishes of one environment that may wait at once.
pub const INTENTS_PENDING_MAX: usize = 100;

impl Record {
    /// Writes a wish down, and first, in the same transaction, who asked for what and why.
    ///
    /// # Errors
    /// [`IntentError::TooMany`] when [`INTENTS_PENDING_MAX`] wait already.
    pub async fn add_intent(&self, intent: &Intent) -> Result<IntentId, IntentError> {
        const ATTEMPT: &str = "write a wish down";
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

    /// An environment's wishes that no commit has consumed, oldest first.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn pending_intents(
        &self,
        environment: &EnvironmentName,
    ) -> Result<Vec<(IntentId, Intent)>, StoreError> {
        let attempt = "read the wishes that wait";
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

fn entry(intent: &Intent) -> AuditEntry {
    let commit = match &intent.wish {
        Wish::Rollback { commit } | Wish::Hold { commit } => commit.clone(),
        Wish::Sync | Wish::Approve(_) | Wish::Release => None,
    };
    let detail = match &intent.wish {
        Wish::Approve(seen) => format!("{}: {}", named(seen), intent.reason),
        _ => intent.reason.clone(),
    };
    AuditEntry {
        at: intent.at,
        actor: intent.actor.clone(),
        action: intent.wish.as_str().to_owned(),
        target: intent.environment.to_string(),
        commit,
        detail,
    }
}

/// `plan 0123, document sha256:4567`.
fn named(seen: &Shown) -> String {
    let plan = seen.plan_sha256.as_ref().map(|plan| format!("plan {plan}"));
    let document = seen.digest.map(|digest| format!("document {digest}"));
    plan.into_iter().chain(document).collect::<Vec<_>>().join(", ")
}

/// Notes that a commit heeded a wish.
pub(crate) async fn consume(
    connection: &mut Connection,
    id: IntentId,
    version: Version,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE intents SET consumed = $1 WHERE id = $2 AND consumed IS NULL")
        .bind(version.to_sql())
        .bind(id.to_sql())
        .execute(connection)
        .await
        .map(drop)
}
