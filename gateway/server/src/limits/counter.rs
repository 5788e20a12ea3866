//! One counter: what is used of one limit by one of those it counts for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Millis;
use super::ring::{Ring, Shape};

/// What is used, in this process's memory.
#[derive(Debug)]
pub struct Counter {
    shape: Shape,
    ring: Mutex<Ring>,
}

/// An amount that is held by whoever has this. Dropped without a word it is given back.
#[derive(Debug)]
#[must_use = "dropped, it gives back what it holds"]
pub struct Hold {
    counter: Arc<Counter>,
    bucket: u64,
    amount: u64,
    /// What is left after it.
    pub remaining: u64,
    /// Until all that is used now is forgotten.
    pub reset: Millis,
}

/// Says that an amount does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    /// What is left.
    pub remaining: u64,
    /// Until it may fit.
    pub reset: Millis,
}

impl Counter {
    pub(crate) fn new(shape: Shape) -> Self {
        Self { shape, ring: Mutex::new(Ring::new(shape)) }
    }

    /// Reserves an amount (at least 1: at a limit that is used up nothing passes), if with it no more than `most` is
    /// used.
    ///
    /// # Errors
    /// [`Full`] when it does not fit; nothing is reserved then.
    pub fn reserve(self: Arc<Self>, amount: u64, most: u64, now: Millis) -> Result<Hold, Full> {
        let amount = amount.max(1);
        let mut ring = self.ring();
        let bucket = ring.advance(now);
        let used = ring.used();
        match used.checked_add(amount).and_then(|used| most.checked_sub(used)) {
            Some(remaining) => {
                ring.charge(amount);
                let reset = ring.reset(now);
                drop(ring);
                Ok(Hold { counter: self, bucket, amount, remaining, reset })
            }
            None => Err(Full { remaining: most.saturating_sub(used), reset: ring.wait(amount, most, now) }),
        }
    }

    /// Whether it may still say something to somebody.
    pub(super) fn is_running(&self, now: Millis) -> bool {
        let mut ring = self.ring();
        ring.advance(now);
        ring.used() > 0
    }

    /// What is used at a moment.
    #[must_use]
    pub fn used(&self, now: Millis) -> u64 {
        let mut ring = self.ring();
        ring.advance(now);
        ring.used()
    }

