//! Numbers of the data plane as they stand now, for the metrics page. Workers move their own, so that they do not
//! fight over them; nobody decides by them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::failures::Failures;
use crate::guardrails::Tallies;
use crate::limits::Health;
use crate::meters::{Counts, Meters, Times};
use crate::tally::Tally;

/// Numbers of all workers.
#[derive(Debug, Default)]
pub struct Gauges {
    workers: Mutex<Vec<Arc<WorkerGauges>>>,
    dropped_lines: AtomicU64,
    guardrails: Arc<Tallies>,
    stores: OnceLock<Arc<Health>>,
    dropped_spans: AtomicU64,
    meters: Meters,
    hedges: Tally<Hedge>,
    slow_streams: Arc<AtomicU64>,
    unsent_shadows: Tally<Unsent>,
    failures: Failures,
}

/// What becomes of hedges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hedge {
    /// A target was asked beside another.
    Sent,
    /// It answered first.
    Won,
}

impl Hedge {
    /// All, in order.
    pub const ALL: [Self; 2] = [Self::Sent, Self::Won];
}

/// Numbers of one worker. Aligned so that two workers never share a cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct WorkerGauges {
    connections: AtomicU64,
    requests: AtomicU64,
    upstream_open: AtomicU64,
    upstream_idle: AtomicU64,
    overhead: Times,
}

/// A connection, counted as open until this is dropped.
#[derive(Debug)]
#[must_use]
pub struct OpenConnection(Arc<WorkerGauges>);

/// A connection to a provider, counted as open until this is dropped.
#[derive(Debug)]
#[must_use]
pub struct UpstreamConnection(Arc<WorkerGauges>);

/// A request, counted as under way until this is dropped.
#[derive(Debug)]
#[must_use]
pub struct OpenRequest(Arc<WorkerGauges>);

/// Why a copy of a request came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unsent {
    /// As many were under way as may be.
    Full,
    /// No target of the model may be asked now, or none can be asked such a thing.
    NoTarget,
    /// The gateway ended.
    Ended,
}

impl Unsent {
    /// All, in order.
    pub const ALL: [Self; 3] = [Self::Full, Self::NoTarget, Self::Ended];

    /// The reason as a label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::NoTarget => "no_target",
            Self::Ended => "ended",
        }
    }
}

impl Gauges {
    /// Numbers for one more worker.
    pub fn worker(&self) -> Arc<WorkerGauges> {
        let worker = Arc::<WorkerGauges>::default();
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&worker));
        worker
    }

    /// What guardrails came to.
    #[must_use]
    pub const fn guardrails(&self) -> &Arc<Tallies> {
        &self.guardrails
    }

    /// Open connections of callers.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.sum(|worker| &worker.connections)
    }

    /// Requests under way.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.sum(|worker| &worker.requests)
    }

    /// Shows how these stores are from now on; of several, the first.
    pub fn watch(&self, stores: &Arc<Health>) {
        self.stores.get_or_init(|| Arc::clone(stores));
    }

    /// Stores of limits that cannot be reached now.
    #[must_use]
    pub fn lost_stores(&self) -> u64 {
        self.stores.get().map_or(0, |stores| stores.lost())
    }

    /// Counts sampled requests whose spans did not arrive anywhere.
    pub fn count_dropped_spans(&self, requests: u64) {
        self.dropped_spans.fetch_add(requests, Ordering::Relaxed);
    }

    /// Sampled requests whose spans did not arrive anywhere.
    #[must_use]
    pub fn dropped_spans(&self) -> u64 {
        self.dropped_spans.load(Ordering::Relaxed)
    }

    /// What providers were asked, and what it came to.
    #[must_use]
    pub const fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Targets asked beside others, by the model asked for.
    #[must_use]
    pub const fn hedges(&self) -> &Tally<Hedge> {
        &self.hedges
    }

    /// Copies of requests that came to nothing, by the model they were for.
    #[must_use]
    pub const fn unsent_shadows(&self) -> &Tally<Unsent> {
        &self.unsent_shadows
    }

    /// The last requests that did not end well and had asked to be explained.
    #[must_use]
    pub const fn failures(&self) -> &Failures {
        &self.failures
    }

    /// Streams that were ended because they came too slowly.
    #[must_use]
    pub const fn slow_streams(&self) -> &Arc<AtomicU64> {
        &self.slow_streams
    }

    /// Counts lines of the access log that were not written.
    pub fn count_dropped_lines(&self, lines: u64) {
        self.dropped_lines.fetch_add(lines, Ordering::Relaxed);
    }

    /// Lines of the access log that were not written.
    #[must_use]
    pub fn dropped_lines(&self) -> u64 {
        self.dropped_lines.load(Ordering::Relaxed)
    }

    /// Open connections to providers.
    #[must_use]
    pub fn upstream_open(&self) -> u64 {
        self.sum(|worker| &worker.upstream_open)
    }

    /// Those among them that wait for a request.
    #[must_use]
    pub fn upstream_idle(&self) -> u64 {
        self.sum(|worker| &worker.upstream_idle)
    }

    /// Requests that went upstream, by the part of their latency that was spent here, in microseconds.
    #[must_use]
    pub fn overhead(&self) -> Counts {
        let mut counts = Counts::times();
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.iter().for_each(|worker| worker.overhead.read_into(&mut counts));
        counts
    }

    fn sum(&self, of: fn(&WorkerGauges) -> &AtomicU64) -> u64 {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.iter().map(|worker| of(worker).load(Ordering::Relaxed)).sum()
    }
}

impl WorkerGauges {
    /// Counts a connection.
    pub fn connection(self: &Arc<Self>) -> OpenConnection {
        self.connections.fetch_add(1, Ordering::Relaxed);
        OpenConnection(Arc::clone(self))
    }

    /// Counts a connection to a provider.
    pub fn upstream(self: &Arc<Self>) -> UpstreamConnection {
        self.upstream_open.fetch_add(1, Ordering::Relaxed);
        UpstreamConnection(Arc::clone(self))
    }

    /// So many more connections to providers wait for a request, or fewer.
    pub fn upstream_idle(&self, more: i64) {
        self.upstream_idle.fetch_add(more.cast_unsigned(), Ordering::Relaxed);
    }

    /// Counts a request.
    pub fn request(self: &Arc<Self>) -> OpenRequest {
        self.requests.fetch_add(1, Ordering::Relaxed);
        OpenRequest(Arc::clone(self))
    }
}

impl Drop for UpstreamConnection {
    fn drop(&mut self) {
        self.0.upstream_open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl OpenRequest {
    /// Counts the part of the request's latency that was spent here.
    pub fn record_overhead(&self, overhead: std::time::Duration) {
        self.0.overhead.record(overhead);
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_counted_over_all_workers_until_it_is_dropped() {
        let gauges = Gauges::default();
        let (one, two) = (gauges.worker(), gauges.worker());
        let connections = [one.connection(), two.connection()];
        let request = two.request();
        assert_eq!((gauges.connections(), gauges.requests()), (2, 1));
        drop(connections);
        assert_eq!((gauges.connections(), gauges.requests()), (0, 1));
        drop(request);
        assert_eq!(gauges.requests(), 0);
    }
}
