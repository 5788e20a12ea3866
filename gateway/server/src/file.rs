//! The document in files: read whole, and read again whenever it changes.
//!
//! In: the paths of `--config`. Out: [`Proposal`]s handed to the state, which takes them while the file is the owner.
//! Directories are watched, not files, because editors and deployments replace files: by rename, or (Kubernetes)
//! by swapping a symbolic link somewhere on the way. A slow re-reading catches what no event tells of.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::state::{ChangeError, Proposal, State, Taken};

/// The most bytes of one file.
pub const FILE_BYTES_MAX: u64 = 4 << 20;
/// How long the files must have been left alone before they are read: one save is several events.
const QUIET: Duration = Duration::from_millis(50);
/// The longest wait for quiet.
const QUIET_MAX: Duration = Duration::from_secs(1);
/// How often the files are read without an event (network file systems send none).
const REREAD: Duration = Duration::from_secs(30);

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

impl FileWatch {
    /// A watch on the files, which had the content `seen` at the start.
    #[must_use]
    pub const fn new(state: Arc<State>, paths: Vec<PathBuf>, seen: Proposal) -> Self {
        Self { state, paths, seen: Some(seen) }
    }

    /// Watches until `stop` is cancelled.
    pub async fn run(mut self, stop: CancellationToken) {
        let (bell, mut rings) = mpsc::channel(1);
        let mut watched = Watched::new(bell);
        loop {
            // Before reading: what changes after this is noticed.
            watched.cover(&self.paths);
            self.reload().await;
            // Every arm is cancel safe: nothing is taken that is not acted on.
            tokio::select! {
                ring = rings.recv() => if ring.is_none() { return },
                () = tokio::time::sleep(REREAD) => {}
                () = stop.cancelled() => return,
            }
            quiet(&mut rings).await;
        }
    }

    /// Reads the files and, when they say something new, hands it over.
    async fn reload(&mut self) {
        let paths = self.paths.clone();
        let state = &self.state;
        let read = state.change(move |_| Ok(read(&paths))).await;
        let proposal = match read {
            Ok(Ok(proposal)) => proposal,
            Ok(Err(error)) => {
                return tracing::warn!(error = %Chain(&error), "the document's file cannot be read; what serves keeps serving");
            }
            Err(error) => return tracing::warn!(%error, "the document's file was not read"),
        };
        if self.seen.as_ref() == Some(&proposal) {
            return;
        }
        let handed_over = proposal.clone();
        match state.change(move |state| state.reload(&handed_over, clock::now())).await {
            Ok(Taken::Changed(number) | Taken::Same(number)) => {
                tracing::info!(generation = number.0, "the document's file was taken");
            }
            Ok(Taken::Ignored(owner)) => {
                tracing::info!(%owner, "the document's file changed, but is not the owner");
            }
            // The state has told of every mistake.
            Err(ChangeError::Invalid(_)) => {}
            // Not the document's fault: to be tried again.
            Err(error) => return tracing::warn!(error = %Chain(&error), "the document's file was not taken"),
        }
        self.seen = Some(proposal);
    }
}

/// Waits until no event has come for a while.
async fn quiet(rings: &mut mpsc::Receiver<()>) {
    let settled =
        async { while tokio::time::timeout(QUIET, rings.recv()).await.is_ok_and(|ring| ring.is_some()) {} };
    drop(tokio::time::timeout(QUIET_MAX, settled).await);
}

/// The directories that are watched.
struct Watched {
    watcher: Option<RecommendedWatcher>,
    directories: BTreeSet<PathBuf>,
}

impl Watched {
    fn new(bell: mpsc::Sender<()>) -> Self {
        let ring = move |event: notify::Result<notify::Event>| {
            // Full: a ring is waiting already, and one is enough.
            if event.map_or(true, |event| may_have_written(event.kind)) {
                bell.try_send(()).ok();
            }
        };
        let watcher = notify::recommended_watcher(ring)
            .inspect_err(|error| tracing::warn!(%error, "files cannot be watched; they are read every {} s", REREAD.as_secs()))
            .ok();
        Self { watcher, directories: BTreeSet::new() }
    }

    /// Watches the directory of each path, and the one it leads to through links.
    fn cover(&mut self, paths: &[PathBuf]) {
        let Some(watcher) = &mut self.watcher else { return };
        let needed: BTreeSet<PathBuf> =
            paths.iter().flat_map(|path| [directory(path), real_directory(path)]).flatten().collect();
        for gone in self.directories.difference(&needed) {
            // A directory that was removed is watched no longer, which is what is wanted.
            drop(watcher.unwatch(gone));
        }
        // Watched anew each time: a directory that was replaced has the same name and is another.
        for directory in &needed {
            if let Err(error) = watcher.watch(directory, RecursiveMode::NonRecursive) {
                tracing::warn!(%error, directory = %directory.display(), "a directory cannot be watched");
            }
        }
        self.directories = needed;
    }
}

fn directory(path: &Path) -> Option<PathBuf> {
    let parent = path.parent()?;
    Some(if parent.as_os_str().is_empty() { PathBuf::from(".") } else { parent.to_owned() })
}

fn real_directory(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok()?.parent().map(Path::to_owned)
}

/// Reading the files is an event too, and must not ring.
fn may_have_written(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
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
