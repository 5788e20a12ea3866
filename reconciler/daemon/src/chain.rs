//! An error with all that caused it, in one line.

use std::error::Error;

/// `what failed: why: why that`.
#[must_use]
pub fn of(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
