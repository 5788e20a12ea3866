//! The demo's repository: a bare one, as on a Git server, and commits pushed to it.

use std::collections::BTreeMap;
use std::path::Path;

use git2::build::TreeUpdateBuilder;
use git2::{FileMode, Repository, Signature};

/// A repository's files by path.
pub type Files = BTreeMap<String, String>;

/// A bare repository.
pub struct Remote {
    repository: Repository,
}

impl Remote {
    /// Makes a bare repository whose branch is `main`.
    ///
    /// # Errors
    /// Git's own.
    pub fn init(path: &Path) -> Result<Self, git2::Error> {
        let mut options = git2::RepositoryInitOptions::new();
        options.bare(true).initial_head("main");
        Repository::init_opts(path, &options).map(|repository| Self { repository })
    }

    /// Pushes a commit that holds exactly these files. Answers with its id.
    ///
    /// # Errors
    /// Git's own.
    pub fn push(&self, files: &Files, author: &str, message: &str) -> Result<String, git2::Error> {
        let git = &self.repository;
        let mut tree = TreeUpdateBuilder::new();
        for (path, text) in files {
            tree.upsert(path.as_str(), git.blob(text.as_bytes())?, FileMode::Blob);
        }
        let empty = git.find_tree(git.treebuilder(None)?.write()?)?;
        let tree = git.find_tree(tree.create_updated(git, &empty)?)?;
        let signature = Signature::now(author, &format!("{author}@example.com"))?;
        let parent = git.refname_to_id("refs/heads/main").ok().map(|id| git.find_commit(id)).transpose()?;
        let parents: Vec<_> = parent.iter().collect();
        let id = git.commit(Some("refs/heads/main"), &signature, &signature, message, &tree, &parents)?;
        Ok(id.to_string())
    }
}
