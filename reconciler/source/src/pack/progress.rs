//! Logs how far a long fetch has come. A short one logs nothing.

use std::time::{Duration, Instant};

/// Between two lines.
const EVERY: Duration = Duration::from_secs(5);

/// How far the packs of one fetch have come.
#[derive(Debug)]
pub(crate) struct Progress {
    logged_at: Instant,
    lines: u32,
}

impl Progress {
    /// Starts now; the first line comes after five seconds.
    pub(crate) fn start() -> Self {
        Self { logged_at: Instant::now(), lines: 0 }
    }

    /// Objects and bytes that have arrived of the pack that is received.
    pub(super) fn received(&mut self, objects: u32, of: u32, bytes: u64) {
        if self.is_due() {
            let mebibytes = bytes / (1024 * 1024);
            tracing::info!(objects, of, mebibytes, "fetching the repository: receiving");
        }
    }

    /// Objects and deltas that have been checked of the pack that was received.
    pub(super) fn indexed(&mut self, objects: usize, of: usize) {
        if self.is_due() {
            tracing::info!(objects, of, "fetching the repository: checking what arrived");
        }
    }

    fn is_due(&mut self) -> bool {
        let is_due = self.logged_at.elapsed() >= EVERY;
        if is_due {
            self.logged_at = Instant::now();
            self.lines += 1;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_logged_every_five_seconds_and_no_sooner() {
        let mut progress = Progress::start();
        progress.received(1, 2, 3);
        assert_eq!(progress.lines, 0);
        progress.logged_at = Instant::now().checked_sub(EVERY).unwrap();
        progress.received(1, 2, 3);
        progress.indexed(1, 2);
        assert_eq!(progress.lines, 1);
    }
}
