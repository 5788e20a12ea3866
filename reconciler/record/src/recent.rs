//! States in memory: what the leader wrote last, and what is newer and not worth a write of its own.
//!
//! Most looks find everything as it was, and only the moment of the look is new; a commit that changes nothing for an
//! environment only moves its revision. Such a state is kept here, where whoever asks this process reads it, and is written
//! with all others once a minute ([`Record::write_deferred`]). A crash loses no more than the next look finds again. A daemon
//! that does not lead has nothing here, and reads what the leader wrote.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use moorline_model::EnvironmentName;
use moorline_model::environment::EnvironmentState;
use sqlx::{QueryBuilder, Sqlite};

use crate::Record;
use crate::error::{FencedError, StoreError};
use crate::number::{Fence, Version};
use crate::store::{Connection, to_json};

/// States that are written in one statement.
const STATES_TOGETHER: usize = 50;

/// The states, by environment.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    states: Mutex<BTreeMap<EnvironmentName, State>>,
}

#[derive(Debug, Clone)]
struct State {
    version: Version,
    state: Arc<EnvironmentState>,
    is_written: bool,
}

impl Recent {
    /// The state of an environment, and the version that it was written with.
    pub(crate) fn get(&self, name: &EnvironmentName) -> Option<(Arc<EnvironmentState>, Version)> {
        self.with(|states| states.get(name).map(|kept| (Arc::clone(&kept.state), kept.version)))
    }

    /// A state as it was just written.
    pub(crate) fn written(&self, state: &EnvironmentState, version: Version) {
        let kept = State { version, state: Arc::new(state.clone()), is_written: true };
        self.with(|states| states.insert(state.name.clone(), kept));
    }

    /// Forgets an environment: what is stored may be another.
    pub(crate) fn forget(&self, name: &EnvironmentName) {
        self.with(|states| states.remove(name));
    }

    /// A newer state of the same version.
    fn replace(&self, state: Arc<EnvironmentState>, version: Version) {
        let name = state.name.clone();
        self.with(|states| states.insert(name, State { version, state, is_written: false }));
    }

    /// A state as it is stored.
    fn keep(&self, state: Arc<EnvironmentState>, version: Version) {
        let name = state.name.clone();
        self.with(|states| states.insert(name, State { version, state, is_written: true }));
    }

    /// Whoever has the state at hand keeps what it was: only then it is copied.
    fn amend(
        &self,
        name: &EnvironmentName,
        version: Version,
        change: impl FnOnce(&mut EnvironmentState) -> bool,
    ) -> bool {
        self.with(|states| {
            let Some(kept) = states.get_mut(name).filter(|kept| kept.version == version) else {
                return false;
            };
            let is_changed = change(Arc::make_mut(&mut kept.state));
            kept.is_written &= !is_changed;
            is_changed
        })
    }

    fn unwritten(&self) -> Vec<State> {
        self.with(|states| states.values().filter(|kept| !kept.is_written).cloned().collect())
    }

    /// Marks those as written that are still the same.
    fn settle(&self, written: &[State]) {
        self.with(|states| {
            for State { state, .. } in written {
                if let Some(kept) = states.get_mut(&state.name)
                    && Arc::ptr_eq(&kept.state, state)
                {
                    kept.is_written = true;
                }
            }
        });
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut BTreeMap<EnvironmentName, State>) -> T) -> T {
        use_it(&mut self.states.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Writes states in one statement: each statement is a hand-over to the database's thread and back.
async fn write(connection: &mut Connection, states: &[State]) -> Result<(), sqlx::Error> {
    let mut rows = Vec::with_capacity(states.len());
    for State { state, version, .. } in states {
        rows.push((state.name.as_str(), version.to_sql(), to_json(&**state)?));
    }
    let mut statement = QueryBuilder::<Sqlite>::new("WITH newer (name, version, state) AS (");
    statement.push_values(rows, |mut row, (name, version, state)| {
        row.push_bind(name).push_bind(version).push_bind(state);
    });
    statement.push(
        ") UPDATE environments SET state = newer.state FROM newer
         WHERE environments.name = newer.name AND environments.version = newer.version",
    );
    statement.build().persistent(false).execute(connection).await.map(drop)
}

impl Record {
    /// Keeps a state that differs from what was loaded with this version only in what the next look would find again; it is
    /// written by the next [`Self::write_deferred`]. Says whether it was kept: not when another state is stored. Only for who leads.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn defer(&self, state: Arc<EnvironmentState>, version: Version) -> Result<bool, StoreError> {
        let known = self.recent.get(&state.name).map(|(_, version)| version);
        let known = match known {
            Some(known) => Some(known),
            None => self.load(&state.name).await?.map(|(_, version)| version),
        };
        let is_known = known == Some(version);
        if is_known {
            self.recent.replace(state, version);
        }
        Ok(is_known)
    }

    /// Changes a state of this version where it is kept, as [`Self::defer`] replaces one, and says whether it was changed. What a
    /// commit does to a thousand states copies none of them. Only for who leads.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn amend(
        &self,
        name: &EnvironmentName,
        version: Version,
        change: impl FnOnce(&mut EnvironmentState) -> bool,
    ) -> Result<bool, StoreError> {
        if self.recent.get(name).is_none()
            && let Some((state, stored)) = self.load(name).await?
        {
            self.recent.keep(state, stored);
        }
        Ok(self.recent.amend(name, version, change))
    }

    /// Writes all states that are newer in memory, in one transaction, and says how many there were. Their versions stay:
    /// whoever loaded one may still commit on it.
    ///
    /// # Errors
    /// [`FencedError::StaleLease`] when another leads.
    pub async fn write_deferred(&self, fence: Fence) -> Result<usize, FencedError> {
        const ATTEMPT: &str = "write what is newer in memory";
        let unwritten = self.recent.unwritten();
        if unwritten.is_empty() {
            return Ok(0);
        }
        let mut transaction = self.store.begin(ATTEMPT).await?;
        self.check(ATTEMPT, fence, &mut transaction).await?;
        for together in unwritten.chunks(STATES_TOGETHER) {
            write(&mut transaction, together).await.map_err(self.store.failed(ATTEMPT))?;
        }
        self.store.finish_quietly(ATTEMPT, transaction).await?;
        self.recent.settle(&unwritten);
        Ok(unwritten.len())
    }
}
