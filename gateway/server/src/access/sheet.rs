//! The lines of one worker that are not written yet.

use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};

use super::line::{Line, SecondText};
use crate::command_line::LogFormat;
use crate::gauges::Gauges;

/// The most that waits to be written; what comes then is dropped and counted.
pub(super) const BYTES_MAX: usize = 4 * 1024 * 1024;
/// When so much waits it is written at once.
const BYTES_MANY: usize = 256 * 1024;

/// Why the writer is woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// A sheet that was empty is not any more.
    Begun,
    /// A sheet fills up, or the end has come.
    Now,
}

/// The lines of one worker. Only that worker writes, so that its lock is nearly always free.
#[derive(Debug)]
pub struct Sheet {
    format: LogFormat,
    page: Mutex<Page>,
    wake: SyncSender<Signal>,
    gauges: Arc<Gauges>,
}

#[derive(Debug, Default)]
struct Page {
    bytes: Vec<u8>,
    lines: u64,
    second: SecondText,
}

impl Sheet {
    pub(super) fn new(format: LogFormat, wake: SyncSender<Signal>, gauges: Arc<Gauges>) -> Self {
        Self { format, page: Mutex::default(), wake, gauges }
    }

    /// Writes one line. Never waits for whoever reads the log.
    pub fn write(&self, line: &Line<'_>) {
        let mut page = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        let Page { bytes, lines, second } = &mut *page;
        let before = bytes.len();
        line.write(bytes, self.format, second);
        let after = bytes.len();
        if after > BYTES_MAX {
            bytes.truncate(before);
            drop(page);
            self.gauges.count_dropped_lines(1);
            return;
        }
        *lines += 1;
        drop(page);
        let signal = if before == 0 {
            Signal::Begun
        } else if before < BYTES_MANY && after >= BYTES_MANY {
            Signal::Now
        } else {
            return;
        };
        // A full channel has woken the writer already.
        self.wake.try_send(signal).unwrap_or_default();
    }

    /// Takes what is there, and leaves `empty` in its place. Says how many lines it is.
    pub(super) fn take(&self, empty: &mut Vec<u8>) -> u64 {
        let mut page = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut page.bytes, empty);
        std::mem::take(&mut page.lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_the_bound_are_dropped_whole_and_counted() {
        let gauges = Arc::<Gauges>::default();
        let (wake, signals) = std::sync::mpsc::sync_channel(8);
        let sheet = Sheet::new(LogFormat::Json, wake, Arc::clone(&gauges));
        let path = "x".repeat(1_000);
        for _ in 0..5_000 {
            sheet.write(&Line { path: &path, ..Line::default() });
        }
        let mut bytes = Vec::new();
        let lines = sheet.take(&mut bytes);
        assert!(bytes.len() <= BYTES_MAX && bytes.ends_with(b"}\n"), "{}", bytes.len());
        assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count() as u64, lines);
        assert_eq!(lines + gauges.dropped_lines(), 5_000);
        assert!(gauges.dropped_lines() > 0);
        assert_eq!(signals.try_iter().collect::<Vec<_>>(), [Signal::Begun, Signal::Now]);
    }
}
