//! What is remembered of environments, their events and their rollouts: the reading half.

use std::sync::Arc;

use moorline_model::environment::EnvironmentState;
use moorline_model::event::Event;
use moorline_model::rollout::Rollout;
use moorline_model::{EnvironmentName, RolloutId};
use serde::{Deserialize, Serialize};

use crate::Record;
use crate::error::StoreError;
use crate::number::{Sequence, Version};
use crate::store::{from_json, limit};

/// An event and its place in the row of all events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    pub seq: Sequence,
    #[serde(flatten)]
    pub event: Event,
}

impl Record {
    /// An environment's state and how often it was committed. `None`: never.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn load(
        &self,
        environment: &EnvironmentName,
    ) -> Result<Option<(Arc<EnvironmentState>, Version)>, StoreError> {
        if let Some((state, version)) = self.recent.get(environment) {
            return Ok(Some((state, version)));
        }
        let attempt = "read an environment's state";
        let row: Option<(String, i64)> =
            sqlx::query_as("SELECT state, version FROM environments WHERE name = $1")
                .bind(environment.as_str())
                .fetch_optional(self.store.reader())
                .await
                .map_err(self.store.failed(attempt))?;
        row.map(|(state, version)| Ok((Arc::new(from_json(&state)?), Version::from_sql(version))))
            .transpose()
            .map_err(self.store.failed(attempt))
    }

    /// All environments' states, by name.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn environments(&self) -> Result<Vec<Arc<EnvironmentState>>, StoreError> {
        let attempt = "read the environments";
        let names: Vec<(String,)> = sqlx::query_as("SELECT name FROM environments ORDER BY name")
            .fetch_all(self.store.reader())
            .await
            .map_err(self.store.failed(attempt))?;
        let recent = |name: &str| self.recent.get(&name.parse().ok()?).map(|(state, _)| state);
        if let Some(states) = names.iter().map(|(name,)| recent(name)).collect() {
            return Ok(states);
        }
        let rows: Vec<(String, String)> =
            sqlx::query_as("SELECT name, state FROM environments ORDER BY name")
                .fetch_all(self.store.reader())
                .await
                .map_err(self.store.failed(attempt))?;
        rows.iter()
            .map(|(name, state)| recent(name).map_or_else(|| from_json(state).map(Arc::new), Ok))
            .collect::<Result<_, _>>()
            .map_err(self.store.failed(attempt))
    }

    /// Names of environments that come after a name, in their order, at most so many; with a text, those that hold it.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn environment_names(
        &self,
        after: Option<&EnvironmentName>,
        holding: Option<&str>,
        rows: usize,
    ) -> Result<Vec<EnvironmentName>, StoreError> {
        let found: Vec<(String,)> = sqlx::query_as(
            "SELECT name FROM environments WHERE ($1 IS NULL OR name > $1) AND ($2 IS NULL OR instr(name, $2) > 0) \
             ORDER BY name LIMIT $3",
        )
        .bind(after.map(EnvironmentName::as_str))
        .bind(holding)
        .bind(limit(rows))
        .fetch_all(self.store.reader())
        .await
        .map_err(self.store.failed("read the environments' names"))?;
        // What a release before this one could store and this one cannot name has no address either.
        Ok(found.into_iter().filter_map(|(name,)| name.parse().ok()).collect())
    }

    /// An environment's newest events, newest first; with `before`, those older than that one.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn history(
        &self,
        environment: &EnvironmentName,
        rows: usize,
        before: Option<Sequence>,
    ) -> Result<Vec<Recorded>, StoreError> {
        let attempt = "read an environment's history";
        let found = sqlx::query_as(
            "SELECT seq, body FROM events WHERE environment = $1 AND ($2 IS NULL OR seq < $2) ORDER BY seq DESC LIMIT $3",
        )
        .bind(environment.as_str())
        .bind(before.map(Sequence::to_sql))
        .bind(limit(rows))
        .fetch_all(self.store.reader())
        .await
        .map_err(self.store.failed(attempt))?;
        found.into_iter().map(recorded).collect::<Result<_, _>>().map_err(self.store.failed(attempt))
    }

    /// Events of all environments after one, oldest first. What retention has dropped is not among them.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn events_after(&self, seq: Sequence, rows: usize) -> Result<Vec<Recorded>, StoreError> {
        let attempt = "read the events";
        let found = sqlx::query_as("SELECT seq, body FROM events WHERE seq > $1 ORDER BY seq LIMIT $2")
            .bind(seq.to_sql())
            .bind(limit(rows))
            .fetch_all(self.store.reader())
            .await
            .map_err(self.store.failed(attempt))?;
        found.into_iter().map(recorded).collect::<Result<_, _>>().map_err(self.store.failed(attempt))
    }

    /// The place of the newest event. 0: there is none.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn last_event(&self) -> Result<Sequence, StoreError> {
        let (last,): (i64,) = sqlx::query_as("SELECT coalesce(max(seq), 0) FROM events")
            .fetch_one(self.store.reader())
            .await
            .map_err(self.store.failed("read the events"))?;
        Ok(Sequence::from_sql(last))
    }

    /// An environment's newest rollouts, newest first, each as last committed.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn rollouts(
        &self,
        environment: &EnvironmentName,
        rows: usize,
    ) -> Result<Vec<Rollout>, StoreError> {
        let attempt = "read an environment's rollouts";
        let found: Vec<(String,)> = sqlx::query_as(
            "SELECT body FROM rollouts WHERE environment = $1 ORDER BY started_ms DESC, id DESC LIMIT $2",
        )
        .bind(environment.as_str())
        .bind(limit(rows))
        .fetch_all(self.store.reader())
        .await
        .map_err(self.store.failed(attempt))?;
        found
            .iter()
            .map(|(body,)| from_json(body))
            .collect::<Result<_, _>>()
            .map_err(self.store.failed(attempt))
    }

    /// One of an environment's rollouts as last committed.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn rollout(
        &self,
        environment: &EnvironmentName,
        id: RolloutId,
    ) -> Result<Option<Rollout>, StoreError> {
        let attempt = "read a rollout";
        let row: Option<(String,)> =
            sqlx::query_as("SELECT body FROM rollouts WHERE id = $1 AND environment = $2")
                .bind(id.to_string())
                .bind(environment.as_str())
                .fetch_optional(self.store.reader())
                .await
                .map_err(self.store.failed(attempt))?;
        row.map(|(body,)| from_json(&body)).transpose().map_err(self.store.failed(attempt))
    }

    /// How many kept rollouts each environment has in each phase: environment, phase, count.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn rollout_counts(&self) -> Result<Vec<(String, String, u64)>, StoreError> {
        let rows: Vec<(String, String, i64)> = sqlx::query_as(
            "SELECT environment, phase, count(*) FROM rollouts GROUP BY environment, phase ORDER BY environment, phase",
        )
        .fetch_all(self.store.reader())
        .await
        .map_err(self.store.failed("count the rollouts"))?;
        Ok(rows.into_iter().map(|(name, phase, count)| (name, phase, count.unsigned_abs())).collect())
    }
}

fn recorded((seq, body): (i64, String)) -> Result<Recorded, sqlx::Error> {
    Ok(Recorded { seq: Sequence::from_sql(seq), event: from_json(&body)? })
}
