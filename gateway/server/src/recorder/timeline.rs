//! What was counted when: deltas of the running totals, noted a slice at a time, finely for a few minutes and
//! coarsely for an hour, so that "since" can be answered from bounded memory.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use moorline_admin::{Histogram, Usage};

use super::SLICE;
use super::cells::Authentications;

/// How long slices keep the length of [`SLICE`].
const FINE: Duration = Duration::from_secs(5 * 60);
/// Length of the slices that older ones are merged into.
const COARSE: Duration = Duration::from_secs(60);
/// How long slices are kept at all.
const KEPT: Duration = Duration::from_secs(60 * 60);

/// Running totals of every cell, as they stand now.
pub(super) trait Totals {
    /// The cell's total, unless it still counts as many requests as `known`.
    fn usage_unless(&self, cell: usize, known: u64) -> Option<Usage>;
    fn authentications(&self) -> Authentications<u64>;
}

/// What was added between two moments, only of cells to which something was.
struct Slice {
    from: Timestamp,
    to: Timestamp,
    cells: Vec<(usize, Usage)>,
    authentications: Authentications<u64>,
}

impl Slice {
    fn absorb(&mut self, later: Self) {
        self.to = later.to;
        for (index, usage) in later.cells {
            match self.cells.iter_mut().find(|(mine, _)| *mine == index) {
                Some((_, mine)) => mine.merge(&usage),
                None => self.cells.push((index, usage)),
            }
        }
        for (mine, more) in self.authentications.iter_mut().zip(later.authentications) {
            *mine += more;
        }
    }
}

/// History of one generation's counts.
pub(super) struct Timeline {
    started: Timestamp,
    noted_until: Timestamp,
    forgotten_until: Timestamp,
    totals: Vec<Usage>,
    authentications: Authentications<u64>,
    fine: VecDeque<Slice>,
    coarse: VecDeque<Slice>,
}

/// What was counted since a moment.
pub(super) struct Window {
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
    pub(super) cells: Vec<Usage>,
    pub(super) authentications: Authentications<u64>,
}

impl Timeline {
    pub(super) fn new(started: Timestamp, cells: usize) -> Self {
        Self {
            started,
            noted_until: started,
            forgotten_until: started,
            totals: vec![Usage::default(); cells],
            authentications: Authentications::default(),
            fine: VecDeque::new(),
            coarse: VecDeque::new(),
        }
    }

    /// Notes what was added since the last note. A clock that went back notes at the same moment as before.
    pub(super) fn note(&mut self, now: Timestamp, totals: &impl Totals) {
        let now = now.max(self.noted_until);
        let from = std::mem::replace(&mut self.noted_until, now);
        let mut cells = Vec::new();
        for (index, before) in self.totals.iter_mut().enumerate() {
            if let Some(after) = totals.usage_unless(index, before.requests) {
                cells.push((index, added(&after, before)));
                *before = after;
            }
        }
        let after = totals.authentications();
        let authentications = std::array::from_fn(|i| after[i].saturating_sub(self.authentications[i]));
        self.authentications = after;
        if !cells.is_empty() || authentications.iter().any(|count| *count > 0) {
            let slice = Slice { from, to: now, cells, authentications };
            push_or_absorb(&mut self.fine, slice, SLICE);
        }
        self.forget(now);
    }

    /// Slices held.
    #[cfg(test)]
    pub(super) fn slices(&self) -> usize {
        self.fine.len() + self.coarse.len()
    }

    /// Merges what grew old, and drops what grew too old.
    fn forget(&mut self, now: Timestamp) {
        while let Some(slice) = self.fine.pop_front_if(|slice| now.duration_since(slice.to) > signed(FINE)) {
            push_or_absorb(&mut self.coarse, slice, COARSE);
        }
        while let Some(slice) = self.coarse.pop_front_if(|slice| now.duration_since(slice.to) > signed(KEPT))
        {
            self.forgotten_until = slice.to;
        }
    }

    /// What was noted since a moment, rounded down to a slice; since the start when none is given.
    pub(super) fn since(&self, since: Option<Timestamp>) -> Window {
        let until = self.noted_until;
        let Some(since) = since.filter(|since| *since > self.started) else {
            let (cells, authentications) = (self.totals.clone(), self.authentications);
            return Window { since: self.started, until, cells, authentications };
        };
        let mut cells = vec![Usage::default(); self.totals.len()];
        let mut authentications = Authentications::default();
        let mut first = since.min(until);
        for slice in self.coarse.iter().chain(&self.fine).filter(|slice| slice.to > since) {
            first = first.min(slice.from);
            for (index, usage) in &slice.cells {
                cells[*index].merge(usage);
            }
            for (sum, count) in authentications.iter_mut().zip(slice.authentications) {
                *sum += count;
            }
        }
        Window { since: first.max(self.forgotten_until), until, cells, authentications }
    }
}

fn push_or_absorb(slices: &mut VecDeque<Slice>, slice: Slice, length: Duration) {
    match slices.back_mut() {
        Some(last) if slice.to.duration_since(last.from) <= signed(length) => last.absorb(slice),
        _ => slices.push_back(slice),
    }
}

fn signed(duration: Duration) -> jiff::SignedDuration {
    jiff::SignedDuration::try_from(duration).unwrap_or(jiff::SignedDuration::MAX)
}

/// What `after` has more than `before`.
fn added(after: &Usage, before: &Usage) -> Usage {
    Usage {
        requests: after.requests.saturating_sub(before.requests),
        errors: difference(&after.errors, &before.errors),
        latency: added_values(&after.latency, &before.latency),
        first_token: added_values(&after.first_token, &before.first_token),
        input_tokens: after.input_tokens.saturating_sub(before.input_tokens),
        output_tokens: after.output_tokens.saturating_sub(before.output_tokens),
        cost_micros: after.cost_micros.saturating_sub(before.cost_micros),
        cache_hits: after.cache_hits.saturating_sub(before.cache_hits),
    }
}

fn added_values(after: &Histogram, before: &Histogram) -> Histogram {
    Histogram {
        count: after.count.saturating_sub(before.count),
        sum_micros: after.sum_micros.saturating_sub(before.sum_micros),
        buckets: difference(&after.buckets, &before.buckets),
    }
}

fn difference<K: Ord + Copy>(
    after: &std::collections::BTreeMap<K, u64>,
    before: &std::collections::BTreeMap<K, u64>,
) -> std::collections::BTreeMap<K, u64> {
    let more = |key: &K, count: u64| count.saturating_sub(before.get(key).copied().unwrap_or(0));
    after.iter().map(|(key, count)| (*key, more(key, *count))).filter(|(_, count)| *count > 0).collect()
}
