//! The thread that writes: gathers every worker's sheet, and waits for nobody but the log's own reader.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

use super::sheet::{Sheet, Signal};
use super::{Destination, INTERVAL};
use crate::command_line::LogFormat;
use crate::gauges::Gauges;

/// Signals that wait for the writer; further ones would say nothing new.
const SIGNALS_MAX: usize = 8;
/// What a sheet's memory is cut back to after a burst.
const BYTES_KEPT: usize = 128 * 1024;

/// What workers and the writer share.
#[derive(Debug)]
pub(super) struct Shared {
    format: LogFormat,
    sheets: Mutex<Vec<Arc<Sheet>>>,
    wake: SyncSender<Signal>,
    stopping: AtomicBool,
    gauges: Arc<Gauges>,
}

impl Shared {
    pub(super) fn new(format: LogFormat, gauges: Arc<Gauges>) -> (Self, Receiver<Signal>) {
        let (wake, signals) = sync_channel(SIGNALS_MAX);
        let shared =
            Self { format, sheets: Mutex::default(), wake, stopping: AtomicBool::new(false), gauges };
        (shared, signals)
    }

    pub(super) fn sheet(self: &Arc<Self>) -> Arc<Sheet> {
        let sheet = Arc::new(Sheet::new(self.format, self.wake.clone(), Arc::clone(&self.gauges)));
        self.sheets.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&sheet));
        sheet
    }

    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        // A full channel wakes it as well.
        self.wake.try_send(Signal::Now).unwrap_or_default();
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

/// Where bytes go.
pub(super) enum Output {
    Stderr,
    File { path: PathBuf, file: File, id: (u64, u64) },
}

impl Output {
    /// `None`: nowhere.
    pub(super) fn open(destination: Destination) -> io::Result<Option<Self>> {
        Ok(match destination {
            Destination::Off => None,
            Destination::Stderr => Some(Self::Stderr),
            Destination::File(path) => Some(Self::file(path)?),
        })
    }

    fn file(path: PathBuf) -> io::Result<Self> {
        // For its owner only: names of keys and models stand in it, and words where that is declared.
        let file = File::options().create(true).append(true).mode(0o600).open(&path)?;
        let about = file.metadata()?;
        Ok(Self::File { path, file, id: (about.dev(), about.ino()) })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Self::File { path, id, .. } = self {
            let is_there = std::fs::metadata(&*path).is_ok_and(|about| (about.dev(), about.ino()) == *id);
            if !is_there {
                // Moved away by whoever keeps logs.
                *self = Self::file(path.clone())?;
            }
        }
        match self {
            Self::Stderr => io::stderr().lock().write_all(bytes),
            Self::File { file, .. } => file.write_all(bytes),
        }
    }
}

/// The thread's own things.
pub(super) struct Writer {
    shared: Arc<Shared>,
    output: Output,
    signals: Receiver<Signal>,
    spare: Vec<u8>,
    has_failed: bool,
}

impl Writer {
    pub(super) const fn new(shared: Arc<Shared>, output: Output, signals: Receiver<Signal>) -> Self {
        Self { shared, output, signals, spare: Vec::new(), has_failed: false }
    }

    /// Starts the thread. What it gives back is told when the thread has ended.
    pub(super) fn start(self) -> io::Result<oneshot::Receiver<()>> {
        let (end, ended) = oneshot::channel();
        std::thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            self.run();
            end.send(()).unwrap_or_default();
        })?;
        Ok(ended)
    }

    fn run(mut self) {
        // Nothing wakes it while nobody asks for anything.
        while !self.shared.is_stopping() && self.signals.recv().is_ok() {
            self.wait_for_more();
            self.gather();
        }
        self.gather();
    }

    /// Lets lines come together, for the interval or until there are many.
    fn wait_for_more(&self) {
        let by = Instant::now() + INTERVAL;
        while !self.shared.is_stopping() {
            let left = by.saturating_duration_since(Instant::now());
            if !matches!(self.signals.recv_timeout(left), Ok(Signal::Begun)) {
                return;
            }
        }
    }

    fn gather(&mut self) {
        let sheets = self.shared.sheets.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for sheet in sheets {
            let lines = sheet.take(&mut self.spare);
            if lines == 0 {
                continue;
            }
            match self.output.write(&self.spare) {
                Ok(()) => self.has_failed = false,
                Err(error) => {
                    self.shared.gauges.count_dropped_lines(lines);
                    if !std::mem::replace(&mut self.has_failed, true) {
                        tracing::error!(%error, "the access log cannot be written");
                    }
                }
            }
            self.spare.clear();
            self.spare.shrink_to(BYTES_KEPT);
        }
    }
}
