//! Numbers of the data plane as they stand now, for the metrics page. The data plane moves them, nobody decides by
//! them.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

/// Holds a gauge up by one until it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Held<'a>(&'a Gauge);

impl Gauge {
    /// Raises the gauge by one for as long as the answer lives.
    pub fn hold(&self) -> Held<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Held(self)
    }

    /// Raises the gauge by one.
    pub fn raise(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Lowers the gauge by one.
    pub fn lower(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Where it stands.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.lower();
    }
}

/// Numbers of the data plane.
#[derive(Debug, Default)]
pub struct Gauges {
    /// Open connections of callers.
    pub connections: Gauge,
    /// Requests under way.
    pub requests: Gauge,
}
