//! Many durations in a few numbers.

use std::time::Duration;

/// Durations, sorted.
pub(crate) struct Figures(Vec<Duration>);

impl Figures {
    /// Of these durations; at least one.
    pub(crate) fn of(mut durations: Vec<Duration>) -> Self {
        assert!(!durations.is_empty(), "nothing was measured");
        durations.sort_unstable();
        Self(durations)
    }

    pub(crate) const fn count(&self) -> usize {
        self.0.len()
    }

    /// The duration that this share (in percent) of them does not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        self.0[(self.0.len() * percent / 100).min(self.0.len() - 1)]
    }
}

/// A duration in milliseconds, as a table shows it.
pub(crate) fn ms(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1e3)
}
