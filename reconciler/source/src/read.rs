//! Why something could not be read from the mirror.

use std::time::Duration;

use git2::{ErrorCode, Oid};
use moorline_model::{CommitId, FailureClass};

use crate::mirror::Mirror;

/// Why something could not be read from the mirror.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Never fetched.
    #[error("commit {commit} is not in the mirror")]
    UnknownCommit { commit: CommitId },
    /// A path that could lead elsewhere.
    #[error("`{path}` is no path inside a repository: expected names with `/` between them")]
    Path { path: String },
    /// A directory, a link or a submodule.
    #[error("`{path}` is no file but a {kind}")]
    NotAFile { path: String, kind: &'static str },
    #[error("`{path}` has {bytes} bytes; at most {limit} are read")]
    TooLarge { path: String, bytes: u64, limit: u64 },
    /// A directory holds more files than are listed.
    #[error("there are more than {limit} files below `{path}`")]
    TooManyFiles { path: String, limit: usize },
    #[error("reading the mirror took longer than {after:?}")]
    Deadline { after: Duration },
    /// The process is about to end.
    #[error("the repository was closed")]
    Closed,
    #[error("libgit2 failed while {doing}")]
    Git {
        doing: &'static str,
        #[source]
        source: git2::Error,
    },
}

impl ReadError {
    /// Whether reading again helps. What a commit holds never changes.
    #[must_use]
    pub const fn class(&self) -> FailureClass {
        match self {
            Self::Deadline { .. } | Self::Closed | Self::Git { .. } => FailureClass::Transient,
            Self::UnknownCommit { .. }
            | Self::Path { .. }
            | Self::NotAFile { .. }
            | Self::TooLarge { .. }
            | Self::TooManyFiles { .. } => FailureClass::Stalled,
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_disk_passes_and_what_a_commit_holds_stays() {
        let slow = ReadError::Deadline { after: Duration::from_secs(1) };
        assert_eq!(slow.class(), FailureClass::Transient);
        let link = ReadError::NotAFile { path: "moorline.yaml".to_owned(), kind: "link" };
        assert_eq!(link.class(), FailureClass::Stalled);
    }
}
