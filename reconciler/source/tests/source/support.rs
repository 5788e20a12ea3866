//! What the tests stand on: repositories to fetch from, a server to fetch through, a mirror to fetch into.

pub(crate) mod http;
pub(crate) mod origin;

use std::path::Path;
use std::time::Duration;

use moorline_source::{Limits, Repository, RepositoryConfig, SshOptions};
use tempfile::TempDir;

pub(crate) use http::{Behaviour, Server};
pub(crate) use origin::Origin;

/// How long a test waits before it says that nothing happened.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A configuration for `url` with everything at its default and a work directory of its own.
pub(crate) fn config(url: &str, work: &TempDir) -> RepositoryConfig {
    RepositoryConfig {
        url: url.parse().unwrap(),
        branch: "main".to_owned(),
        token: None,
        https: Default::default(),
        ssh: SshOptions::default(),
        work_dir: work.path().join("work"),
        limits: Limits::default(),
    }
}

/// Opens the default configuration for `url`.
pub(crate) async fn open(url: &str, work: &TempDir) -> Repository {
    Repository::open(config(url, work)).await.unwrap()
}

/// An empty directory that goes when the test ends.
pub(crate) fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Every file below a directory, with its path relative to it.
pub(crate) fn files(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            } else {
                found.push(entry.path().strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

pub(crate) use moorline_model::config::chain::of as chain;
