//! The identity of an environment's Terraform at a commit: while it stays the same, there is nothing new to plan.
//!
//! It covers how Terraform is run, its directory, and where that reaches out of itself (`../modules/x`, a file of variables
//! elsewhere) the paths that it reaches. Where these cannot be told, it covers the whole repository.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use moorline_config::Secret;
use moorline_model::declaration::Terraform;
use moorline_model::{CommitId, FailureClass};
use moorline_source::{CheckoutError, ReadError, Repository};
use sha2::{Digest as _, Sha256};

use super::checkouts::{Request, check_out_reached, remove};

/// Commits whose identities are remembered; looking one up reads every file of the directory.
const REMEMBERED_MAX: usize = 4096;

/// Identities worked out so far.
#[derive(Debug, Default)]
pub struct Identities {
    known: Mutex<BTreeMap<(CommitId, String), String>>,
    /// What each way to run Terraform reached last.
    reached: Mutex<BTreeMap<String, Reached>>,
    /// Held while something is checked out to see what it reaches.
    scratch: tokio::sync::Mutex<()>,
}

/// What Terraform reaches, with digests. It follows from what is there, so while these are as they were, so is it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reached {
    /// Of its directory.
    inside: String,
    /// Of what lies outside of that, by path.
    outside: BTreeMap<String, String>,
}

/// Where identities are worked out from.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The watched repository.
    pub repository: &'a Repository,
    /// The daemon's working folder.
    pub work_dir: &'a Path,
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The declared directory is not there.
    #[error("{directory} is no folder of the repository")]
    NoFolder {
        /// The directory.
        directory: String,
    },
    /// The repository cannot be read.
    #[error("{directory} cannot be read from the repository")]
    Read {
        /// The directory.
        directory: String,
        /// Why.
        #[source]
        source: ReadError,
    },
    /// What it reaches cannot be checked out.
    #[error("what {directory} reaches cannot be checked out")]
    Checkout {
        /// The directory.
        directory: String,
        /// Why.
        #[source]
        source: CheckoutError,
    },
}

impl IdentityError {
    /// Whether working it out again helps.
    #[must_use]
    pub fn class(&self) -> FailureClass {
        match self {
            Self::NoFolder { .. } => FailureClass::Stalled,
            Self::Read { source, .. } => source.class(),
            Self::Checkout { source, .. } => source.class(),
        }
    }
}

