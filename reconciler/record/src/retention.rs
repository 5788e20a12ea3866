//! What is kept, and how much of it. The audit is kept whole.

use moorline_model::config::Digest;
use moorline_model::environment::EnvironmentState;
use moorline_model::rollout::Deployed;

use crate::Record;
use crate::error::FencedError;
use crate::number::Fence;
use crate::store::{Connection, limit};

/// Events kept of each environment.
pub const EVENTS_RETAINED: usize = 10_000;
/// Rollouts kept of each environment.
pub const ROLLOUTS_RETAINED: usize = 1_000;
/// Journal steps kept of each environment; an open one is kept whatever its age.
pub const JOURNAL_RETAINED: usize = 1_000;
/// Documents kept of each environment, besides those the state or a hand-over names.
pub const DOCUMENTS_RETAINED: usize = 200;
/// Applied intents kept of each environment.
pub const INTENTS_RETAINED: usize = 1_000;
/// Messages kept after they went out or were given up.
pub const OUTBOX_RETAINED: usize = 10_000;
/// Incidents whose threads are remembered.
pub const THREADS_RETAINED: usize = 10_000;

/// Environments that are pruned in one transaction: others want to write too.
const PRUNED_AT_ONCE: usize = 100;

impl Record {
    /// Drops what is older than the bounds, of all environments. Between two calls more is kept.
    ///
    /// # Errors
    /// [`FencedError::StaleLease`] when another leads.
    pub async fn prune(&self, fence: Fence) -> Result<(), FencedError> {
        const ATTEMPT: &str = "drop what is older than is kept";
        let states = self.environments().await?;
        for some in states.chunks(PRUNED_AT_ONCE) {
            let mut transaction = self.store.begin(ATTEMPT).await?;
            self.check(ATTEMPT, fence, &mut transaction).await?;
            for state in some {
                prune(&mut transaction, state).await.map_err(self.store.failed(ATTEMPT))?;
            }
            self.store.finish_quietly(ATTEMPT, transaction).await?;
        }
        let mut transaction = self.store.begin(ATTEMPT).await?;
        self.check(ATTEMPT, fence, &mut transaction).await?;
        prune_messages(&mut transaction).await.map_err(self.store.failed(ATTEMPT))?;
        Ok(self.store.finish_quietly(ATTEMPT, transaction).await?)
    }
}

/// Each statement walks an index.
async fn prune(connection: &mut Connection, state: &EnvironmentState) -> Result<(), sqlx::Error> {
    const STATEMENTS: [(&str, usize); 4] = [
        (
            "DELETE FROM events WHERE environment = $1 AND seq <= (
                SELECT seq FROM events WHERE environment = $1 ORDER BY seq DESC LIMIT 1 OFFSET $2)",
            EVENTS_RETAINED,
        ),
        (
            "DELETE FROM rollouts WHERE environment = $1 AND id IN (
                SELECT id FROM rollouts WHERE environment = $1 ORDER BY started_ms DESC, id DESC LIMIT 1000000 OFFSET $2)",
            ROLLOUTS_RETAINED,
        ),
        (
            "DELETE FROM journal WHERE environment = $1 AND outcome IS NOT NULL AND id <= (
                SELECT id FROM journal WHERE environment = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)",
            JOURNAL_RETAINED,
        ),
        (
            "DELETE FROM intents WHERE environment = $1 AND consumed IS NOT NULL AND id <= (
                SELECT id FROM intents WHERE environment = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)",
            INTENTS_RETAINED,
        ),
    ];
    for (sql, rows) in STATEMENTS {
        sqlx::query(sql).bind(state.name.as_str()).bind(limit(rows)).execute(&mut *connection).await?;
    }
    prune_documents(connection, state, DOCUMENTS_RETAINED).await
}

async fn prune_messages(connection: &mut Connection) -> Result<(), sqlx::Error> {
    const STATEMENTS: [(&str, usize); 2] = [
        (
            "DELETE FROM outbox WHERE state <> 'waiting' AND id <= (
                SELECT id FROM outbox ORDER BY id DESC LIMIT 1 OFFSET $1)",
            OUTBOX_RETAINED,
        ),
        (
            "DELETE FROM threads WHERE rowid <= (
                SELECT rowid FROM threads ORDER BY rowid DESC LIMIT 1 OFFSET $1)",
            THREADS_RETAINED,
        ),
    ];
    for (sql, rows) in STATEMENTS {
        sqlx::query(sql).bind(limit(rows)).execute(&mut *connection).await?;
    }
    Ok(())
}

/// A document that may still be needed to go back is never dropped.
async fn prune_documents(
    connection: &mut Connection,
    state: &EnvironmentState,
    rows: usize,
) -> Result<(), sqlx::Error> {
    let needed: Vec<String> = needed(state).iter().map(Digest::to_string).collect();
    let old: Vec<(String,)> = sqlx::query_as(
        "SELECT digest FROM documents d WHERE environment = $1 AND NOT EXISTS (
            SELECT 1 FROM handed_over h WHERE h.environment = d.environment AND h.digest = d.digest)
         ORDER BY at_ms DESC, digest LIMIT 1000000 OFFSET $2",
    )
    .bind(state.name.as_str())
    .bind(limit(rows))
    .fetch_all(&mut *connection)
    .await?;
    for (digest,) in old.iter().filter(|(digest,)| !needed.contains(digest)) {
        sqlx::query("DELETE FROM documents WHERE environment = $1 AND digest = $2")
            .bind(state.name.as_str())
            .bind(digest)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

fn needed(state: &EnvironmentState) -> Vec<Digest> {
    let of = |deployed: Option<&Deployed>| deployed.map(|deployed| deployed.digest);
    let rollout = state.rollout.as_ref();
    [
        of(state.applied.as_ref()),
        of(state.verified.as_ref()),
        of(rollout.and_then(|rollout| rollout.from.as_ref())),
        rollout.and_then(|rollout| rollout.digest),
    ]
    .into_iter()
    .flatten()
    .chain(state.verified_before.iter().map(|deployed| deployed.digest))
    .chain(state.found.iter().map(|found| found.digest))
    .collect()
}
