//! A bare Git repository, as on a server, and what is pushed to it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use git2::build::TreeUpdateBuilder;
use git2::{FileMode, Signature};
use moorline_model::CommitId;

/// A commit's files by path.
pub type Files = BTreeMap<String, String>;

const BRANCH: &str = "refs/heads/main";

/// A bare repository whose branch is `main`.
pub struct Repository {
    path: PathBuf,
    git: git2::Repository,
}

impl Repository {
    /// Makes one.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn init(path: &Path) -> Self {
        let mut options = git2::RepositoryInitOptions::new();
        options.bare(true).initial_head("main");
        Self { path: path.to_owned(), git: git2::Repository::init_opts(path, &options).unwrap() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Pushes a commit that holds exactly these files. Answers with its id.
    ///
    /// # Panics
    /// When Git refuses.
    pub fn push(&self, files: &Files, message: &str) -> CommitId {
        let parent = self.git.refname_to_id(BRANCH).ok().map(|id| self.git.find_commit(id).unwrap());
        let commit = self.commit(files, message, parent.as_ref());
        self.git.reference(BRANCH, commit, true, message).unwrap();
        commit.to_string().parse().unwrap()
    }

    /// Replaces the branch's whole history by one commit, as a force push does.
    ///
    /// # Panics
    /// When Git refuses.
    pub fn force_push(&self, files: &Files, message: &str) -> CommitId {
        let commit = self.commit(files, message, None);
        self.git.reference(BRANCH, commit, true, message).unwrap();
        commit.to_string().parse().unwrap()
    }

    fn commit(&self, files: &Files, message: &str, parent: Option<&git2::Commit<'_>>) -> git2::Oid {
        let git = &self.git;
        let mut tree = TreeUpdateBuilder::new();
        for (path, text) in files {
            tree.upsert(path.as_str(), git.blob(text.as_bytes()).unwrap(), FileMode::Blob);
        }
        let empty = git.find_tree(git.treebuilder(None).unwrap().write().unwrap()).unwrap();
        let tree = git.find_tree(tree.create_updated(git, &empty).unwrap()).unwrap();
        let author = Signature::now("ann", "ann@example.com").unwrap();
        let parents: Vec<_> = parent.into_iter().collect();
        git.commit(None, &author, &author, message, &tree, &parents).unwrap()
    }
}