impl Identities {
    /// The identity of this Terraform at a commit: 40 hex digits. `variables` are those of its environment; `None` when one of
    /// them has no value.
    ///
    /// # Errors
    /// See [`IdentityError`].
    pub async fn of(
        &self,
        place: Place<'_>,
        commit: &CommitId,
        terraform: &Terraform,
        variables: Option<&BTreeMap<String, Secret>>,
    ) -> Result<String, IdentityError> {
        // Of the settings, only how the repository's code is run; a reference is no value.
        let settings = serde_json::to_string(terraform).unwrap_or_default();
        let key = (commit.clone(), settings);
        if let Some(known) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(known.clone());
        }
        let identity = self.work_out(place, commit, terraform, (&key.1, variables)).await?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert(key, identity.clone());
        Ok(identity)
    }

    async fn work_out(
        &self,
        place: Place<'_>,
        commit: &CommitId,
        terraform: &Terraform,
        (settings, variables): (&str, Option<&BTreeMap<String, Secret>>),
    ) -> Result<String, IdentityError> {
        let (directory, repository) = (&terraform.directory, place.repository);
        let unread = |source| IdentityError::Read { directory: directory.clone(), source };
        let inside = repository.tree_digest(commit, directory).await.map_err(unread)?;
        let inside = inside.ok_or_else(|| IdentityError::NoFolder { directory: directory.clone() })?;
        let mut hash = Sha256::new().chain_update(settings).chain_update([0]).chain_update(inside.as_str());
        match self.reached(place, (commit, terraform), inside.as_str(), (settings, variables)).await? {
            Some(reached) => {
                for (path, digest) in &reached.outside {
                    hash = hash.chain_update([0]).chain_update(path).chain_update([0]).chain_update(digest);
                }
            }
            None => {
                if let Some(root) = repository.tree_digest(commit, ".").await.map_err(unread)? {
                    hash = hash.chain_update([0]).chain_update(root.as_str());
                }
            }
        }
        let mut identity = hex::encode(hash.finalize());
        identity.truncate(40);
        Ok(identity)
    }

    /// What Terraform reaches at a commit; `None` when that cannot be told. Where all of it is as it was, no file is read.
    async fn reached(
        &self,
        place: Place<'_>,
        (commit, terraform): (&CommitId, &Terraform),
        inside: &str,
        (settings, variables): (&str, Option<&BTreeMap<String, Secret>>),
    ) -> Result<Option<Reached>, IdentityError> {
        let unread = |source| IdentityError::Read { directory: terraform.directory.clone(), source };
        let before = self.reached.lock().unwrap_or_else(PoisonError::into_inner).get(settings).cloned();
        if let Some(before) = before.filter(|before| before.inside == inside) {
            let paths: BTreeSet<_> = before.outside.keys().cloned().collect();
            let now = digests(place.repository, commit, &paths).await.map_err(unread)?;
            if now.as_ref() == Some(&before.outside) {
                return Ok(Some(before));
            }
        }
        let outside = if reaches_out(place.repository, commit, terraform).await.map_err(unread)? {
            let Some(variables) = variables else { return Ok(None) };
            let request = Request { commit, terraform, variables };
            let Some(paths) = self.paths(place, request).await? else { return Ok(None) };
            digests(place.repository, commit, &paths).await.map_err(unread)?
        } else {
            Some(BTreeMap::new())
        };
        let reached = outside.map(|outside| Reached { inside: inside.to_owned(), outside });
        if let Some(reached) = &reached {
            let mut known = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= REMEMBERED_MAX {
                known.clear();
            }
            known.insert(settings.to_owned(), reached.clone());
        }
        Ok(reached)
    }

    /// The paths that Terraform reaches, seen from a checkout of them.
    async fn paths(
        &self,
        place: Place<'_>,
        request: Request<'_>,
    ) -> Result<Option<BTreeSet<String>>, IdentityError> {
        let _alone = self.scratch.lock().await;
        let scratch = place.work_dir.join("reach");
        let checked_out = check_out_reached(place.repository, request, &scratch).await;
        remove(&scratch);
        let directory = &request.terraform.directory;
        checked_out.map_err(|source| IdentityError::Checkout { directory: directory.clone(), source })
    }
}

/// The digest of each path; `None` when one of them is not there: it may be reached through a link.
async fn digests(
    repository: &Repository,
    commit: &CommitId,
    paths: &BTreeSet<String>,
) -> Result<Option<BTreeMap<String, String>>, ReadError> {
    let mut found = BTreeMap::new();
    for path in paths {
        let Some(digest) = repository.object_digest(commit, path).await? else { return Ok(None) };
        found.insert(path.clone(), digest.as_str().to_owned());
    }
    Ok(Some(found))
}

