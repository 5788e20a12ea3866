//! What `init` finds out about the checkout it writes into: where its repository is, and which branch is worked on.

use std::path::{Path, PathBuf};

use git2::{ErrorCode, Repository};
use moorline_source::RemoteUrl;

/// A checkout, or a folder that may become one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// What the daemon watches.
    pub(super) url: String,
    /// The branch that is deployed.
    pub(super) branch: String,
    /// The remote that `url` was taken from; `None`: the checkout itself is watched.
    pub(super) remote: Option<String>,
    /// Whether there is a repository yet.
    pub(super) is_repository: bool,
    /// Whether the daemon may need a token.
    pub(super) is_https: bool,
}

/// Why a folder is not the place to write into.
#[derive(Debug, thiserror::Error)]
pub(super) enum RepositoryError {
    /// It is the repository, not a checkout of it.
    #[error(
        "{0} is a bare repository, which holds no files: `git clone {0} deploy`, then `moorline init deploy`"
    )]
    Bare(String),
    /// It is below a checkout's root.
    #[error(
        "{below} is inside the checkout {root}, and moorline.yaml belongs at its root: `moorline init {root}`"
    )]
    Below { below: String, root: String },
    /// Git cannot read it.
    #[error("the repository at {path} cannot be read")]
    Git {
        path: String,
        #[source]
        source: git2::Error,
    },
}

/// Looks at a folder, which is there.
pub(super) fn look(directory: &Path) -> Result<Found, RepositoryError> {
    let shown = directory.display().to_string();
    let failed = |source| RepositoryError::Git { path: shown.clone(), source };
    let repository = match Repository::discover(directory) {
        Ok(repository) => repository,
        Err(error) if error.code() == ErrorCode::NotFound => {
            return Ok(Found {
                url: shown,
                branch: "main".to_owned(),
                remote: None,
                is_repository: false,
                is_https: false,
            });
        }
        Err(error) => return Err(failed(error)),
    };
    let Some(root) = repository.workdir().map(real) else {
        return Err(RepositoryError::Bare(real(repository.path()).display().to_string()));
    };
    if root != real(directory) {
        return Err(RepositoryError::Below { below: shown, root: root.display().to_string() });
    }
    let branch = branch(&repository).map_err(failed)?;
    let remote = remote(&repository, &branch).map_err(failed)?;
    let url = remote.as_ref().and_then(|(_, url)| watched(url, &root));
    let is_https = url.as_deref().is_some_and(|url| url.starts_with("https://"));
    let remote = remote.filter(|_| url.is_some()).map(|(name, _)| name);
    let url = url.unwrap_or_else(|| root.display().to_string());
    Ok(Found { url, branch, remote, is_repository: true, is_https })
}

fn real(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// The branch that is checked out, also before its first commit. A detached head has none: `main` then.
fn branch(repository: &Repository) -> Result<String, git2::Error> {
    let head = repository.find_reference("HEAD")?;
    let name = head.symbolic_target().ok().flatten().and_then(|target| target.strip_prefix("refs/heads/"));
    Ok(name.unwrap_or("main").to_owned())
}

/// The remote that the branch goes to: its own, else `origin`, else the only one. With its address.
fn remote(repository: &Repository, branch: &str) -> Result<Option<(String, String)>, git2::Error> {
    let own = repository.branch_upstream_remote(&format!("refs/heads/{branch}")).ok();
    let own = own.and_then(|name| name.as_str().map(str::to_owned).ok());
    let names = repository.remotes()?;
    let names: Vec<String> = names.iter().filter_map(|name| name.ok().flatten().map(str::to_owned)).collect();
    let origin = names.iter().find(|name| *name == "origin").cloned();
    let only = names.first().filter(|_| names.len() == 1).cloned();
    let Some(name) = own.or(origin).or(only) else { return Ok(None) };
    let url = repository.find_remote(&name)?.url().map(str::to_owned);
    Ok(url.ok().map(|url| (name, url)))
}

/// The address as the daemon takes it: paths become absolute, and a password is left out. `None`: of no form that it
/// knows.
fn watched(url: &str, root: &Path) -> Option<String> {
    let is_path = !url.contains("://") && (url.starts_with(['/', '.']) || root.join(url).is_dir());
    let text = if is_path {
        real(&root.join(url)).display().to_string()
    } else if url.starts_with("https://") {
        let mut parsed = url::Url::parse(url).ok()?;
        parsed.set_password(None).ok()?;
        parsed.set_username("").ok()?;
        parsed.to_string()
    } else {
        url.to_owned()
    };
    text.parse::<RemoteUrl>().ok().map(|_| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn checkout(path: &Path) -> Repository {
        let mut options = git2::RepositoryInitOptions::new();
        Repository::init_opts(path, options.initial_head("trunk")).unwrap()
    }

    #[test]
    fn a_checkout_says_where_its_repository_is_and_which_branch_is_worked_on() {
        let folder = folder();
        let path = real(folder.path());
        let repository = checkout(&path);
        let found = look(&path).unwrap();
        assert_eq!((found.branch.as_str(), found.remote.as_deref()), ("trunk", None));
        assert_eq!(found.url, path.display().to_string(), "without a remote the checkout itself is watched");
        repository.remote("origin", "https://ann:hunter2@example.com/deploy.git").unwrap();
        let found = look(&path).unwrap();
        assert_eq!(found.url, "https://example.com/deploy.git");
        assert!(found.is_https && found.remote.as_deref() == Some("origin"));
        repository.remote_set_url("origin", "../deploy.git").unwrap();
        assert!(look(&path).unwrap().url.starts_with('/'));
        repository.remote_set_url("origin", "git@example.com:acme/deploy.git").unwrap();
        assert_eq!(look(&path).unwrap().url, "git@example.com:acme/deploy.git");
        repository.remote_set_url("origin", "gopher://example.com/deploy").unwrap();
        assert_eq!(
            look(&path).unwrap().remote,
            None,
            "an address that the daemon does not take is not written"
        );
    }

    #[test]
    fn a_wrong_place_for_a_declaration_is_refused_with_the_next_step() {
        let folder = folder();
        let bare = folder.path().join("deploy.git");
        Repository::init_bare(&bare).unwrap();
        let error = look(&bare).unwrap_err().to_string();
        assert!(error.contains("bare repository") && error.contains("git clone"), "{error}");
        let root = folder.path().join("deploy");
        checkout(&root);
        std::fs::create_dir(root.join("sub")).unwrap();
        let error = look(&root.join("sub")).unwrap_err().to_string();
        assert!(error.contains("belongs at its root"), "{error}");
        let nothing = folder.path().join("nothing");
        std::fs::create_dir(&nothing).unwrap();
        assert!(!look(&nothing).unwrap().is_repository);
    }
}
