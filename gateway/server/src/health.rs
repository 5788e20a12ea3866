//! How each target does, as this process has seen it: breakers, measurements, what is under way.
//!
//! Health belongs to no document: it is found by the target's identity ([`TargetId`]), so that a swap of documents
//! forgets nothing, and it is never part of what is declared, so that it is never drift. All workers share it. Asking
//! a target that does well costs a few atomic reads and no look at a clock.

pub mod breaker;
mod credential;
mod pace;
mod target;

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use moorline_admin::Event;
use moorline_config::{ModelName, ProviderName};

pub use breaker::{Settings, Verdict};
pub use credential::{CredentialHealth, Use};
pub use pace::Pace;
pub use target::{Pass, Reason, TargetHealth, Unavailable};

use crate::routing::Origin;

/// A register is swept for what is stale when it holds so many, and each time their number doubles.
const SWEEP_AT_LEAST: usize = 256;

/// Milliseconds since the process began to look.
pub type Millis = u64;

/// What is left of a target when documents change.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TargetId {
    /// Its provider's name.
    pub provider: ProviderName,
    /// Its name there.
    pub model: ModelName,
    /// Where connections to it lead, when they can be made.
    pub origin: Option<Origin>,
}

/// What tells a credential from the one that takes its place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CredentialId {
    /// Its provider's name.
    pub provider: ProviderName,
    /// Where it is shown.
    pub origin: Option<Origin>,
    /// A hash of it.
    pub fingerprint: u64,
}

/// How all targets do.
#[derive(Debug)]
pub struct Health {
    shared: Shared,
    targets: Register<TargetId, TargetHealth>,
    credentials: Register<CredentialId, CredentialHealth>,
}

/// The clock that health goes by, and who is told of changes.
#[derive(Clone)]
struct Shared(Arc<Outside>);

struct Outside {
    now: Box<dyn Fn() -> Millis + Send + Sync>,
    tell: Box<dyn Fn(Event) + Send + Sync>,
}

impl Shared {
    fn now(&self) -> Millis {
        (self.0.now)()
    }

    fn tell(&self, change: breaker::Change, id: &TargetId) {
        let (provider, model) = (id.provider.to_string(), id.model.to_string());
        (self.0.tell)(match change {
            breaker::Change::Opened => Event::BreakerOpened { provider, model },
            breaker::Change::Closed => Event::BreakerClosed { provider, model },
        });
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Shared")
    }
}

impl Health {
    /// Nothing known yet. Goes by a clock that must never go back; `tell` hears of every breaker that opens or closes.
    pub fn new(
        now: impl Fn() -> Millis + Send + Sync + 'static,
        tell: impl Fn(Event) + Send + Sync + 'static,
    ) -> Self {
        let shared = Shared(Arc::new(Outside { now: Box::new(now), tell: Box::new(tell) }));
        Self { shared, targets: Register::default(), credentials: Register::default() }
    }

    /// Goes by the system's monotonic clock.
    pub fn telling(tell: impl Fn(Event) + Send + Sync + 'static) -> Self {
        let began = std::time::Instant::now();
        Self::new(move || Millis::try_from(began.elapsed().as_millis()).unwrap_or(Millis::MAX), tell)
    }

    /// The present moment of the clock health goes by.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.shared.now()
    }

    /// The target with this identity, made when it is asked for first.
    pub fn target(&self, id: &TargetId) -> Arc<TargetHealth> {
        let make = || TargetHealth::new(id.clone(), self.shared.clone());
        self.targets.get(id, make, TargetHealth::is_broken)
    }

    /// The credential with this identity, made when it is asked for first.
    pub fn credential(&self, id: &CredentialId) -> Arc<CredentialHealth> {
        let make = || CredentialHealth::new(id.clone(), self.shared.clone());
        self.credentials.get(id, make, CredentialHealth::is_out)
    }

    /// The target with this identity, when it was ever asked for.
    #[must_use]
    pub fn known_target(&self, id: &TargetId) -> Option<Arc<TargetHealth>> {
        self.targets.known(id)
    }

    /// The credential with this identity, when it was ever asked for.
    #[must_use]
    pub fn known_credential(&self, id: &CredentialId) -> Option<Arc<CredentialHealth>> {
        self.credentials.known(id)
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::telling(drop)
    }
}

/// Things by their identity, for as long as somebody holds them or they have something to say.
#[derive(Debug)]
struct Register<I, T>(Mutex<Registered<I, T>>);

#[derive(Debug)]
struct Registered<I, T> {
    by_id: HashMap<I, Arc<T>>,
    sweep_at: usize,
}

impl<I, T> Default for Register<I, T> {
    fn default() -> Self {
        Self(Mutex::new(Registered { by_id: HashMap::new(), sweep_at: SWEEP_AT_LEAST }))
    }
}

impl<I: Hash + Eq + Clone, T> Register<I, T> {
    fn get(&self, id: &I, make: impl FnOnce() -> T, is_remembered: impl Fn(&T) -> bool) -> Arc<T> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.by_id.get(id) {
            return Arc::clone(known);
        }
        if all.by_id.len() >= all.sweep_at {
            all.by_id.retain(|_, known| Arc::strong_count(known) > 1 || is_remembered(known));
            all.sweep_at = all.by_id.len().saturating_mul(2).max(SWEEP_AT_LEAST);
        }
        let made = Arc::new(make());
        all.by_id.insert(id.clone(), Arc::clone(&made));
        made
    }

    fn known(&self, id: &I) -> Option<Arc<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_id.get(id).cloned()
    }
}

#[cfg(test)]
mod tests;
