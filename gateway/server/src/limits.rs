//! Counters of limits: fixed windows aligned to the epoch, exact under concurrency, in this process.
//!
//! A request *reserves* what it is expected to use when it is admitted, and *settles* for what it used when it ends; a
//! request that failed gets all of it back. Counters belong to no document: they are found by their limit's identity
//! ([`LimitId`]), so that swapping documents neither forgives nor charges anybody.
//!
//! What a request uses counts in the window in which it was admitted. So the most by which a token limit or budget can
//! be overspent is what the requests admitted at its edge used beyond their estimates.

mod counter;
mod reservation;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

pub use counter::{Counter, Full, Hold};
pub use reservation::{Demand, Refused, Reservation, Standing, Use, reserve};

use crate::routing::limit::LimitId;

/// Counters are swept for stale ones when there are this many, and each time their number doubles.
const SWEEP_AT_LEAST: usize = 1_024;

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
    counters: Mutex<Counters>,
}

#[derive(Debug)]
struct Counters {
    by_id: HashMap<LimitId, Arc<Counter>>,
    sweep_at: usize,
}

impl Limits {
    /// No counters yet.
    #[must_use]
    pub fn new(clock: WindowClock) -> Self {
        Self { clock, counters: Mutex::new(Counters { by_id: HashMap::new(), sweep_at: SWEEP_AT_LEAST }) }
    }

    /// The present moment of the clock limits go by.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.clock.now()
    }

    /// The counter with this identity, made when it is asked for first.
    pub fn counter(&self, id: &LimitId) -> Arc<Counter> {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = counters.by_id.get(id) {
            return Arc::clone(counter);
        }
        if counters.by_id.len() >= counters.sweep_at {
            let now = self.clock.now();
            // One that no document holds and whose window is over says nothing any more.
            counters.by_id.retain(|_, counter| Arc::strong_count(counter) > 1 || counter.is_running(now));
            counters.sweep_at = counters.by_id.len().saturating_mul(2).max(SWEEP_AT_LEAST);
        }
        let counter = Arc::new(Counter::new(id.window.as_milliseconds()));
        counters.by_id.insert(id.clone(), Arc::clone(&counter));
        counter
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new(WindowClock::system())
    }
}
