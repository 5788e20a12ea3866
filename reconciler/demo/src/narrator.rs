//! Prints the demo: a line for each thing that happened, with the time since the step began.

use std::time::Instant;

use std::sync::{Mutex, PoisonError};

pub(super) struct Narrator {
    print: fn(&str),
    began: Instant,
    step: Mutex<Instant>,
}

impl Narrator {
    pub(super) fn begin(print: fn(&str)) -> Self {
        let now = Instant::now();
        Self { print, began: now, step: Mutex::new(now) }
    }

    /// A new step of the story.
    pub(super) fn step(&self, title: &str) {
        *self.step.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        (self.print)(&format!("\n{title}"));
    }

    pub(super) fn happened(&self, what: &str) {
        let since = self.step.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
        (self.print)(&format!("  {:>6.2} s  {what}", since.as_secs_f64()));
    }

    /// A line outside of the steps.
    pub(super) fn say(&self, text: &str) {
        (self.print)(&format!("\n{text}"));
    }

    /// Something did not happen.
    pub(super) fn failed(&self, what: &str) {
        (self.print)(&format!("\n  FAILED after {:.1} s: {what}", self.began.elapsed().as_secs_f64()));
    }
}
