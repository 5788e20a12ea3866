//! A latency histogram that merges across replicas without losing anything but resolution.
//!
//! Buckets are log-linear: each power of two is cut into [`STEPS`] equal parts, so that a quantile is right to
//! within one part in [`STEPS`] (6.25 %). A bucket's index depends on nothing but the value, so histograms of different
//! processes add up bucket by bucket.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Buckets a power of two.
pub const STEPS: u64 = 16;
/// Number of buckets: values above about 2^40 µs (12 days) share the last.
pub const BUCKETS: usize = 16 + 36 * 16 + 1;

/// The bucket of a value in microseconds.
#[must_use]
pub const fn bucket(micros: u64) -> usize {
    if micros < STEPS {
        return micros as usize;
    }
    let exponent = micros.ilog2() as u64;
    let step = (micros >> (exponent - 4)) & (STEPS - 1);
    let index = (STEPS + (exponent - 4) * STEPS + step) as usize;
    if index < BUCKETS { index } else { BUCKETS - 1 }
}

/// The largest value of a bucket, in microseconds.
#[must_use]
pub const fn upper_micros(bucket: usize) -> u64 {
    let index = bucket as u64;
    if index < STEPS {
        return index;
    }
    let exponent = (index - STEPS) / STEPS + 4;
    let step = (index - STEPS) % STEPS;
    (1 << exponent) + (step + 1) * (1 << (exponent - 4)) - 1
}

/// Counts by bucket, as sent over the wire: only buckets that hold something.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Histogram {
    /// Values counted.
    pub count: u64,
    /// Their sum in microseconds.
    pub sum_micros: u64,
    /// Count by bucket index.
    pub buckets: BTreeMap<u16, u64>,
}

impl Histogram {
    /// Counts one value.
    pub fn record(&mut self, micros: u64) {
        self.count += 1;
        self.sum_micros = self.sum_micros.saturating_add(micros);
        #[expect(clippy::cast_possible_truncation, reason = "BUCKETS is far below u16::MAX")]
        let index = bucket(micros) as u16;
        *self.buckets.entry(index).or_default() += 1;
    }

    /// Adds another histogram's counts to this one's.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum_micros = self.sum_micros.saturating_add(other.sum_micros);
        for (index, count) in &other.buckets {
            *self.buckets.entry(*index).or_default() += count;
        }
    }

    /// The value, in microseconds, below which the given share (0 to 1) of values lies. `None` when empty.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<u64> {
        if self.count == 0 {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a rank among counted requests"
        )]
        let rank = ((self.count as f64 * share).ceil() as u64).clamp(1, self.count);
        let mut seen = 0;
        for (index, count) in &self.buckets {
            seen += count;
            if seen >= rank {
                return Some(upper_micros(usize::from(*index)));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_value_lies_in_its_bucket(micros in 0u64..(1 << 39)) {
            let index = bucket(micros);
            prop_assert!(micros <= upper_micros(index));
            prop_assert!(index == 0 || micros > upper_micros(index - 1));
        }

        #[test]
        fn merging_is_counting_together(a in prop::collection::vec(0u64..10_000_000, 0..50), b in prop::collection::vec(0u64..10_000_000, 0..50)) {
            let of = |values: &[u64]| {
                let mut histogram = Histogram::default();
                values.iter().for_each(|value| histogram.record(*value));
                histogram
            };
            let mut merged = of(&a);
            merged.merge(&of(&b));
            prop_assert_eq!(merged, of(&[a, b].concat()));
        }
    }

    #[test]
    fn quantiles_are_right_to_one_part_in_sixteen() {
        let mut histogram = Histogram::default();
        (1..=1000).for_each(|millis| histogram.record(millis * 1000));
        for (share, exact) in [(0.5, 500_000), (0.95, 950_000), (0.99, 990_000)] {
            let found = histogram.quantile(share).unwrap();
            assert!(found >= exact && found <= exact + exact / 16, "{share}: {found}");
        }
        assert_eq!(Histogram::default().quantile(0.5), None);
    }
}
