//! What is used, by stretches of time: one stretch for a window that is fixed, several for one that slides.
//!
//! Time is cut into *buckets* of equal length since the epoch. A fixed window is one bucket. A sliding window is the
//! bucket of now and the sixteen before it, each a sixteenth of the window long: together they reach back at least the
//! whole window, so that no stretch of its length ever holds more than the limit, and what was used is forgotten at
//! most a sixteenth of the window late. What runs at the same time has one bucket that never ends.

use moorline_config::Duration;
use moorline_config::document::Algorithm;

use super::Millis;

/// Parts of a sliding window. More make it smoother, and each counter larger.
const SLIDING_PARTS: u64 = 16;

/// How time is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Length of a bucket.
    length: Millis,
    /// Buckets before the present one that count.
    pub(super) kept: u64,
}

impl Shape {
    /// The shape of a window; without a window, of what runs at the same time.
    pub(crate) fn new(window: Option<Duration>, algorithm: Algorithm) -> Self {
        let Some(window) = window else { return Self { length: Millis::MAX, kept: 0 } };
        let window = window.as_milliseconds().max(1);
        match algorithm {
            Algorithm::Fixed => Self { length: window, kept: 0 },
            Algorithm::Sliding => Self { length: window.div_ceil(SLIDING_PARTS), kept: SLIDING_PARTS },
        }
    }

    /// Whether nothing is ever forgotten but what is given back.
    pub(super) const fn is_endless(self) -> bool {
        self.length == Millis::MAX
    }

    /// The bucket of a moment.
    pub(super) const fn bucket(self, now: Millis) -> u64 {
        now / self.length
    }

    /// Until the next bucket begins.
    pub(super) const fn step(self, now: Millis) -> Millis {
        self.length - now % self.length
    }

    /// How long it is worth waiting when the present window is used up: until a part of it is forgotten.
    pub(super) const fn refused_for(self, bucket: u64, now: Millis) -> Millis {
        if self.is_endless() {
            0
        } else if self.is_fixed() {
            self.forgotten_in(bucket, now)
        } else {
            self.step(now)
        }
    }

    /// The first bucket that counts when another is the present one.
    pub(super) const fn oldest(self, head: u64) -> u64 {
        head.saturating_sub(self.kept)
    }

    /// How long after its last use a counter may still say something.
    pub(super) const fn memory(self) -> Millis {
        if self.is_endless() { 0 } else { self.length.saturating_mul(self.kept.saturating_add(2)) }
    }

    /// Whether a window is one bucket.
    pub(super) const fn is_fixed(self) -> bool {
        self.kept == 0
    }

    /// Until a bucket is forgotten; nothing when it never is.
    pub(super) const fn forgotten_in(self, bucket: u64, now: Millis) -> Millis {
        if self.is_endless() {
            return 0;
        }
        bucket.saturating_add(self.kept).saturating_add(1).saturating_mul(self.length).saturating_sub(now)
    }
}

/// A stretch of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bucket {
    /// Its number since the epoch.
    pub(super) index: u64,
    /// What was used in it.
    pub(super) used: u64,
    /// What a shared store counts as this process's, used or not; see [`super::lease`].
    pub(super) taken: u64,
    /// What it heard of that.
    pub(super) told: u64,
}

/// The buckets that count.
#[derive(Debug)]
pub(super) struct Ring {
    shape: Shape,
    head: u64,
    buckets: Box<[Bucket]>,
}

impl Ring {
    pub(super) fn new(shape: Shape) -> Self {
        let length = usize::try_from(shape.kept).unwrap_or(0).saturating_add(1);
        Self { shape, head: 0, buckets: vec![Bucket::default(); length].into() }
    }

    /// Forgets what is over, and says which bucket is the present one. A clock that went back stays where it was:
    /// going back must not forgive.
    pub(super) fn advance(&mut self, now: Millis) -> u64 {
        let index = self.shape.bucket(now);
        if index > self.head {
            let kept = self.shape.kept;
            for bucket in &mut self.buckets {
                if bucket.index.saturating_add(kept) < index {
                    *bucket = Bucket::default();
                }
            }
            self.head = index;
            let slot = self.slot(index);
            if let Some(bucket) = self.buckets.get_mut(slot) {
                *bucket = Bucket { index, ..Bucket::default() };
            }
        }
        self.head
    }

