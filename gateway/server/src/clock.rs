//! The one place of the control plane that reads a clock; everything that decides takes the time as an argument.

use jiff::Timestamp;

/// The present moment.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub fn now() -> Timestamp {
    Timestamp::now()
}
