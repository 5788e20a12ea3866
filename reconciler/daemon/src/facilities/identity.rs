//! The identity of an environment's Terraform at a commit: while it stays the same, there is nothing new to plan.
//!
//! It covers the directory, how Terraform is run, and, when the code names something outside of the directory
//! (`../modules/x`), the whole repository: what exactly such a module reaches is known only to Terraform.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use moorline_model::CommitId;
use moorline_model::declaration::Terraform;
use moorline_source::{ReadError, Repository};
use sha2::{Digest as _, Sha256};

/// Commits whose identities are remembered; looking one up reads every file of the directory.
const REMEMBERED_MAX: usize = 4096;

/// Identities worked out so far.
#[derive(Debug, Default)]
pub struct Identities {
    known: Mutex<BTreeMap<(CommitId, String), String>>,
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
}

impl Identities {
    /// The identity of this Terraform at a commit: 40 hex digits.
    ///
    /// # Errors
    /// See [`IdentityError`].
    pub async fn of(
        &self,
        repository: &Repository,
        commit: &CommitId,
        terraform: &Terraform,
    ) -> Result<String, IdentityError> {
        // Of the settings, only how the repository's code is run; a reference is no value.
        let settings = serde_json::to_string(terraform).unwrap_or_default();
        let key = (commit.clone(), settings);
        if let Some(known) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(known.clone());
        }
        let identity = work_out(repository, commit, terraform, &key.1).await?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert(key, identity.clone());
        Ok(identity)
    }
}

async fn work_out(
    repository: &Repository,
    commit: &CommitId,
    terraform: &Terraform,
    settings: &str,
) -> Result<String, IdentityError> {
    let directory = &terraform.directory;
    let unread = |source| IdentityError::Read { directory: directory.clone(), source };
    let inside = repository.tree_digest(commit, directory).await.map_err(unread)?;
    let inside = inside.ok_or_else(|| IdentityError::NoFolder { directory: directory.clone() })?;
    let mut hash = Sha256::new().chain_update(settings).chain_update([0]).chain_update(inside.as_str());
    if reaches_out(repository, commit, directory).await.map_err(unread)?
        && let Some(root) = repository.tree_digest(commit, ".").await.map_err(unread)?
    {
        hash.update([0]);
        hash.update(root.as_str());
    }
    let mut identity = hex::encode(hash.finalize());
    identity.truncate(40);
    Ok(identity)
}

/// Whether any code below the directory names a place above its own.
async fn reaches_out(repository: &Repository, commit: &CommitId, directory: &str) -> Result<bool, ReadError> {
    for path in repository.files(commit, directory).await? {
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

    /// The identity of `infra` in a repository with these files.
    async fn identity(files: &[(&str, &str)], workspace: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let (repository, head) = crate::sample::repository(folder.path(), files).await;
        Identities::default().of(&repository, &head.commit, &terraform(workspace)).await.unwrap()
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
    async fn how_it_is_run_counts() {
        let files = [("infra/main.tf", "a")];
        assert_ne!(identity(&files, "default").await, identity(&files, "blue").await);
    }
}
