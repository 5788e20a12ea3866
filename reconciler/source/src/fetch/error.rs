//! Why a fetch did not succeed. Nothing here holds a token: it is added to a request in one place and kept nowhere.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use moorline_model::FailureClass;

use crate::budget::{Budget, Stop};
use crate::walk::WalkError;

/// Why a fetch did not succeed. What was fetched before is kept in every case.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Nothing there, or nothing that we may see.
    #[error("there is no repository at {remote}, or none that may be seen with this sign-in")]
    RepositoryMissing { remote: String },
    /// A repository without a commit.
    #[error("the repository at {remote} has no branch yet: push a first commit")]
    RepositoryEmpty { remote: String },
    /// Another name is meant, perhaps.
    #[error("the repository at {remote} has no branch `{branch}`; it has {}", names(existing))]
    BranchMissing {
        remote: String,
        /// The branch that was asked for.
        branch: String,
        /// Branches that exist, at most twenty.
        existing: Vec<String>,
    },
    /// A token is wrong, expired or missing.
    #[error("{remote} refused the sign-in with status {status}; {}", if *with_token { "a token was sent: check that it is valid and may read this repository" } else { "no token was sent: set `repository.token`" })]
    SignInRefused {
        remote: String,
        status: u16,
        /// Whether a token was sent.
        with_token: bool,
    },
    /// Redirects are not followed: a token goes to the declared address only.
    #[error(
        "{remote} answered with a redirect to {target}, which is not followed: if it is right, declare that address"
    )]
    Redirected { remote: String, target: String },
    #[error("{remote} answered with status {status}")]
    Status { remote: String, status: u16 },
    /// No connection, or one that broke.
    #[error("could not reach {remote}")]
    Unreachable {
        remote: String,
        #[source]
        source: std::io::Error,
    },
    /// `ssh` is not there, or did not start.
    #[error("could not start `ssh`, which the address {remote} needs")]
    SshMissing {
        remote: String,
        #[source]
        source: std::io::Error,
    },
    /// `ssh` ended: an unknown host, a refused key, a repository that is not there.
    #[error("ssh to {remote} ended{}: {message}", status.map(|status| format!(" with status {status}")).unwrap_or_default())]
    Ssh {
        remote: String,
        status: Option<i32>,
        /// What it last said.
        message: String,
    },
    /// The server said no in words.
    #[error("{remote} refused: {message}")]
    Refused { remote: String, message: String },
    /// The answer is not Git's smart protocol.
    #[error("{remote} does not speak Git's smart protocol: {problem}")]
    Protocol { remote: String, problem: String },
    /// A pack that is none, or one that is cut.
    #[error("the pack that arrived is damaged: {problem}")]
    Pack { problem: &'static str },
    #[error("could not read the pack `{}`", path.display())]
    ReadPack {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The remote left files or history out.
    #[error("the remote sent commit {commit} without all of its history and files")]
    Incomplete { commit: String },
    /// History is cut at the remote.
    #[error("the repository at {remote} is a shallow clone: give the address of a full one")]
    Shallow { remote: String },
    #[error("the repository is larger than allowed: {limit}")]
    TooLarge { limit: Limit },
    #[error("the fetch took longer than {after:?}: see `repository.fetch_timeout`")]
    Deadline { after: Duration },
    /// Nobody waits for it any more.
    #[error("the fetch was cancelled")]
    Cancelled,
    /// Another process.
    #[error("another process is fetching into the same work directory")]
    Busy,
    #[error("could not use the mirror's lock file")]
    Lock {
        #[source]
        source: std::io::Error,
    },
    #[error("could not put what was fetched into the mirror")]
    HandOver {
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

/// The limit that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Bytes of the list of branches.
    AdvertisementBytes(u64),
    /// Bytes of the pack.
    PackBytes(u64),
    /// Objects in the pack.
    PackObjects(u32),
    /// Bytes of one object.
    ObjectBytes(u64),
    /// Bytes of all objects.
    ExpandedBytes(u64),
    /// Deltas upon deltas.
    DeltaDepth(u16),
    /// Directories in directories.
    TreeDepth(usize),
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AdvertisementBytes(limit) => {
                write!(formatter, "its list of branches has over {limit} bytes")
            }
            Self::PackBytes(limit) => {
                write!(formatter, "its pack has over {limit} bytes: see `repository.max_size`")
            }
            Self::PackObjects(limit) => write!(formatter, "its pack has over {limit} objects"),
            Self::ObjectBytes(limit) => write!(formatter, "one object has over {limit} bytes"),
            Self::ExpandedBytes(limit) => write!(formatter, "its objects have over {limit} bytes together"),
            Self::DeltaDepth(limit) => write!(formatter, "a chain of deltas is longer than {limit}"),
            Self::TreeDepth(limit) => write!(formatter, "directories are nested deeper than {limit}"),
        }
    }
}

