//! The end of a cycle: everything it found and decided, in one transaction.

use moorline_model::EnvironmentName;
use moorline_model::environment::{EnvironmentState, StoredDocument};
use moorline_model::event::{AuditEntry, Event};
use moorline_model::intent::Outcome;
use moorline_model::rollout::Rollout;

use crate::error::CommitError;
use crate::number::{Fence, IntentId, JournalId, Version};
use crate::outbox::{self, Addressed};
use crate::store::{Connection, to_json};
use crate::{Record, audit, documents, intents, journal};

/// What a step's journal row says when its result is in the committed state.
const OUTCOME_COMMITTED: &str = "committed";
/// What it says when its result was never seen, and the committed state knows that.
const OUTCOME_INTERRUPTED: &str = "interrupted";

/// What one cycle leaves behind.
#[derive(Debug, Clone)]
pub struct Write<'a> {
    /// The environment's new state. Its rollout is kept in the list of rollouts too.
    pub state: &'a EnvironmentState,
    /// The version the cycle loaded; [`Version`] 0 when there was none.
    pub expected: Version,
    /// Lines of history.
    pub events: Vec<Event>,
    /// Messages to people.
    pub notifications: Vec<Addressed>,
    /// Audit entries that belong to no journal step.
    pub audit: Vec<AuditEntry>,
    /// Intents that were applied, and what came of each.
    pub applied_intents: Vec<(IntentId, Outcome)>,
    /// The journal step whose result the state holds.
    pub journal_end: Option<JournalId>,
    /// Steps that were left open: the state takes into account that their result was never seen.
    pub left_open: Vec<JournalId>,
    /// Documents to keep.
    pub documents: Vec<StoredDocument>,
}

impl<'a> Write<'a> {
    /// A state alone.
    #[must_use]
    pub const fn of(state: &'a EnvironmentState, expected: Version) -> Self {
        Self {
            state,
            expected,
            events: Vec::new(),
            notifications: Vec::new(),
            audit: Vec::new(),
            applied_intents: Vec::new(),
            journal_end: None,
            left_open: Vec::new(),
            documents: Vec::new(),
        }
    }
}

impl Record {
    /// Commits a cycle: all of it or nothing.
    ///
    /// # Errors
    /// [`CommitError::StaleLease`] when another leads, [`CommitError::Conflict`] when the state is not the one that
    /// was loaded.
    pub async fn commit(&self, fence: Fence, write: Write<'_>) -> Result<Version, CommitError> {
        const ATTEMPT: &str = "commit a cycle";
        let environment = write.state.name.clone();
        let result = self.try_commit(ATTEMPT, fence, write).await;
        if result.is_err() {
            // Whether it was written may not be known: what is stored is read again.
            self.recent.forget(&environment);
        }
        result
    }

    async fn try_commit(
        &self,
        attempt: &'static str,
        fence: Fence,
        write: Write<'_>,
    ) -> Result<Version, CommitError> {
        let mut transaction = self.store.begin(attempt).await?;
        self.check(attempt, fence, &mut transaction).await?;
        let version = Version(write.expected.0 + 1);
        let found = swap(&mut transaction, &write, version).await.map_err(self.store.failed(attempt))?;
        if let Err(found) = found {
            let environment = write.state.name.clone();
            return Err(CommitError::Conflict { environment, expected: write.expected, found });
        }
        append(&mut transaction, &write, version).await.map_err(self.store.failed(attempt))?;
        self.store.finish(attempt, transaction).await?;
        self.recent.written(write.state, version);
        Ok(version)
    }
}

/// Compare-and-set; the inner error is the version that is there instead.
async fn swap(
    connection: &mut Connection,
    write: &Write<'_>,
    version: Version,
) -> Result<Result<(), Version>, sqlx::Error> {
    let name = write.state.name.as_str();
    let found: Option<(i64,)> = sqlx::query_as("SELECT version FROM environments WHERE name = $1")
        .bind(name)
        .fetch_optional(&mut *connection)
        .await?;
    let found = found.map_or(Version(0), |(found,)| Version::from_sql(found));
    if found != write.expected {
        return Ok(Err(found));
    }
    sqlx::query(
        "INSERT INTO environments (name, version, state) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET version = excluded.version, state = excluded.state",
    )
    .bind(name)
    .bind(version.to_sql())
    .bind(to_json(write.state)?)
    .execute(connection)
    .await?;
    Ok(Ok(()))
}

async fn append(connection: &mut Connection, write: &Write<'_>, version: Version) -> Result<(), sqlx::Error> {
    let environment = &write.state.name;
    for entry in &write.audit {
        audit::append(connection, entry).await?;
    }
    for event in &write.events {
        sqlx::query("INSERT INTO events (environment, body) VALUES ($1, $2)")
            .bind(event.environment.as_str())
            .bind(to_json(event)?)
            .execute(&mut *connection)
            .await?;
    }
    for document in &write.documents {
        documents::store(connection, environment, document).await?;
    }
    if let Some(rollout) = &write.state.rollout {
        store_rollout(connection, environment, rollout).await?;
    }
    for message in &write.notifications {
        outbox::queue(connection, message, version).await?;
    }
    for (id, outcome) in &write.applied_intents {
        intents::mark_applied(connection, *id, outcome, version).await?;
    }
    if let Some(id) = write.journal_end {
        journal::end(connection, id, OUTCOME_COMMITTED).await?;
    }
    for id in &write.left_open {
        journal::end(connection, *id, OUTCOME_INTERRUPTED).await?;
    }
    Ok(())
}

async fn store_rollout(
    connection: &mut Connection,
    environment: &EnvironmentName,
    rollout: &Rollout,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO rollouts (id, environment, phase, started_ms, body) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (id) DO UPDATE SET phase = excluded.phase, body = excluded.body
         WHERE rollouts.body <> excluded.body",
    )
    .bind(rollout.id.to_string())
    .bind(environment.as_str())
    .bind(rollout.phase.as_str())
    .bind(rollout.started_at.as_millisecond())
    .bind(to_json(rollout)?)
    .execute(connection)
    .await
    .map(drop)
}
