//! How far a long fetch has come: in the log every few seconds, and for whoever asks meanwhile. A short one logs nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines of the log.
const EVERY: Duration = Duration::from_secs(5);
/// Between two sentences for who asks.
const SHOWN_EVERY: Duration = Duration::from_millis(200);

/// How far the fetch under way has come, as a sentence. Clones are one.
#[derive(Debug, Clone, Default)]
pub struct FetchProgress(Arc<Mutex<Option<String>>>);

impl FetchProgress {
    /// The sentence; `None` while nothing is received or checked.
    #[must_use]
    pub fn sentence(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn show(&self, sentence: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = sentence;
    }
}

/// How far the packs of one fetch have come.
#[derive(Debug)]
pub(crate) struct Progress {
    shown: FetchProgress,
    shown_at: Instant,
    logged_at: Instant,
    lines: u32,
}

impl Progress {
    /// Starts now; the first line comes after five seconds.
    pub(crate) fn start(shown: FetchProgress) -> Self {
        let now = Instant::now();
        Self { shown, shown_at: now, logged_at: now, lines: 0 }
    }

    /// Objects and bytes that have arrived of the pack that is received.
    pub(super) fn received(&mut self, objects: u32, of: u32, bytes: u64) {
        let mebibytes = bytes / (1024 * 1024);
        self.show(|| format!("{objects} of {of} objects are received, {mebibytes} MiB."));
        if self.is_due() {
            tracing::info!(objects, of, mebibytes, "fetching the repository: receiving");
        }
    }

    /// Objects and deltas that have been checked of the pack that was received.
    pub(super) fn indexed(&mut self, objects: usize, of: usize) {
        self.show(|| format!("All is received; {objects} of {of} objects are checked."));
        if self.is_due() {
            tracing::info!(objects, of, "fetching the repository: checking what arrived");
        }
    }

    fn show(&mut self, sentence: impl FnOnce() -> String) {
        if self.shown_at.elapsed() >= SHOWN_EVERY {
            self.shown_at = Instant::now();
            self.shown.show(Some(sentence()));
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

impl Drop for Progress {
    fn drop(&mut self) {
        self.shown.show(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_logged_every_five_seconds_and_no_sooner() {
        let mut progress = Progress::start(FetchProgress::default());
        progress.received(1, 2, 3);
        assert_eq!(progress.lines, 0);
        progress.logged_at = Instant::now().checked_sub(EVERY).unwrap();
        progress.received(1, 2, 3);
        progress.indexed(1, 2);
        assert_eq!(progress.lines, 1);
    }

    #[test]
    fn whoever_asks_sees_how_far_it_is_until_it_is_over() {
        let shown = FetchProgress::default();
        let mut progress = Progress::start(shown.clone());
        progress.shown_at = Instant::now().checked_sub(SHOWN_EVERY).unwrap();
        progress.received(10, 20, 3 << 20);
        assert_eq!(shown.sentence().unwrap(), "10 of 20 objects are received, 3 MiB.");
        progress.indexed(5, 20);
        assert!(shown.sentence().unwrap().starts_with("10 of 20"), "not each object is a sentence");
        progress.shown_at = Instant::now().checked_sub(SHOWN_EVERY).unwrap();
        progress.indexed(5, 20);
        assert_eq!(shown.sentence().unwrap(), "All is received; 5 of 20 objects are checked.");
        drop(progress);
        assert_eq!(shown.sentence(), None);
    }
}
