//! Histograms of a few buckets: powers of two of a microsecond for times, powers of four for tokens. Their bounds are
//! inclusive, and a value falls into its bucket exactly.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The exponents of the bounds of times: 1 ms to 268 s, in powers of two of a microsecond.
const TIME_EXPONENTS: std::ops::RangeInclusive<u32> = 10..=28;
const TIME_BUCKETS: usize = 20;
/// The exponents of the bounds of tokens: 1 to 67,108,864, in powers of four.
const TOKEN_EXPONENTS: std::ops::RangeInclusive<u32> = 0..=13;
const TOKEN_BUCKETS: usize = 15;

/// Counts by upper bound, the last without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// Upper bounds, inclusive.
    pub bounds: Vec<u64>,
    /// Values up to each bound and above the one before; one more for those above all.
    pub counts: Vec<u64>,
    /// All values.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
}

impl Counts {
    /// No time yet, in microseconds.
    #[must_use]
    pub fn times() -> Self {
        Self::over(TIME_EXPONENTS.map(|exponent| 1 << exponent).collect())
    }

    pub(super) fn tokens() -> Self {
        Self::over(TOKEN_EXPONENTS.map(|exponent| 1 << (2 * exponent)).collect())
    }

    fn over(bounds: Vec<u64>) -> Self {
        let counts = vec![0; bounds.len() + 1];
        Self { bounds, counts, count: 0, sum: 0 }
    }

    /// Adds another's counts of the same bounds.
    pub fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, more)| *mine += more);
        self.count += other.count;
        self.sum += other.sum;
    }
}

/// Times, under construction.
#[derive(Debug, Default)]
pub struct Times(Buckets<TIME_BUCKETS>);

/// Numbers of tokens, under construction.
#[derive(Debug, Default)]
pub(super) struct Tokens(Buckets<TOKEN_BUCKETS>);

#[derive(Debug)]
struct Buckets<const N: usize> {
    counts: [AtomicU64; N],
    sum: AtomicU64,
}

impl<const N: usize> Default for Buckets<N> {
    fn default() -> Self {
        Self { counts: [const { AtomicU64::new(0) }; N], sum: AtomicU64::new(0) }
    }
}

impl<const N: usize> Buckets<N> {
    fn record(&self, bucket: usize, value: u64) {
        if let Some(count) = self.counts.get(bucket.min(N - 1)) {
            count.fetch_add(1, Relaxed);
        }
        self.sum.fetch_add(value, Relaxed);
    }

    fn read_into(&self, counts: &mut Counts) {
        for (sum, count) in counts.counts.iter_mut().zip(&self.counts) {
            let count = count.load(Relaxed);
            *sum += count;
            counts.count += count;
        }
        counts.sum += self.sum.load(Relaxed);
    }
}

impl Times {
    /// Counts a time.
    pub fn record(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.0.record(power_of_two(micros).saturating_sub(*TIME_EXPONENTS.start()) as usize, micros);
    }

    /// Adds what was counted.
    pub fn read_into(&self, counts: &mut Counts) {
        self.0.read_into(counts);
    }
}

impl Tokens {
    pub(super) fn record(&self, tokens: u64) {
        self.0.record(power_of_two(tokens).div_ceil(2) as usize, tokens);
    }

    pub(super) fn read_into(&self, counts: &mut Counts) {
        self.0.read_into(counts);
    }
}

/// The exponent of the smallest power of two that is not below a value.
const fn power_of_two(value: u64) -> u32 {
    u64::BITS - value.saturating_sub(1).leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a value belongs, by looking at the bounds one after another.
    fn by_looking(counts: &Counts, value: u64) -> usize {
        counts.bounds.iter().position(|bound| value <= *bound).unwrap_or(counts.bounds.len())
    }

    #[test]
    fn a_value_falls_into_the_first_bucket_whose_bound_it_does_not_exceed() {
        assert_eq!(Counts::times().counts.len(), TIME_BUCKETS);
        assert_eq!(Counts::tokens().counts.len(), TOKEN_BUCKETS);
        let around =
            (0..40).flat_map(|exponent| [(1_u64 << exponent) - 1, 1 << exponent, (1 << exponent) + 1]);
        for value in around {
            let (times, tokens) = (Times::default(), Tokens::default());
            times.record(Duration::from_micros(value));
            tokens.record(value);
            let mut read = Counts::times();
            times.read_into(&mut read);
            assert_eq!(read.counts[by_looking(&read, value)], 1, "{value} µs: {read:?}");
            let mut read = Counts::tokens();
            tokens.read_into(&mut read);
            assert_eq!(read.counts[by_looking(&read, value)], 1, "{value} tokens: {read:?}");
            assert_eq!((read.count, read.sum), (1, value));
        }
    }
}
