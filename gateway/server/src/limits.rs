//! Counters of limits: exact under concurrency, over windows that are fixed or slide, and of what runs now.
//!
//! A request *reserves* what it is expected to use when it is admitted, and *settles* for what it used when it ends; a
//! request that failed gets all of it back. Counters belong to no document: they are found by their limit's identity
//! ([`LimitId`]), so that swapping documents neither forgives nor charges anybody.
//!
//! What a request uses counts in the window in which it was admitted. So the most by which a token limit or budget can
//! be overspent is what the requests under way at its edge use beyond their estimates.
//!
//! [`ring`] cuts time, [`counter`] counts, [`values`] bounds what callers can make us count, [`reservation`] takes
//! from several limits at once.

mod counter;
mod reservation;
mod ring;
mod values;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use counter::{Counter, Full, Hold};
pub use reservation::{Demand, Refused, Reservation, Standing, Use, reserve};
pub(crate) use ring::Shape;
pub use values::{VALUES_MAX, ValueId, Values};

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
    values: Mutex<HashMap<LimitId, Arc<Values>>>,
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
        let counters = Counters { by_id: HashMap::new(), sweep_at: SWEEP_AT_LEAST };
        Self { clock, counters: Mutex::new(counters), values: Mutex::default() }
    }

    /// The present moment of the clock limits go by.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.clock.now()
    }

    /// The counter with this identity, made when it is asked for first.
    pub fn counter(&self, id: &LimitId) -> Arc<Counter> {
        let mut counters = lock(&self.counters);
        if let Some(counter) = counters.by_id.get(id) {
            return Arc::clone(counter);
        }
        if counters.by_id.len() >= counters.sweep_at {
            let now = self.clock.now();
            // One that no document holds and that counts nothing says nothing any more.
            counters.by_id.retain(|_, counter| Arc::strong_count(counter) > 1 || counter.is_running(now));
            counters.sweep_at = counters.by_id.len().saturating_mul(2).max(SWEEP_AT_LEAST);
        }
        let counter = Arc::new(Counter::new(id.shape()));
        counters.by_id.insert(id.clone(), Arc::clone(&counter));
        counter
    }

    /// The counters by value of this identity, made when they are asked for first.
    pub fn values(&self, id: &LimitId) -> Arc<Values> {
        let mut values = lock(&self.values);
        // Those that no document holds forget what they counted: declaring and undeclaring such limits all the time
        // must not grow memory either.
        if values.len() >= SWEEP_AT_LEAST {
            values.retain(|_, values| Arc::strong_count(values) > 1);
        }
        let shape = id.shape();
        let make = move || Values::new(Box::new(move |_| Arc::new(Counter::new(shape))));
        Arc::clone(values.entry(id.clone()).or_insert_with(|| Arc::new(make())))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new(WindowClock::system())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
