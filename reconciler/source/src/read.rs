//! Why something could not be read from the mirror.

use std::time::Duration;

use git2::{ErrorCode, Oid};
use moorline_model::CommitId;

use crate::mirror::Mirror;

/// Why something could not be read from the mirror.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Never fetched.
    #[error("commit {commit} is not in the mirror")]
    UnknownCommit {
        /// The commit.
        commit: CommitId,
    },
    /// A path that could lead elsewhere.
    #[error("`{path}` is no path inside a repository: expected names with `/` between them")]
    Path {
        /// The path.
        path: String,
    },
    /// A directory, a link or a submodule.
    #[error("`{path}` is no file but a {kind}")]
    NotAFile {
        /// The path.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// More than is allowed.
    #[error("`{path}` has {bytes} bytes; at most {limit} are read")]
    TooLarge {
        /// The path.
        path: String,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A directory holds more files than are listed.
    #[error("there are more than {limit} files below `{path}`")]
    TooManyFiles {
        /// The directory.
        path: String,
        /// The limit.
        limit: usize,
    },
    /// Time is over.
    #[error("reading the mirror took longer than {after:?}")]
    Deadline {
        /// The limit.
        after: Duration,
    },
    /// The process is about to end.
    #[error("the repository was closed")]
    Closed,
    /// libgit2.
    #[error("libgit2 failed while {doing}")]
    Git {
        /// What was attempted.
        doing: &'static str,
        /// What failed.
        #[source]
        source: git2::Error,
    },
}

impl ReadError {
    /// Wraps an error of libgit2 with what was attempted.
    pub(crate) fn git(doing: &'static str) -> impl FnOnce(git2::Error) -> Self {
        move |source| Self::Git { doing, source }
    }
}

/// A commit of the mirror, by the name the model gives it.
pub(crate) fn find(mirror: &Mirror, commit: &CommitId) -> Result<Oid, ReadError> {
    let id = Oid::from_str(commit.as_str()).map_err(ReadError::git("reading a commit id"))?;
    match mirror.repository().find_commit(id) {
        Ok(_) => Ok(id),
        // An object of another kind is no commit either.
        Err(error) if matches!(error.code(), ErrorCode::NotFound | ErrorCode::InvalidSpec) => {
            Err(ReadError::UnknownCommit { commit: commit.clone() })
        }
        Err(source) => Err(ReadError::Git { doing: "looking a commit up", source }),
    }
}
