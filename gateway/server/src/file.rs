//! The document in files: read whole, and read again whenever it changes.
//!
//! In: the paths of `--config`. Out: [`Proposal`]s handed to the state, which takes them while the file is the owner.
//! Directories are watched, not files, because editors and deployments replace files: by rename, or (Kubernetes)
//! by swapping a symbolic link somewhere on the way. A slow re-reading catches what no event tells of.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::clock;
use crate::state::{ChangeError, Proposal, State, Taken};
use crate::watch::{REREAD, Watch};

/// The most bytes of one file.
pub const FILE_BYTES_MAX: u64 = 4 << 20;
/// The first wait before a document is tried again that lacks a secret, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), REREAD);

/// Why the files cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// One cannot be opened or read.
    #[error("{}: cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// One is too large.
    #[error("{}: expected at most {FILE_BYTES_MAX} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
}

/// Reads the files of a document.
///
/// # Errors
/// [`FileError`] names the first that cannot be read.
pub fn read(paths: &[PathBuf]) -> Result<Proposal, FileError> {
    paths
        .iter()
        .map(|path| Ok((path.display().to_string(), read_one(path)?)))
        .collect::<Result<_, _>>()
        .map(Proposal::Files)
}

fn read_one(path: &Path) -> Result<String, FileError> {
    let unreadable = |source| FileError::Unreadable { path: path.to_owned(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(FileError::TooLarge { path: path.to_owned() });
    }
    Ok(text)
}

/// Watches the files and hands each new content to the state.
pub struct FileWatch {
    state: Arc<State>,
    paths: Vec<PathBuf>,
    seen: Option<Proposal>,
}

/// What came of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Nothing is left to do with what the files say.
    Done,
    /// What they say is to be tried again soon.
    TryAgain,
}

impl FileWatch {
    /// A watch on the files.
    #[must_use]
    pub const fn new(state: Arc<State>, paths: Vec<PathBuf>) -> Self {
        Self { state, paths, seen: None }
    }

    /// Watches until `stop` is cancelled.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut watch = Watch::new();
        let mut backoff = Backoff::new(RETRY.0, RETRY.1);
        loop {
            // Before reading: what changes after this is noticed.
            watch.cover(&self.paths);
            let wait = match self.reload().await {
                Next::Done => backoff.after_success(REREAD),
                Next::TryAgain => backoff.after_failure(),
            };
            tokio::select! {
                () = watch.changed() => {}
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Reads the files and, when they say something new, hands it over.
    async fn reload(&mut self) -> Next {
        let paths = self.paths.clone();
        let state = &self.state;
        let read = state.change(move |_| Ok(read(&paths))).await;
        let proposal = match read {
            Ok(Ok(proposal)) => proposal,
            Ok(Err(error)) => {
                tracing::warn!(error = %Chain(&error), "the document's file cannot be read; what serves keeps serving");
                return Next::Done;
            }
            Err(error) => {
                tracing::warn!(%error, "the document's file was not read");
                return Next::Done;
            }
        };
        if self.seen.as_ref() == Some(&proposal) {
            return Next::Done;
        }
        let handed_over = proposal.clone();
        match state.change(move |state| state.reload(&handed_over, clock::now())).await {
            Ok(Taken::Changed(number)) => {
                tracing::info!(generation = number.0, "the document's file was taken");
            }
            Ok(Taken::Same(_)) => {}
            Ok(Taken::Ignored(owner)) => {
                tracing::info!(%owner, "the document's file is not the owner, and is not read");
            }
            // The state has told of every mistake.
            Err(ChangeError::Invalid(_)) => {}
            // Its secrets may be there in a while.
            Err(ChangeError::Secrets(_)) => return Next::TryAgain,
            // Not the document's fault: to be tried again.
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "the document's file was not taken");
                return Next::TryAgain;
            }
        }
        self.seen = Some(proposal);
        Next::Done
    }
}

/// Prints an error and its causes.
struct Chain<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(formatter, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
