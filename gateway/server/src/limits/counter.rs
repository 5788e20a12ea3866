//! One counter of one window.

use std::sync::{Mutex, PoisonError};

use super::Millis;

/// What is used in the present window.
#[derive(Debug)]
pub struct Counter {
    window: Millis,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Number of the window since the epoch.
    index: u64,
    used: u64,
}

/// An amount that was reserved, and in which window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    index: u64,
    amount: u64,
    /// What is left after it.
    pub remaining: u64,
    /// Until the window ends.
    pub reset: Millis,
}

/// Says that an amount does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    /// What is left.
    pub remaining: u64,
    /// Until the window ends.
    pub reset: Millis,
}

impl Counter {
    pub(super) fn new(window: Millis) -> Self {
        Self { window: window.max(1), state: Mutex::new(State::default()) }
    }

    /// Reserves an amount, if with it no more than `most` is used.
    ///
    /// # Errors
    /// [`Full`] when it does not fit; nothing is reserved then.
    pub fn reserve(&self, amount: u64, most: u64, now: Millis) -> Result<Hold, Full> {
        let index = now / self.window;
        let reset = self.window - now % self.window;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if index > state.index {
            *state = State { index, used: 0 };
        }
        // A clock that went back stays in the window it was in: going back must not forgive.
        let used = state.used.saturating_add(amount);
        if used > most || (amount == 0 && state.used >= most) {
            return Err(Full { remaining: most.saturating_sub(state.used), reset });
        }
        state.used = used;
        Ok(Hold { index: state.index, amount, remaining: most - used, reset })
    }

    /// Exchanges a reserved amount for what was used.
    pub fn settle(&self, hold: Hold, used: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.index == hold.index {
            state.used = state.used.saturating_sub(hold.amount).saturating_add(used);
        }
    }

    /// Whether the last window used has not ended yet.
    pub(super) fn is_running(&self, now: Millis) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        now / self.window <= state.index
    }

    /// What is used in the window of `now`.
    #[must_use]
    pub fn used(&self, now: Millis) -> u64 {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now / self.window > state.index { 0 } else { state.used }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_begin_at_multiples_of_their_length() {
        let counter = Counter::new(1_000);
        let hold = counter.reserve(2, 2, 5_999).unwrap();
        assert_eq!((hold.remaining, hold.reset), (0, 1));
        assert_eq!(counter.reserve(1, 2, 5_999), Err(Full { remaining: 0, reset: 1 }));
        assert_eq!(counter.reserve(1, 2, 6_000).unwrap().reset, 1_000);
    }

    #[test]
    fn settling_gives_back_what_was_not_used_and_charges_what_was() {
        let counter = Counter::new(1_000);
        let hold = counter.reserve(50, 100, 0).unwrap();
        counter.settle(hold, 10);
        assert_eq!(counter.used(0), 10);
        let hold = counter.reserve(50, 100, 0).unwrap();
        counter.settle(hold, 500);
        assert_eq!(counter.used(0), 510);
        assert_eq!(counter.reserve(1, 100, 0), Err(Full { remaining: 0, reset: 1_000 }));
    }

    #[test]
    fn a_hold_of_a_past_window_changes_nothing_in_this_one() {
        let counter = Counter::new(1_000);
        let past = counter.reserve(50, 100, 0).unwrap();
        counter.reserve(20, 100, 1_000).unwrap();
        counter.settle(past, 0);
        assert_eq!(counter.used(1_000), 20);
    }

    #[test]
    fn a_clock_that_goes_back_forgives_nothing() {
        let counter = Counter::new(1_000);
        counter.reserve(2, 2, 9_000).unwrap();
        counter.reserve(1, 2, 8_000).unwrap_err();
    }

    #[test]
    fn threads_together_are_admitted_exactly_as_often_as_the_limit_says() {
        let counter = Counter::new(1_000);
        let admitted: usize = std::thread::scope(|scope| {
            let work = || (0..1_000).filter(|_| counter.reserve(1, 1_000, 500).is_ok()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(admitted, 1_000);
    }
}