impl FetchError {
    /// Whether fetching again helps.
    #[must_use]
    pub fn class(&self) -> FailureClass {
        let waits_for = |whom: &str| FailureClass::Waiting { on: whom.to_owned() };
        match self {
            Self::Busy => waits_for("the other process"),
            Self::RepositoryEmpty { .. } => waits_for("a first commit"),
            Self::Status { status: 408 | 429 | 500.., .. }
            | Self::Unreachable { .. }
            // An unknown host and a lost connection end `ssh` alike.
            | Self::Ssh { .. }
            | Self::Pack { .. }
            | Self::ReadPack { .. }
            | Self::Incomplete { .. }
            | Self::Deadline { .. }
            | Self::Cancelled
            | Self::Lock { .. }
            | Self::HandOver { .. }
            | Self::Git { .. } => FailureClass::Transient,
            Self::Status { .. }
            | Self::RepositoryMissing { .. }
            | Self::BranchMissing { .. }
            | Self::SignInRefused { .. }
            | Self::Redirected { .. }
            | Self::SshMissing { .. }
            | Self::Refused { .. }
            | Self::Protocol { .. }
            | Self::Shallow { .. }
            | Self::TooLarge { .. } => FailureClass::Stalled,
        }
    }

    /// Wraps an error of libgit2 with what was attempted.
    pub(crate) fn git(doing: &'static str) -> impl FnOnce(git2::Error) -> Self {
        move |source| Self::Git { doing, source }
    }

    /// The error of work that its budget stopped.
    pub(crate) fn stopped(stop: Stop, budget: &Budget) -> Self {
        match stop {
            Stop::Deadline => Self::Deadline { after: budget.limit() },
            Stop::Cancelled => Self::Cancelled,
        }
    }

    /// Goes on, or says that the budget is over.
    pub(crate) fn check(budget: &Budget) -> Result<(), Self> {
        budget.check().map_err(|stop| Self::stopped(stop, budget))
    }
}

impl From<WalkError> for FetchError {
    fn from(error: WalkError) -> Self {
        match error {
            WalkError::Stopped(Stop::Deadline, after) => Self::Deadline { after },
            WalkError::Stopped(Stop::Cancelled, _) => Self::Cancelled,
            WalkError::TooDeep(limit) => Self::TooLarge { limit: Limit::TreeDepth(limit) },
            WalkError::Git(source) => Self::Git { doing: "walking the history", source },
        }
    }
}

fn names(existing: &[String]) -> String {
    existing.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_in_trouble_passes_and_a_refused_token_needs_a_person() {
        let remote = || "https://git.example/r".to_owned();
        let status = |status| FetchError::Status { remote: remote(), status }.class();
        assert_eq!(
            [status(503), status(429), status(418)],
            [FailureClass::Transient, FailureClass::Transient, FailureClass::Stalled]
        );
        let refused = FetchError::SignInRefused { remote: remote(), status: 401, with_token: true };
        assert_eq!(refused.class(), FailureClass::Stalled);
        assert!(matches!(FetchError::Busy.class(), FailureClass::Waiting { .. }));
    }
}
