//! The counters themselves: one shard a thread, one cell a model or route, laid out once.

use std::cell::Cell as ThreadCell;
use std::sync::OnceLock;
use std::sync::atomic::{
    AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

use moorline_admin::histogram::{BUCKETS, bucket};
use moorline_admin::{ErrorKind, Histogram, Usage};

use super::{Authentication, Outcome};

/// The most shards: threads beyond share. Idle shards cost a few words.
const SHARDS_MAX: usize = 32;

/// How many shards a recorder has on this machine.
pub(crate) fn shards() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(SHARDS_MAX)
}

/// The number of the calling thread, given out in order of first use.
pub(crate) fn shard_of_this_thread(shards: usize) -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! { static MINE: ThreadCell<Option<usize>> = const { ThreadCell::new(None) }; }
    let mine = MINE.with(|mine| {
        mine.get().unwrap_or_else(|| {
            let number = NEXT.fetch_add(1, Relaxed);
            mine.set(Some(number));
            number
        })
    });
    mine % shards
}

/// One thread's counters. Aligned so that two shards never share a cache line.
#[repr(align(128))]
pub(super) struct Shard {
    /// Laid out at first use: a gateway with many models pays only for those asked for.
    cells: Box<[OnceLock<Box<Cell>>]>,
    authentications: Authentications<AtomicU64>,
}

/// Authentication results in the order of [`Authentication::ALL`].
pub(super) type Authentications<T> = [T; Authentication::ALL.len()];

impl Shard {
    pub(super) fn new(cells: usize) -> Self {
        Self { cells: (0..cells).map(|_| OnceLock::new()).collect(), authentications: Default::default() }
    }

    pub(super) fn record(&self, cells: [usize; 2], outcome: &Outcome<'_>) {
        for index in cells {
            if let Some(cell) = self.cells.get(index) {
                cell.get_or_init(Box::default).record(outcome);
            }
        }
        self.authentications[outcome.authentication as usize].fetch_add(1, Relaxed);
    }

    /// Requests counted in a cell. Everything added by them can be read after this.
    pub(super) fn requests(&self, index: usize) -> u64 {
        self.cells.get(index).and_then(OnceLock::get).map_or(0, |cell| cell.requests.load(Acquire))
    }

    /// Adds a cell's counts to `usage`.
    pub(super) fn read_into(&self, index: usize, usage: &mut Usage) {
        if let Some(cell) = self.cells.get(index).and_then(OnceLock::get) {
            cell.read_into(usage);
        }
    }

    pub(super) fn authentications(&self) -> Authentications<u64> {
        std::array::from_fn(|index| self.authentications[index].load(Relaxed))
    }
}

/// Counters of one model or one route.
#[derive(Default)]
struct Cell {
    requests: AtomicU64,
    errors: [AtomicU64; ErrorKind::ALL.len()],
    latency: Buckets,
    first_token: Buckets,
    input_tokens: AtomicU64,
    output_tokens: AtomicU64,
    cost_micros: AtomicU64,
    cache_hits: AtomicU64,
}

impl Cell {
    fn record(&self, outcome: &Outcome<'_>) {
        if let Some(kind) = outcome.error {
            self.errors[kind as usize].fetch_add(1, Relaxed);
        }
        // An answer from the cache says nothing of a document and its upstreams, least of all of how fast they are.
        if !outcome.is_kept {
            self.latency.record(outcome.latency_micros);
        }
        if let Some(micros) = outcome.first_token_micros {
            self.first_token.record(micros);
        }
        self.input_tokens.fetch_add(outcome.input_tokens, Relaxed);
        self.output_tokens.fetch_add(outcome.output_tokens, Relaxed);
        self.cost_micros.fetch_add(outcome.cost_micros, Relaxed);
        self.cache_hits.fetch_add(u64::from(outcome.is_kept), Relaxed);
        // Last, and released: whoever sees this request counted sees all of it, so that an unchanged number of
        // requests means that nothing is left to read.
        self.requests.fetch_add(1, Release);
    }

    fn read_into(&self, usage: &mut Usage) {
        usage.requests += self.requests.load(Acquire);
        for kind in ErrorKind::ALL {
            let count = self.errors[kind as usize].load(Relaxed);
            if count > 0 {
                *usage.errors.entry(kind).or_default() += count;
            }
        }
        self.latency.read_into(&mut usage.latency);
        self.first_token.read_into(&mut usage.first_token);
        usage.input_tokens += self.input_tokens.load(Relaxed);
        usage.output_tokens += self.output_tokens.load(Relaxed);
        usage.cost_micros += self.cost_micros.load(Relaxed);
        usage.cache_hits += self.cache_hits.load(Relaxed);
    }
}

/// A histogram under construction, with every bucket laid out.
struct Buckets {
    counts: [AtomicU64; BUCKETS],
    sum_micros: AtomicU64,
}

impl Default for Buckets {
    fn default() -> Self {
        Self { counts: [const { AtomicU64::new(0) }; BUCKETS], sum_micros: AtomicU64::new(0) }
    }
}

impl Buckets {
    fn record(&self, micros: u64) {
        self.counts[bucket(micros)].fetch_add(1, Relaxed);
        self.sum_micros.fetch_add(micros, Relaxed);
    }

    fn read_into(&self, histogram: &mut Histogram) {
        for (index, count) in (0u16..).zip(&self.counts) {
            let count = count.load(Relaxed);
            if count > 0 {
                *histogram.buckets.entry(index).or_default() += count;
                histogram.count += count;
            }
        }
        histogram.sum_micros += self.sum_micros.load(Relaxed);
    }
}