    fn slot(&self, index: u64) -> usize {
        usize::try_from(index % (self.shape.kept + 1)).unwrap_or(0)
    }

    /// A bucket that still counts.
    pub(super) fn bucket(&mut self, index: u64) -> Option<&mut Bucket> {
        let slot = self.slot(index);
        self.buckets.get_mut(slot).filter(|bucket| bucket.index == index)
    }

    /// The present one.
    pub(super) fn present(&mut self) -> Option<&mut Bucket> {
        self.bucket(self.head)
    }

    /// The number of the present one.
    pub(super) const fn head(&self) -> u64 {
        self.head
    }

    /// How its time is cut.
    pub(super) const fn shape(&self) -> Shape {
        self.shape
    }

    /// All that count.
    pub(super) fn buckets(&mut self) -> &mut [Bucket] {
        &mut self.buckets
    }

    /// What is used in all of them.
    pub(super) fn used(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, bucket| sum.saturating_add(bucket.used))
    }

    /// Uses more in the present bucket.
    pub(super) fn charge(&mut self, amount: u64) {
        let head = self.head;
        if let Some(bucket) = self.bucket(head) {
            bucket.used = bucket.used.saturating_add(amount);
        }
    }

    /// Exchanges an amount that was used in a bucket for another. A bucket that does not count any more is left alone.
    pub(super) fn exchange(&mut self, index: u64, amount: u64, used: u64) {
        if let Some(bucket) = self.bucket(index) {
            bucket.used = bucket.used.saturating_sub(amount).saturating_add(used);
        }
    }

    /// Until everything used so far is forgotten.
    pub(super) fn reset(&self, now: Millis) -> Millis {
        self.shape.forgotten_in(self.head, now)
    }

    /// Until so much is forgotten that `amount` may fit below `most`, if nothing else is used meanwhile.
    pub(super) fn wait(&self, amount: u64, most: u64, now: Millis) -> Millis {
        let mut left = self.used();
        let oldest = self.head.saturating_sub(self.shape.kept);
        for index in oldest..=self.head {
            let bucket = self.buckets.get(self.slot(index)).filter(|bucket| bucket.index == index);
            left = left.saturating_sub(bucket.map_or(0, |bucket| bucket.used));
            if left.saturating_add(amount) <= most {
                return self.shape.forgotten_in(index, now);
            }
        }
        self.reset(now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sliding() -> Ring {
        Ring::new(Shape::new(Some(Duration::from_seconds(16)), Algorithm::Sliding))
    }

    #[test]
    fn a_sliding_window_forgets_a_bucket_when_it_is_a_whole_window_old() {
        let mut ring = sliding();
        ring.advance(500);
        ring.charge(3);
        ring.advance(16_999);
        ring.charge(4);
        assert_eq!(ring.used(), 7);
        assert_eq!(ring.wait(1, 7, 16_999), 1);
        assert_eq!(
            ring.wait(4, 7, 16_999),
            16_001,
            "the four are forgotten a window and a part after they were used"
        );
        ring.advance(17_000);
        assert_eq!(ring.used(), 4);
        ring.advance(1_000_000);
        assert_eq!(ring.used(), 0);
    }

    #[test]
    fn what_does_not_count_any_more_is_not_exchanged() {
        let mut ring = sliding();
        let first = ring.advance(0);
        ring.charge(5);
        ring.advance(17_000);
        ring.exchange(first, 5, 100);
        assert_eq!(ring.used(), 0);
    }

    proptest! {
        #[test]
        fn no_stretch_of_a_sliding_window_s_length_holds_more_than_the_limit(
            steps in proptest::collection::vec((0_u64..3_000, 1_u64..4), 1..200)
        ) {
            let (mut ring, mut now, most, mut admitted) = (sliding(), 0, 10, Vec::new());
            for (wait, amount) in steps {
                now += wait;
                ring.advance(now);
                if ring.used() + amount <= most {
                    ring.charge(amount);
                    admitted.push((now, amount));
                }
                let window: u64 =
                    admitted.iter().filter(|(at, _)| at + 16_000 > now).map(|(_, amount)| amount).sum();
                prop_assert!(window <= most);
                // What is a window and a part old never counts.
                let counted: u64 =
                    admitted.iter().filter(|(at, _)| at + 17_000 > now).map(|(_, amount)| amount).sum();
                prop_assert!(ring.used() <= counted);
            }
        }
    }
}
