//! How each target does, as this process has seen it.
//!
//! Health belongs to no document: it is found by the target's identity ([`TargetId`]), so that a swap of documents
//! forgets nothing, and it is never part of what is declared, so that it is never drift. All workers share it through
//! atomics.

mod pace;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use moorline_config::{ModelName, ProviderName};

pub use pace::Pace;

use crate::routing::Origin;

/// Targets are swept for stale ones when there are this many, and each time their number doubles.
const SWEEP_AT_LEAST: usize = 256;

/// Milliseconds since the process began to look.
pub type Millis = u64;

/// Tells the time health goes by: one that never goes back.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Millis + Send + Sync>);

impl Clock {
    /// The system's monotonic clock.
    #[must_use]
    pub fn system() -> Self {
        let began = std::time::Instant::now();
        Self::new(move || u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// A clock that says what `now` says.
    pub fn new(now: impl Fn() -> Millis + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Clock")
    }
}

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

/// How all targets do.
#[derive(Debug)]
pub struct Health {
    clock: Clock,
    targets: Mutex<Targets>,
}

#[derive(Debug)]
struct Targets {
    by_id: HashMap<TargetId, Arc<TargetHealth>>,
    sweep_at: usize,
}

/// How one target does. Aligned so that two targets never share a cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct TargetHealth {
    under_way: AtomicU64,
    /// From asking to the first event of a stream.
    pub first_token: Pace,
    /// From asking to an answer that is no stream.
    pub latency: Pace,
}

/// A request that is under way at a target, until this is dropped.
#[derive(Debug)]
#[must_use]
pub struct UnderWay(Arc<TargetHealth>);

impl Health {
    /// Nothing known yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, targets: Mutex::new(Targets { by_id: HashMap::new(), sweep_at: SWEEP_AT_LEAST }) }
    }

    /// The present moment of the clock health goes by.
    #[must_use]
    pub fn now(&self) -> Millis {
        (self.clock.0)()
    }

    /// The target with this identity, made when it is asked for first.
    pub fn target(&self, id: &TargetId) -> Arc<TargetHealth> {
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(target) = targets.by_id.get(id) {
            return Arc::clone(target);
        }
        if targets.by_id.len() >= targets.sweep_at {
            // One that no document and no request holds.
            targets.by_id.retain(|_, target| Arc::strong_count(target) > 1);
            targets.sweep_at = targets.by_id.len().saturating_mul(2).max(SWEEP_AT_LEAST);
        }
        let target = Arc::<TargetHealth>::default();
        targets.by_id.insert(id.clone(), Arc::clone(&target));
        target
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::new(Clock::system())
    }
}

impl TargetHealth {
    /// Counts a request as under way.
    pub fn begin(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(self))
    }

    /// Requests under way.
    #[must_use]
    pub fn under_way(&self) -> u64 {
        self.under_way.load(Ordering::Relaxed)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(model: usize) -> TargetId {
        TargetId { provider: "p".parse().unwrap(), model: format!("m{model}").parse().unwrap(), origin: None }
    }

    #[test]
    fn a_target_keeps_its_health_and_one_that_is_gone_is_forgotten() {
        let health = Health::default();
        let kept = health.target(&id(0));
        let request = kept.begin();
        assert_eq!(health.target(&id(0)).under_way(), 1);
        for other in 1..10_000 {
            drop(health.target(&id(other)));
        }
        assert!(health.targets.lock().unwrap().by_id.len() <= SWEEP_AT_LEAST);
        assert!(Arc::ptr_eq(&health.target(&id(0)), &kept));
        drop(request);
        assert_eq!(kept.under_way(), 0);
    }
}
