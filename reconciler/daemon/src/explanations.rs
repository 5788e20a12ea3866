//! Why each environment's changes are not applied, as its last cycle saw it. Kept in memory only: a cycle after a
//! restart says it anew.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use moorline_model::EnvironmentName;
use moorline_model::environment::EnvironmentState;
use moorline_plan::gates::Why;
use serde_json::Value;

/// The gates of every environment, as last read, and what the daemon waits for while there is none.
#[derive(Debug, Default)]
pub struct Explanations {
    waits_for: Mutex<Option<String>>,
    gates: Mutex<BTreeMap<EnvironmentName, Value>>,
}

impl Explanations {
    /// Notes why no declaration is known; `None` when one is.
    pub fn waits_for(&self, why: Option<String>) {
        *self.waits_for.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Notes what an environment waits for.
    pub fn note(&self, name: &EnvironmentName, why: &Why) {
        let Ok(why) = serde_json::to_value(why) else { return };
        self.gates.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), why);
    }
}

impl moorline_web::Gates for Explanations {
    fn why(&self, state: &EnvironmentState, _now: Timestamp) -> Option<Value> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner).get(&state.name).cloned()
    }

    fn waits_for(&self) -> Option<String> {
        self.waits_for.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
