//! Waits that end a little early, each time by another part, so that what began at the same moment does not go on at the same
//! moment for ever.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// Most of a wait that is left out.
const SPREAD: f64 = 0.1;

/// The wait, shortened by up to a tenth.
pub(crate) fn spread(wait: Duration) -> Duration {
    wait.saturating_sub(wait.mul_f64(SPREAD * part()))
}

/// A number between 0 and 1 by chance; nothing secret hangs on it.
fn part() -> f64 {
    let number = RandomState::new().hash_one(()) >> 32;
    f64::from(u32::try_from(number).unwrap_or_default()) / f64::from(u32::MAX)
}