    /// How its time is cut.
    pub(super) const fn shape(&self) -> Shape {
        self.shape
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hold {
    /// Exchanges what is held for what was used.
    pub fn settle(mut self, used: u64) {
        self.exchange(used);
    }

    fn exchange(&mut self, used: u64) {
        // What ran has ended, whatever it used.
        let used = if self.counter.shape().is_endless() { 0 } else { used };
        self.counter.ring().exchange(self.bucket, std::mem::take(&mut self.amount), used);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.amount > 0 {
            self.exchange(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use moorline_config::Duration;
    use moorline_config::document::Algorithm;
    use proptest::prelude::*;

    use super::*;

    fn fixed() -> Arc<Counter> {
        Arc::new(Counter::new(Shape::new(Some(Duration::from_seconds(1)), Algorithm::Fixed)))
    }

    fn running() -> Arc<Counter> {
        Arc::new(Counter::new(Shape::new(None, Algorithm::Fixed)))
    }

    fn reserve(counter: &Arc<Counter>, amount: u64, most: u64, now: Millis) -> Result<Hold, Full> {
        Arc::clone(counter).reserve(amount, most, now)
    }

    #[test]
    fn windows_begin_at_multiples_of_their_length() {
        let counter = fixed();
        let hold = reserve(&counter, 2, 2, 5_999).unwrap();
        assert_eq!((hold.remaining, hold.reset), (0, 1));
        assert_eq!(reserve(&counter, 1, 2, 5_999).unwrap_err(), Full { remaining: 0, reset: 1 });
        assert_eq!(reserve(&counter, 1, 2, 6_000).unwrap().reset, 1_000);
    }

    #[test]
    fn settling_gives_back_what_was_not_used_and_charges_what_was() {
        let counter = fixed();
        reserve(&counter, 50, 100, 0).unwrap().settle(10);
        assert_eq!(counter.used(0), 10);
        drop(reserve(&counter, 50, 100, 0).unwrap());
        assert_eq!(counter.used(0), 10);
        reserve(&counter, 50, 100, 0).unwrap().settle(500);
        assert_eq!(counter.used(0), 510);
        assert_eq!(reserve(&counter, 1, 100, 0).unwrap_err(), Full { remaining: 0, reset: 1_000 });
    }

    #[test]
    fn a_hold_of_a_past_window_changes_nothing_in_this_one() {
        let counter = fixed();
        let past = reserve(&counter, 50, 100, 0).unwrap();
        reserve(&counter, 20, 100, 1_000).unwrap().settle(20);
        past.settle(0);
        assert_eq!(counter.used(1_000), 20);
    }

    #[test]
    fn a_clock_that_goes_back_forgives_nothing() {
        let counter = fixed();
        reserve(&counter, 2, 2, 9_000).unwrap().settle(2);
        reserve(&counter, 1, 2, 8_000).unwrap_err();
    }

    #[test]
    fn what_runs_is_counted_until_it_ends_however_long_and_whatever_it_used() {
        let counter = running();
        let first = reserve(&counter, 1, 2, 0).unwrap();
        let second = reserve(&counter, 1, 2, 5).unwrap();
        assert_eq!(reserve(&counter, 1, 2, Millis::MAX - 1).unwrap_err().remaining, 0);
        first.settle(1);
        let third = reserve(&counter, 1, 2, 7).unwrap();
        drop(second);
        drop(third);
        assert_eq!(counter.used(8), 0);
    }

    #[test]
    fn threads_together_are_admitted_exactly_as_often_as_the_limit_says() {
        let counter = fixed();
        let admit = |_: &i32| reserve(&counter, 1, 1_000, 500).map(|hold| hold.settle(1)).is_ok();
        let admitted: usize = std::thread::scope(|scope| {
            let work = || (0..1_000).filter(admit).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(admitted, 1_000);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Reserve(u64),
        Settle(usize, u64),
        Drop(usize),
        Wait(u64),
    }

    fn amount() -> impl Strategy<Value = u64> {
        prop_oneof![8 => 0_u64..50, 1 => Just(u64::MAX), 1 => Just(u64::MAX - 7)]
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => amount().prop_map(Step::Reserve),
            3 => (0_usize..8, amount()).prop_map(|(which, used)| Step::Settle(which, used)),
            1 => (0_usize..8).prop_map(Step::Drop),
            1 => (0_u64..400).prop_map(Step::Wait),
        ]
    }

    proptest! {
        #[test]
        fn reserving_never_goes_beyond_the_limit_and_settling_never_below_nothing(
            steps in proptest::collection::vec(step(), 1..120), sliding: bool
        ) {
            let algorithm = if sliding { Algorithm::Sliding } else { Algorithm::Fixed };
            let counter = Arc::new(Counter::new(Shape::new(Some(Duration::from_seconds(1)), algorithm)));
            let (mut now, mut holds, most) = (0, Vec::new(), 100);
            for step in steps {
                let before = counter.used(now);
                match step {
                    Step::Reserve(amount) => match reserve(&counter, amount, most, now) {
                        Ok(hold) => {
                            prop_assert!(counter.used(now) <= most);
                            prop_assert_eq!(counter.used(now), before + amount.max(1));
                            holds.push(hold);
                        }
                        Err(full) => {
                            prop_assert!(before.saturating_add(amount.max(1)) > most);
                            prop_assert_eq!(counter.used(now), before);
                            prop_assert_eq!(full.remaining, most.saturating_sub(before));
                        }
                    },
                    Step::Settle(which, used) if which < holds.len() => {
                        holds.swap_remove(which).settle(used);
                        prop_assert!(counter.used(now) <= before.saturating_add(used));
                    }
                    Step::Drop(which) if which < holds.len() => drop(holds.swap_remove(which)),
                    Step::Wait(wait) => now += wait,
                    Step::Settle(..) | Step::Drop(_) => {}
                }
            }
            drop(holds);
            prop_assert_eq!(counter.used(now + 10_000), 0);
        }
    }
}
