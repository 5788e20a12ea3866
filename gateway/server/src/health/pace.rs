//! How fast a target is: a moving average that new measurements outweigh and that fades when there are none.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Millis;

/// After so long half of an average is made of what was measured since.
const HALF_LIFE: f64 = 10_000.0;
/// The least that one measurement counts, however many there are.
const WEIGHT_LEAST: f64 = 1.0 / 32.0;
/// After so long without a measurement a target is taken for twice as fast: slow ones are given another try.
const FADE: f64 = 30_000.0;

/// A moving average of how long answers take. Shared by all workers without a lock; of two measurements in the same
/// instant one may be lost.
#[derive(Debug, Default)]
pub struct Pace(
    /// Microseconds in the upper half, milliseconds of the last measurement in the lower. 0: never measured.
    AtomicU64,
);

impl Pace {
    /// Takes in that an answer took so long.
    pub fn note(&self, took: Duration, now: Millis) {
        let sample = u32::try_from(took.as_micros()).unwrap_or(u32::MAX).max(1);
        let before = self.0.load(Ordering::Relaxed);
        let average = match unpacked(before, now) {
            None => sample,
            Some((average, age)) => {
                let weight = (1.0 - halved(age, HALF_LIFE)).max(WEIGHT_LEAST);
                rounded(f64::from(average) + weight * (f64::from(sample) - f64::from(average))).max(1)
            }
        };
        self.0.store(packed(average, now), Ordering::Relaxed);
    }

    /// How long an answer will take, by what was measured; nothing when nothing was.
    #[must_use]
    pub fn expected_micros(&self, now: Millis) -> Option<u64> {
        let (average, age) = unpacked(self.0.load(Ordering::Relaxed), now)?;
        Some(u64::from(rounded(f64::from(average) * halved(age, FADE))))
    }
}

fn packed(average: u32, now: Millis) -> u64 {
    u64::from(average) << 32 | now & u64::from(u32::MAX)
}

/// The average and its age. An age beyond 49 days wraps around, which does no harm: nothing was asked meanwhile.
fn unpacked(bits: u64, now: Millis) -> Option<(u32, f64)> {
    let average = u32::try_from(bits >> 32).ok().filter(|average| *average > 0)?;
    let low = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(0);
    Some((average, f64::from(low(now).wrapping_sub(low(bits)))))
}

/// What is left of 1 after so long.
fn halved(age: f64, half_life: f64) -> f64 {
    (-age / half_life).exp2()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; a cast saturates")]
fn rounded(number: f64) -> u32 {
    number.round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_first_measurement_counts_whole_and_later_ones_by_the_time_between() {
        let pace = Pace::default();
        assert_eq!(pace.expected_micros(0), None);
        pace.note(ms(100), 1_000);
        assert_eq!(pace.expected_micros(1_000), Some(100_000));
        pace.note(ms(300), 11_000);
        assert_eq!(pace.expected_micros(11_000), Some(200_000), "half, after a half-life");
        pace.note(ms(999), 1_000_000);
        assert!(pace.expected_micros(1_000_000).unwrap() > 998_000, "after long silence the new one counts");
    }

    #[test]
    fn many_measurements_at_once_still_move_the_average() {
        let pace = Pace::default();
        pace.note(ms(1), 0);
        for _ in 0..200 {
            pace.note(ms(50), 0);
        }
        assert!((48_000..=50_000).contains(&pace.expected_micros(0).unwrap()));
    }

    #[test]
    fn an_average_fades_so_that_a_slow_target_is_tried_again() {
        let pace = Pace::default();
        pace.note(ms(800), 0);
        assert_eq!(pace.expected_micros(30_000), Some(400_000));
        assert_eq!(pace.expected_micros(90_000), Some(100_000));
    }

    #[test]
    fn the_clock_may_wrap_and_answers_may_take_longer_than_can_be_noted() {
        let pace = Pace::default();
        let end = u64::from(u32::MAX);
        pace.note(Duration::from_secs(100_000), end);
        assert_eq!(pace.expected_micros(end), Some(end));
        assert_eq!(pace.expected_micros(end + 30_000), Some(u64::from(u32::MAX / 2 + 1)));
    }
}
