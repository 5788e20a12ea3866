//! The state directory: the last good document and the generation counter, across restarts.
//!
//! One file, `gateway.json` (0600), replaced whole: written beside, synced, renamed, and the directory synced, so
//! that a crash at any moment leaves the old one or the new one. A lock keeps a second gateway out. The file holds
//! references and digests only, as a document does.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use moorline_admin::Attestation;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use serde_json::Value;

const FILE: &str = "gateway.json";
const LOCK: &str = "lock";
/// The most bytes read of the file: a document of the largest size accepted, and room.
const BYTES_MAX: u64 = 8 << 20;
/// The one version of the file's format there is.
const FORMAT: u32 = 1;

/// What is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Saved {
    pub(super) format: u32,
    /// The number the next document will get.
    pub(super) next_generation: u64,
    /// The last good document.
    pub(super) stable: Option<SavedDocument>,
}

impl Default for Saved {
    fn default() -> Self {
        Self { format: FORMAT, next_generation: 1, stable: None }
    }
}

/// A document and what was said of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedDocument {
    pub(super) attestation: Attestation,
    pub(super) document: Value,
}

/// What went wrong with the state directory.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The directory cannot be made or opened.
    #[error("state directory {}: cannot be used", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another process uses it.
    #[error("state directory {}: another gateway uses it", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("{}: cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not what this release writes. Going on would lose the generation counter.
    #[error("{}: is damaged or of another release; move it away to start afresh", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Option<serde_json::Error>,
    },
    /// The file cannot be replaced.
    #[error("{}: cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// An open state directory. The lock is held until it is dropped, or the process ends in any way.
#[derive(Debug)]
pub(super) struct Disk {
    path: PathBuf,
    directory: File,
    _lock: File,
}

impl Disk {
    /// Opens the directory, making it (0700) when it is not there.
    pub(super) fn open(path: &Path) -> Result<Self, DiskError> {
        let wrong = |source| DiskError::Directory { path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(wrong)?;
        let directory = File::open(path).map_err(wrong)?;
        let lock = private().create(true).append(true).open(path.join(LOCK)).map_err(wrong)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { path: path.to_owned(), directory, _lock: lock }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(DiskError::InUse { path: path.to_owned() }),
            Err(errno) => Err(wrong(errno.into())),
        }
    }

    /// What was kept last, or nothing at the first start.
    pub(super) fn load(&self) -> Result<Saved, DiskError> {
        let path = self.path.join(FILE);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Saved::default()),
            Err(source) => return Err(DiskError::Read { path, source }),
        };
        let mut bytes = Vec::new();
        if let Err(source) = file.take(BYTES_MAX).read_to_end(&mut bytes) {
            return Err(DiskError::Read { path, source });
        }
        match serde_json::from_slice::<Saved>(&bytes) {
            Ok(saved) if saved.format == FORMAT => Ok(saved),
            Ok(_) => Err(DiskError::Damaged { path, source: None }),
            Err(error) => Err(DiskError::Damaged { path, source: Some(error) }),
        }
    }

    /// Keeps `saved`; when this returns it survives a crash.
    pub(super) fn save(&self, saved: &Saved) -> Result<(), DiskError> {
        let path = self.path.join(FILE);
        self.replace(&path, saved).map_err(|source| DiskError::Write { path, source })
    }

    fn replace(&self, path: &Path, saved: &Saved) -> io::Result<()> {
        let beside = self.path.join(format!("{FILE}.new"));
        let mut file = private().write(true).create(true).truncate(true).open(&beside)?;
        file.write_all(&serde_json::to_vec(saved)?)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        self.directory.sync_all()
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_saved_is_loaded_and_only_its_owner_can_read_it() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("state");
        let disk = Disk::open(&path).unwrap();
        assert_eq!(disk.load().unwrap(), Saved::default());
        let saved = Saved { next_generation: 7, ..Saved::default() };
        disk.save(&saved).unwrap();
        assert_eq!(disk.load().unwrap(), saved);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&path.join(FILE))), (0o700, 0o600));
    }

    #[test]
    fn a_second_gateway_is_kept_out_until_the_first_is_gone() {
        let parent = tempfile::tempdir().unwrap();
        let first = Disk::open(parent.path()).unwrap();
        assert!(matches!(Disk::open(parent.path()), Err(DiskError::InUse { .. })));
        drop(first);
        Disk::open(parent.path()).unwrap();
    }

    #[test]
    fn a_damaged_file_is_an_error_and_not_a_fresh_start() {
        let parent = tempfile::tempdir().unwrap();
        let disk = Disk::open(parent.path()).unwrap();
        for text in ["", "{", r#"{"format": 2, "next_generation": 1, "stable": null}"#] {
            fs::write(parent.path().join(FILE), text).unwrap();
            assert!(matches!(disk.load(), Err(DiskError::Damaged { .. })), "{text}");
        }
    }
}
