//! All counters of one place: this process's memory, or one store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::counter::Shared;
use super::store::Desk;
use super::{Counter, Millis, ValueId, Values};
use crate::routing::limit::LimitId;

/// Counters are swept for stale ones when there are this many, and each time their number doubles.
const SWEEP_AT_LEAST: usize = 1_024;

/// All counters of one place.
#[derive(Debug)]
pub struct Registry {
    shared: Option<Arc<Named>>,
    counters: Mutex<Swept<LimitId, Arc<Counter>>>,
    values: Mutex<HashMap<LimitId, Arc<Values>>>,
}

/// Counters that a store knows by name.
#[derive(Debug)]
struct Named {
    desk: Arc<Desk>,
    /// What every name begins with.
    prefix: String,
    by_name: Mutex<Swept<String, Weak<Counter>>>,
}

/// A map that is searched for what says nothing any more each time it has doubled.
#[derive(Debug)]
struct Swept<K, V> {
    map: HashMap<K, V>,
    sweep_at: usize,
}

impl<K: std::hash::Hash + Eq, V> Swept<K, V> {
    fn new() -> Self {
        Self { map: HashMap::new(), sweep_at: SWEEP_AT_LEAST }
    }

    fn insert(&mut self, key: K, value: V, mut keep: impl FnMut(&V) -> bool) {
        if self.map.len() >= self.sweep_at {
            self.map.retain(|_, value| keep(value));
            self.sweep_at = self.map.len().saturating_mul(2).max(SWEEP_AT_LEAST);
        }
        self.map.insert(key, value);
    }
}

impl Registry {
    /// Counters in memory.
    pub(super) fn in_memory() -> Self {
        Self { shared: None, counters: Mutex::new(Swept::new()), values: Mutex::default() }
    }

    /// Counters that a store knows by names that begin with `prefix`.
    pub(super) fn shared(desk: Arc<Desk>, prefix: String) -> Self {
        let named = Named { desk, prefix, by_name: Mutex::new(Swept::new()) };
        Self { shared: Some(Arc::new(named)), ..Self::in_memory() }
    }

    /// The counter with this identity, made when it is asked for first.
    pub fn counter(&self, id: &LimitId, now: Millis) -> Arc<Counter> {
        let mut counters = lock(&self.counters);
        if let Some(counter) = counters.map.get(id) {
            return Arc::clone(counter);
        }
        let counter = make(self.shared.as_deref(), id, "");
        // One that no document holds and that counts nothing says nothing any more.
        let keep = |counter: &Arc<Counter>| Arc::strong_count(counter) > 1 || counter.is_running(now);
        counters.insert(id.clone(), Arc::clone(&counter), keep);
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
        let found = values.entry(id.clone()).or_insert_with(|| {
            let (shared, id) = (self.shared.clone(), id.clone());
            let of = move |value: Option<ValueId>| {
                let value = value.map_or_else(|| "<others>".to_owned(), |value| format!("<{value}>"));
                make(shared.as_deref(), &id, &value)
            };
            Arc::new(Values::new(Box::new(of)))
        });
        Arc::clone(found)
    }

    /// The counter that the store knows by a name.
    pub(super) fn named(&self, name: &str) -> Option<Arc<Counter>> {
        lock(&self.shared.as_ref()?.by_name).map.get(name)?.upgrade()
    }

    /// All counters that the store knows by a name.
    pub(super) fn all_named(&self) -> Vec<Arc<Counter>> {
        let Some(shared) = &self.shared else { return Vec::new() };
        lock(&shared.by_name).map.values().filter_map(Weak::upgrade).collect()
    }
}

fn make(shared: Option<&Named>, id: &LimitId, value: &str) -> Arc<Counter> {
    let Some(named) = shared else { return Arc::new(Counter::new(id.shape(), None)) };
    let name = format!("{}{}{value}", named.prefix, id.name());
    let shared = Shared { desk: Arc::clone(&named.desk), name: name.clone() };
    let counter = Arc::new(Counter::new(id.shape(), Some(shared)));
    lock(&named.by_name).insert(name, Arc::downgrade(&counter), |counter| counter.strong_count() > 0);
    counter
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
