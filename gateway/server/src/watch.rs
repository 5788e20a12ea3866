//! Files that are noticed when they change: documents, secrets, certificates.
//!
//! Directories are watched, not files, because editors and deployments replace files: by rename, or (Kubernetes) by
//! swapping a symbolic link somewhere on the way. Whoever watches also reads again every [`REREAD`], which catches what
//! no event tells of (network file systems send none).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// How long the files must have been left alone before they are read: one save is several events.
const QUIET: Duration = Duration::from_millis(50);
/// The longest wait for quiet.
const QUIET_MAX: Duration = Duration::from_secs(1);
/// How often files are to be read without an event.
pub const REREAD: Duration = Duration::from_secs(30);

/// A watch on files.
pub struct Watch {
    watcher: Option<RecommendedWatcher>,
    directories: BTreeSet<PathBuf>,
    rings: mpsc::Receiver<()>,
}

impl Watch {
    /// A watch on nothing yet.
    #[must_use]
    pub fn new() -> Self {
        let (bell, rings) = mpsc::channel(1);
        let ring = move |event: notify::Result<notify::Event>| {
            // Full: a ring is waiting already, and one is enough.
            if event.map_or(true, |event| may_have_written(event.kind)) {
                bell.try_send(()).ok();
            }
        };
        let watcher = notify::recommended_watcher(ring)
            .inspect_err(|error| tracing::warn!(%error, "files cannot be watched; they are read every {} s", REREAD.as_secs()))
            .ok();
        Self { watcher, directories: BTreeSet::new(), rings }
    }

    /// Watches the directory of each path, and the one it leads to through links, and no others.
    pub fn cover(&mut self, paths: &[PathBuf]) {
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

    /// Waits until something was written, and then until it was left alone for a moment. Cancel safe up to the first
    /// event; after it, somebody who drops this looks at the files anyway.
    pub async fn changed(&mut self) {
        if self.rings.recv().await.is_none() {
            // The watcher is gone: only reading again helps.
            std::future::pending::<()>().await;
        }
        let settled = async {
            while tokio::time::timeout(QUIET, self.rings.recv()).await.is_ok_and(|ring| ring.is_some()) {}
        };
        drop(tokio::time::timeout(QUIET_MAX, settled).await);
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_files_does_not_ring() {
        use notify::event::{ModifyKind, RenameMode};

        for quiet in
            [AccessKind::Read, AccessKind::Open(AccessMode::Any), AccessKind::Close(AccessMode::Read)]
        {
            assert!(!may_have_written(EventKind::Access(quiet)), "{quiet:?}");
        }
        for loud in [
            EventKind::Access(AccessKind::Close(AccessMode::Write)),
            EventKind::Modify(ModifyKind::Name(RenameMode::To)),
        ] {
            assert!(may_have_written(loud), "{loud:?}");
        }
    }
}
