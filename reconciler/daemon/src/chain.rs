//! An error with what caused it, in one line.

use std::error::Error;

/// `what failed: why: why that`.
#[must_use]
pub fn of(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in causes(error) {
        text.push_str(": ");
        text.push_str(&cause.to_string());
    }
    text
}

/// A sentence about an error, and after it what the error goes back to: the sentence is for people, the cause for who
/// searches for it. What stands between the two only says which library noticed.
#[must_use]
pub fn after(sentence: &str, error: &(dyn Error + 'static)) -> String {
    match causes(error).last() {
        Some(root) => format!("{sentence} ({root})"),
        None => sentence.to_owned(),
    }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}
