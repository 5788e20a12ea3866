//! The wait before another attempt.

use std::time::Duration;

use crate::data::dice::Dice;

/// The longest wait before another attempt. An upstream that asks for more is left alone.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(10);

/// The wait after a failed attempt: doubled each time, spread over its upper half so that callers who failed together
/// do not return together, and never shorter than the upstream asks. `None`: the upstream asks for too much.
pub(super) fn wait_before(
    attempt: u32,
    backoff: Duration,
    asked: Option<Duration>,
    dice: &Dice,
) -> Option<Duration> {
    let doubled = backoff.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(WAIT_MAX);
    let half = doubled / 2;
    let spread = u64::try_from(half.as_micros()).unwrap_or(u64::MAX);
    let wait = half + Duration::from_micros(dice.below(spread.saturating_add(1)));
    let wait = asked.map_or(wait, |asked| wait.max(asked));
    (wait <= WAIT_MAX).then_some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_spread_and_stay_below_the_most() {
        let dice = Dice::new();
        for (attempt, low, high) in [(1, 50, 100), (2, 100, 200), (3, 200, 400), (60, 5_000, 10_000)] {
            let wait = wait_before(attempt, Duration::from_millis(100), None, &dice).unwrap();
            assert!((low..=high).contains(&wait.as_millis()), "{attempt}: {wait:?}");
        }
    }

    #[test]
    fn an_upstream_s_own_wait_is_kept_or_the_upstream_is_left_alone() {
        let dice = Dice::new();
        let wait =
            |asked| wait_before(1, Duration::from_millis(100), Some(Duration::from_secs(asked)), &dice);
        assert_eq!(wait(3), Some(Duration::from_secs(3)));
        assert_eq!(wait(11), None);
        assert!(wait(0).unwrap() <= Duration::from_millis(100));
    }
}
