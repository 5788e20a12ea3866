//! Writes the tree of a commit, or some paths of it, into a directory of its own.
//!
//! First what is written is read to its end and judged: names, kinds, links, sizes. Only a tree without a single refused
//! entry is written, so that what is refused leaves nothing behind. Then it is written by hand, one entry at a time
//! and each relative to its opened parent: no hooks, no filters, no attributes, no LFS, no submodules.

mod entry;
mod link;
mod plan;
mod selection;
mod write;

use std::path::{Path, PathBuf};
use std::time::Duration;

use moorline_model::{CommitId, FailureClass};

use crate::budget::{Budget, Stop};
use crate::config::CheckoutLimits;
use crate::mirror::Mirror;
use crate::read::{ReadError, find};

pub use entry::{EntryProblem, RefusedEntry};
pub(crate) use selection::Selection;

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckedOut {
    pub files: usize,
    /// Links among them, and those that a path leads through.
    pub links: usize,
    /// Bytes of all files together.
    pub bytes: u64,
}

/// Why a tree was not written. The directory is left empty, or absent.
#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    /// The commit could not be read.
    #[error("could not read the commit to check out")]
    Read(#[from] ReadError),
    /// The directory is not ours alone.
    #[error("`{}` is not an empty directory: a checkout needs one of its own", path.display())]
    NotEmpty { path: PathBuf },
    /// Entries that no tree of ours may hold.
    #[error("the commit cannot be checked out safely: {}", list(entries))]
    Refused {
        /// Them all, or the first twenty.
        entries: Vec<RefusedEntry>,
    },
    #[error("the commit has over {limit} files and directories")]
    TooMany { limit: usize },
    #[error("the files of the commit have over {limit} bytes together")]
    TooLarge { limit: u64 },
    /// Directories in directories.
    #[error("directories of the commit are nested deeper than {limit}")]
    TooDeep { limit: usize },
    #[error("the checkout took longer than {after:?}")]
    Deadline { after: Duration },
    /// Nobody waits for it any more.
    #[error("the checkout was cancelled")]
    Cancelled,
    #[error("could not write `{}`", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("libgit2 failed while {doing}")]
    Git {
        doing: &'static str,
        #[source]
        source: git2::Error,
    },
}

impl CheckoutError {
    /// Whether checking out again helps.
    #[must_use]
    pub fn class(&self) -> FailureClass {
        match self {
            Self::Read(source) => source.class(),
            Self::Deadline { .. } | Self::Cancelled | Self::Git { .. } => FailureClass::Transient,
            Self::NotEmpty { .. }
            | Self::Refused { .. }
            | Self::TooMany { .. }
            | Self::TooLarge { .. }
            | Self::TooDeep { .. }
            | Self::Write { .. } => FailureClass::Stalled,
        }
    }

    fn check(budget: &Budget) -> Result<(), Self> {
        budget.check().map_err(|stop| match stop {
            Stop::Deadline => Self::Deadline { after: budget.limit() },
            Stop::Cancelled => Self::Cancelled,
        })
    }

    pub(crate) fn git(doing: &'static str) -> impl FnOnce(git2::Error) -> Self {
        move |source| Self::Git { doing, source }
    }
}

fn list(entries: &[RefusedEntry]) -> String {
    entries.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Writes the selected part of the tree of `commit` into `into`, which must not exist or be empty, and which only its owner can enter.
pub(crate) fn checkout(
    mirror: &Mirror,
    commit: &CommitId,
    selection: &Selection,
    into: &Path,
    limits: &CheckoutLimits,
    budget: &Budget,
) -> Result<CheckedOut, CheckoutError> {
    let id = find(mirror, commit)?;
    let plan = plan::plan(mirror.repository(), id, selection, limits, budget)?;
    write::write(mirror.repository(), &plan, into, budget)?;
    Ok(CheckedOut { files: plan.files, links: plan.links, bytes: plan.bytes })
}
