//! The access log: one line a request.
//!
//! In: a [`Line`] from whichever worker closed a request. Out: text or JSON on stderr or in a file. A worker writes
//! its line into a [`Sheet`] of its own, by hand and without waiting; one thread gathers the sheets every
//! [`INTERVAL`], and at the end. What a worker wrote stays in its order. Nothing grows without bound: when the
//! reader of the log falls behind, further lines are dropped and counted. A crash loses the last interval.

mod escape;
mod line;
mod sheet;
mod writer;

use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

pub use line::{Bodies, Body, Line};
pub use sheet::Sheet;

use crate::command_line::LogFormat;
use crate::gauges::Gauges;
use writer::Writer;

/// How long a line waits for others before it is written.
pub const INTERVAL: Duration = Duration::from_millis(100);

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Nowhere.
    Off,
    /// To stderr, between the other log lines.
    Stderr,
    /// To a file, which is opened anew when it was moved away.
    File(PathBuf),
}

impl FromStr for Destination {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "off" => Self::Off,
            "stderr" => Self::Stderr,
            path => Self::File(path.into()),
        })
    }
}

/// A handle to the access log. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct AccessLog(Option<Arc<writer::Shared>>);

/// The end of the thread that writes.
#[derive(Debug)]
#[must_use]
pub struct Finisher {
    log: AccessLog,
    ended: Option<tokio::sync::oneshot::Receiver<()>>,
}

impl AccessLog {
    /// A log that is written nowhere.
    #[must_use]
    pub const fn off() -> Self {
        Self(None)
    }

    /// Starts the thread that writes.
    ///
    /// # Errors
    /// When the file cannot be opened, or no thread can be made.
    pub fn start(
        destination: Destination,
        format: LogFormat,
        gauges: &Arc<Gauges>,
    ) -> io::Result<(Self, Finisher)> {
        let Some(output) = writer::Output::open(destination)? else {
            return Ok((Self::off(), Finisher { log: Self::off(), ended: None }));
        };
        let (shared, signals) = writer::Shared::new(format, Arc::clone(gauges));
        let shared = Arc::new(shared);
        let ended = Writer::new(Arc::clone(&shared), output, signals).start()?;
        let log = Self(Some(shared));
        Ok((log.clone(), Finisher { log, ended: Some(ended) }))
    }

    /// A sheet for one more worker. `None`: no line is wanted.
    #[must_use]
    pub fn sheet(&self) -> Option<Arc<Sheet>> {
        self.0.as_ref().map(writer::Shared::sheet)
    }
}

impl Finisher {
    /// Writes what is left. `false`: whoever reads the log did not take it in time.
    pub async fn finish(self, deadline: Duration) -> bool {
        let (Some(shared), Some(ended)) = (&self.log.0, self.ended) else { return true };
        shared.stop();
        tokio::time::timeout(deadline, ended).await.is_ok()
    }
}
