//! The values had last, and when: what a gateway goes on with while a store cannot be heard.
//!
//! In memory only. A value is replaced by one that was asked for later, never by one asked for earlier, and never by
//! a failure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use moorline_admin::StaleSecret;
use moorline_config::{Reference, Secret};

use super::{Found, Resolved, SecretError};

/// The values had last.
#[derive(Debug, Default)]
pub struct Held {
    values: Mutex<BTreeMap<Reference, Value>>,
    failures: AtomicU64,
}

#[derive(Debug)]
struct Value {
    secret: Secret,
    /// When it was asked for.
    at: Timestamp,
    /// Why it could not be had since.
    problem: Option<SecretError>,
}

impl Held {
    /// The value had last, for a store that cannot be heard now.
    ///
    /// # Errors
    /// The error given, when it is the secret's own or there is no such value.
    pub fn stand_in(&self, reference: &Reference, error: SecretError) -> Result<Secret, SecretError> {
        if !error.is_passing() {
            return Err(error);
        }
        self.values().get(reference).map(|value| value.secret.clone()).ok_or(error)
    }

    /// Takes in what was found for a document at a moment.
    pub fn learn(&self, resolved: &Resolved, at: Timestamp) {
        let mut values = self.values();
        for (reference, secret) in resolved.fresh() {
            take_in(&mut values, reference, secret, at);
        }
    }

    /// Takes in what was looked up again. A failure is told once, and so is its end.
    pub fn renew(&self, found: &Found, at: Timestamp) {
        let mut values = self.values();
        for (reference, result) in found {
            match result {
                Ok(secret) => take_in(&mut values, reference, secret, at),
                Err(error) => {
                    self.failures.fetch_add(1, Ordering::Relaxed);
                    let Some(value) = values.get_mut(reference) else { continue };
                    if value.problem.is_none() {
                        tracing::warn!(%reference, %error, "a secret cannot be looked up again; the value had last stays");
                    }
                    value.problem = Some(error.clone());
                }
            }
        }
    }

    /// The values of these references, when all are held.
    #[must_use]
    pub fn resolved(&self, references: &BTreeSet<Reference>) -> Option<Resolved> {
        let values = self.values();
        let one = |reference: &Reference| Some((reference.clone(), values.get(reference)?.secret.clone()));
        references.iter().map(one).collect()
    }

    /// Forgets all but these.
    pub fn retain(&self, references: &BTreeSet<Reference>) {
        self.values().retain(|reference, _| references.contains(reference));
    }

    /// What could not be looked up the last time it was tried.
    #[must_use]
    pub fn stale(&self) -> Vec<StaleSecret> {
        let values = self.values();
        let stale = values.iter().filter_map(|(reference, value)| {
            let problem = value.problem.as_ref()?.to_string();
            Some(StaleSecret { reference: reference.to_string(), since: value.at, problem })
        });
        stale.collect()
    }

    /// When the oldest value was asked for.
    #[must_use]
    pub fn oldest(&self) -> Option<Timestamp> {
        self.values().values().map(|value| value.at).min()
    }

    /// Look-ups that failed since the start, those for new documents not counted.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    fn values(&self) -> MutexGuard<'_, BTreeMap<Reference, Value>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn take_in(values: &mut BTreeMap<Reference, Value>, reference: &Reference, secret: &Secret, at: Timestamp) {
    match values.get_mut(reference) {
        Some(value) if value.at > at => {}
        Some(value) => {
            if value.problem.take().is_some() {
                tracing::info!(%reference, "a secret can be looked up again");
            }
            (value.secret, value.at) = (secret.clone(), at);
        }
        None => {
            values.insert(reference.clone(), Value { secret: secret.clone(), at, problem: None });
        }
    }
}
