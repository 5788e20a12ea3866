//! Tells the demo's story: one line a thing that happened, with the time since the step began.

use std::time::Instant;

use std::sync::{Mutex, PoisonError};

/// The teller.
pub(super) struct Teller {
    print: fn(&str),
    began: Instant,
    step: Mutex<Instant>,
}

impl Teller {
    pub(super) fn begin(print: fn(&str)) -> Self {
        let now = Instant::now();
        Self { print, began: now, step: Mutex::new(now) }
    }

    /// A new step of the story.
    pub(super) fn step(&self, title: &str) {
        *self.step.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        (self.print)(&format!("\n{title}"));
    }

    /// Something happened.
    pub(super) fn happened(&self, what: &str) {
        let since = self.step.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
        (self.print)(&format!("  {:>6.2} s  {what}", since.as_secs_f64()));
    }

    /// Something is said beside the story.
    pub(super) fn say(&self, text: &str) {
        (self.print)(&format!("\n{text}"));
    }

    /// Something did not happen.
    pub(super) fn failed(&self, what: &str) {
        (self.print)(&format!("\n  FAILED after {:.1} s: {what}", self.began.elapsed().as_secs_f64()));
    }
}
