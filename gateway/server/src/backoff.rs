//! How long to wait before trying again: longer with each failure, and never all of a fleet at the same moment.

use std::time::Duration;

use crate::data::dice::Dice;

/// A wait that doubles.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
    dice: Dice,
}

impl Backoff {
    /// From `first` to `most`.
    #[must_use]
    pub fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, failures: 0, dice: Dice::new() }
    }

    /// The wait after one more failure: between half of it and all of it.
    pub fn after_failure(&mut self) -> Duration {
        let whole = self.first.saturating_mul(1 << self.failures.min(20)).min(self.most);
        self.failures = self.failures.saturating_add(1);
        whole / 2 + self.up_to(whole / 2)
    }

    /// The wait after a success: `every`, give or take a tenth.
    pub fn after_success(&mut self, every: Duration) -> Duration {
        self.failures = 0;
        every * 9 / 10 + self.up_to(every / 5)
    }

    fn up_to(&self, most: Duration) -> Duration {
        let micros = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.dice.below(micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_most_and_start_over_after_a_success() {
        let (first, most) = (Duration::from_secs(1), Duration::from_secs(5));
        let mut backoff = Backoff::new(first, most);
        for whole in [1, 2, 4, 5, 5] {
            let (wait, whole) = (backoff.after_failure(), Duration::from_secs(whole));
            assert!((whole / 2..=whole).contains(&wait), "{wait:?} of {whole:?}");
        }
        let usual = backoff.after_success(most);
        assert!((most * 9 / 10..=most * 11 / 10).contains(&usual), "{usual:?}");
        assert!(backoff.after_failure() <= first);
    }
}