/// Whether a file of variables lies outside of the directory, or any code below it names a place above its own.
async fn reaches_out(
    repository: &Repository,
    commit: &CommitId,
    terraform: &Terraform,
) -> Result<bool, ReadError> {
    if terraform.var_files.iter().any(|file| file.contains("..")) {
        return Ok(true);
    }
    for path in repository.files(commit, &terraform.directory).await? {
        if !path.ends_with(".tf") && !path.ends_with(".tf.json") {
            continue;
        }
        let code = repository.read(commit, &path).await?.unwrap_or_default();
        if code.windows(3).any(|bytes| bytes == b"../") {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use moorline_model::declaration::Declaration;

    use super::*;

    const BACKEND: (&str, &str) = ("infra/backend.tf", "terraform {\n  backend \"s3\" {}\n}\n");

    /// The identity of `infra` in a repository with these files.
    async fn identity(files: &[(&str, &str)], workspace: &str) -> String {
        identity_of(files, &terraform(workspace)).await
    }

    async fn identity_of(files: &[(&str, &str)], terraform: &Terraform) -> String {
        let folder = tempfile::tempdir().unwrap();
        let files: Vec<_> = [BACKEND].iter().chain(files).copied().collect();
        let (repository, head) = crate::sample::repository(folder.path(), &files).await;
        let place = Place { repository: &repository, work_dir: folder.path() };
        let (identities, variables) = (Identities::default(), BTreeMap::new());
        let of = async || identities.of(place, &head.commit, terraform, Some(&variables)).await.unwrap();
        let identity = of().await;
        // As for another commit with the same content.
        identities.known.lock().unwrap().clear();
        assert_eq!(of().await, identity, "what was reached before is reached again");
        assert!(!folder.path().join("reach").exists());
        identity
    }

    fn terraform(workspace: &str) -> Terraform {
        let text = format!(
            "version: 1\nenvironments: [{{name: prod, gateway: {{document: [g.yaml], endpoints: ['http://a'], \
             admin_token: 'env:A'}}, terraform: {{directory: infra, workspace: {workspace}}}}}]"
        );
        let mut declared = Declaration::parse("moorline.yaml", &text).unwrap();
        declared.environments.remove(0).terraform.unwrap()
    }

    #[tokio::test]
    async fn what_lies_beside_the_directory_changes_nothing() {
        let one = identity(&[("infra/main.tf", "a"), ("gateway.yaml", "1")], "default").await;
        let two = identity(&[("infra/main.tf", "a"), ("gateway.yaml", "2")], "default").await;
        let three = identity(&[("infra/main.tf", "b"), ("gateway.yaml", "2")], "default").await;
        assert_eq!(one, two);
        assert_ne!(two, three);
    }

    #[tokio::test]
    async fn a_module_outside_of_the_directory_counts() {
        let code = "module \"x\" { source = \"../modules/x\" }";
        let one = identity(&[("infra/main.tf", code), ("modules/x/main.tf", "1")], "default").await;
        let two = identity(&[("infra/main.tf", code), ("modules/x/main.tf", "2")], "default").await;
        assert_ne!(one, two);
    }

    #[tokio::test]
    async fn what_no_module_reaches_changes_nothing() {
        let code = ("infra/main.tf", "module \"x\" {\n  source = \"../modules/x\"\n}\n");
        let module = ("modules/x/main.tf", "locals {}\n");
        let one = identity(&[code, module, ("modules/y/main.tf", "1"), ("README.md", "1")], "default").await;
        let two = identity(&[code, module, ("modules/y/main.tf", "2"), ("README.md", "2")], "default").await;
        assert_eq!(one, two);
    }

    #[tokio::test]
    async fn where_it_cannot_be_told_what_is_reached_everything_counts() {
        let code = ("infra/main.tf", "locals {\n  a = join(\"/\", [\"../\", \"x\"])\n}\n");
        let one = identity(&[code, ("README.md", "1")], "default").await;
        let two = identity(&[code, ("README.md", "2")], "default").await;
        assert_ne!(one, two);
    }

    #[tokio::test]
    async fn a_file_of_variables_outside_of_the_directory_counts() {
        let terraform = Terraform { var_files: vec!["../prod.tfvars".to_owned()], ..terraform("default") };
        let code = ("infra/main.tf", "locals {}\n");
        let with = async |size: &str, readme: &str| {
            identity_of(&[code, ("prod.tfvars", size), ("README.md", readme)], &terraform).await
        };
        let one = with("size = 1", "1").await;
        assert_ne!(one, with("size = 2", "1").await);
        assert_eq!(one, with("size = 1", "2").await);
    }

    #[tokio::test]
    async fn how_it_is_run_counts() {
        let files = [("infra/main.tf", "a")];
        assert_ne!(identity(&files, "default").await, identity(&files, "blue").await);
    }

    #[tokio::test]
    async fn what_was_reached_before_is_reached_again_only_while_it_is_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let (identities, variables, terraform) =
            (Identities::default(), BTreeMap::new(), terraform("default"));
        let mut found = Vec::new();
        for (number, module) in ["locals {}\n", "locals {}\n", "# changed\nlocals {}\n"].iter().enumerate() {
            let below = folder.path().join(number.to_string());
            std::fs::create_dir(&below).unwrap();
            let code = ("infra/main.tf", "module \"x\" {\n  source = \"../modules/x\"\n}\n");
            let readme = number.to_string();
            let files = [BACKEND, code, ("modules/x/main.tf", module), ("README.md", readme.as_str())];
            let (repository, head) = crate::sample::repository(&below, &files).await;
            let place = Place { repository: &repository, work_dir: &below };
            found.push(identities.of(place, &head.commit, &terraform, Some(&variables)).await.unwrap());
        }
        assert_eq!(found[0], found[1]);
        assert_ne!(found[1], found[2]);
    }
}
