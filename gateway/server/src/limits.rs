//! Counters of limits: exact under concurrency, over windows that are fixed or slide, and of what runs now.
//!
//! A request *reserves* what it is expected to use when it is admitted, and *settles* for what it used when it ends; a
//! request that failed gets all of it back. Counters belong to no document: they are found by their limit's identity
//! ([`LimitId`](crate::routing::limit::LimitId)), so that swapping documents neither forgives nor charges anybody.
//!
//! What a request uses counts in the window in which it was admitted. So the most by which a token limit or budget can
//! be overspent is what the requests under way at its edge use beyond their estimates.
//!
//! With a store declared, replicas count together: exactly, and mostly without asking it, because each serves from a
//! part of the allowance that it took before.
//!
//! [`ring`] cuts time, [`counter`] counts, [`values`] bounds what callers can make us count, [`registry`] finds
//! counters, [`reservation`] takes from several limits at once; [`lease`] and [`store`] are counting together.

mod counter;
mod lease;
mod registry;
mod reservation;
mod ring;
mod store;
mod values;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use moorline_config::GatewayName;
use sha2::{Digest as _, Sha256};

pub use counter::{Counter, Full, Hold, Short};
pub use lease::Verdict;
pub use registry::Registry;
pub use reservation::{Demand, Denied, Refused, Reservation, Standing, Use, reserve};
pub(crate) use ring::Shape;
pub use store::{Declared, Health, Store};
pub use values::{VALUES_MAX, ValueId, Values};

/// Milliseconds since the epoch.
pub type Millis = u64;

/// Tells the time limits go by.
#[derive(Clone)]
pub struct WindowClock(Arc<dyn Fn() -> Millis + Send + Sync>);

impl WindowClock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::new(|| u64::try_from(crate::clock::now().as_millisecond()).unwrap_or(0))
    }

    /// A clock that says what `now` says.
    pub fn new(now: impl Fn() -> Millis + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Millis {
        (self.0)()
    }
}

impl fmt::Debug for WindowClock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WindowClock")
    }
}

/// All counters of this process.
#[derive(Debug)]
pub struct Limits {
    clock: WindowClock,
    /// What other replicas know this process by.
    replica: String,
    in_memory: Registry,
    stores: Mutex<HashMap<StoreId, Weak<Store>>>,
    health: Arc<Health>,
}

/// Documents that declare the same store share its connection and its counters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct StoreId {
    /// Hash of the URL, which holds a password.
    url: Option<[u8; 32]>,
    gateway: GatewayName,
}

impl Limits {
    /// No counters yet.
    #[must_use]
    pub fn new(clock: WindowClock) -> Self {
        Self {
            clock,
            replica: uuid::Uuid::now_v7().simple().to_string(),
            in_memory: Registry::in_memory(),
            stores: Mutex::default(),
            health: Arc::default(),
        }
    }

    /// The present moment of the clock limits go by.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.clock.now()
    }

    /// The counters in this process's memory.
    #[must_use]
    pub const fn in_memory(&self) -> &Registry {
        &self.in_memory
    }

    /// The store that a document declares, opened when it is asked for first.
    #[must_use]
    pub fn store(&self, declared: &Declared) -> Arc<Store> {
        let url = declared.url.as_ref().map(|url| Sha256::digest(url.expose()).into());
        let id = StoreId { url, gateway: declared.gateway.clone() };
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = stores.get(&id).and_then(Weak::upgrade) {
            return store;
        }
        stores.retain(|_, store| store.strong_count() > 0);
        let store = Arc::new(Store::open(declared, &self.replica, &self.clock, &self.health));
        stores.insert(id, Arc::downgrade(&store));
        store
    }

    /// How the stores are, for the metrics page.
    #[must_use]
    pub const fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// Gives back to stores what is held of them and not used. Blocks for a moment; afterwards they are lost.
    pub fn close(&self) {
        let stores = std::mem::take(&mut *self.stores.lock().unwrap_or_else(PoisonError::into_inner));
        for store in stores.into_values().filter_map(|store| store.upgrade()) {
            store.close();
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new(WindowClock::system())
    }
}
