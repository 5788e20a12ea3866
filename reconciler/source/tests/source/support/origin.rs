//! A bare repository to fetch from. Trees can be written byte by byte, as an attacker would.

use std::path::Path;

use git2::build::TreeUpdateBuilder;
use git2::{FileMode, ObjectType, Oid, Repository, RepositoryInitOptions, Signature, Time};
use moorline_model::CommitId;
use tempfile::TempDir;

pub(crate) struct Origin {
    directory: TempDir,
    pub(crate) repository: Repository,
}

impl Origin {
    /// An empty repository.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut options = RepositoryInitOptions::new();
        options.bare(true).external_template(false).initial_head("main");
        let repository = Repository::init_opts(directory.path(), &options).unwrap();
        Self { directory, repository }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn url(&self) -> String {
        self.path().to_str().unwrap().to_owned()
    }

    /// Packs every object, as `git gc` does, and removes the single ones.
    pub(crate) fn pack(&self) {
        let objects = self.path().join("objects");
        let mut builder = self.repository.packbuilder().unwrap();
        self.repository
            .odb()
            .unwrap()
            .foreach(|id| {
                builder.insert_object(*id, None).unwrap();
                true
            })
            .unwrap();
        builder.write(&objects.join("pack"), 0).unwrap();
        for entry in std::fs::read_dir(&objects).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().len() == 2 {
                std::fs::remove_dir_all(path).unwrap();
            }
        }
    }

    /// The tip of a branch.
    pub(crate) fn tip(&self, branch: &str) -> Option<Oid> {
        self.repository.refname_to_id(&format!("refs/heads/{branch}")).ok()
    }

    /// Adds a commit to a branch that writes some files on top of those that are there.
    pub(crate) fn commit(&self, branch: &str, files: &[(&str, &str)]) -> CommitId {
        let modes: Vec<_> = files.iter().map(|(path, content)| (*path, *content, FileMode::Blob)).collect();
        self.commit_modes(branch, &modes)
    }

    /// As [`Self::commit`], with the kind of each file.
    pub(crate) fn commit_modes(&self, branch: &str, files: &[(&str, &str, FileMode)]) -> CommitId {
        let repository = &self.repository;
        let base = match self.tip(branch) {
            Some(tip) => repository.find_commit(tip).unwrap().tree().unwrap(),
            None => repository.find_tree(repository.treebuilder(None).unwrap().write().unwrap()).unwrap(),
        };
        let mut update = TreeUpdateBuilder::new();
        for (path, content, mode) in files {
            update.upsert(*path, repository.blob(content.as_bytes()).unwrap(), *mode);
        }
        let tree = update.create_updated(repository, &base).unwrap();
        self.commit_tree(branch, tree, self.tip(branch).as_slice())
    }

    /// Points a branch to a new commit of a tree.
    pub(crate) fn commit_tree(&self, branch: &str, tree: Oid, parents: &[Oid]) -> CommitId {
        let author =
            Signature::new("Ada \u{1b}[31mLovelace", "ada@example.com", &Time::new(1_700_000_000, 0))
                .unwrap();
        let mut content = format!("tree {tree}\n").into_bytes();
        for parent in parents {
            content.extend(format!("parent {parent}\n").into_bytes());
        }
        let line = format!("{} <{}> 1700000000 +0000\n", author.name().unwrap(), author.email().unwrap());
        content.extend(format!("author {line}committer {line}\nraise the limit\n\nbecause\n").into_bytes());
        let commit = self.repository.odb().unwrap().write(ObjectType::Commit, &content).unwrap();
        self.point(branch, commit);
        commit.to_string().parse().unwrap()
    }

    /// Moves a branch, as a forced push does.
    pub(crate) fn point(&self, branch: &str, to: Oid) {
        self.repository.reference(&format!("refs/heads/{branch}"), to, true, "test").unwrap();
    }

    pub(crate) fn blob(&self, content: &[u8]) -> Oid {
        self.repository.blob(content).unwrap()
    }

    /// Writes a tree without asking whether it makes sense.
    pub(crate) fn raw_tree(&self, entries: &[(&str, &[u8], Oid)]) -> Oid {
        let mut content = Vec::new();
        for (mode, name, id) in entries {
            content.extend(format!("{mode} ").into_bytes());
            content.extend(*name);
            content.push(0);
            content.extend(id.as_bytes());
        }
        self.repository.odb().unwrap().write(ObjectType::Tree, &content).unwrap()
    }
}

/// The id of libgit2 for a commit.
pub(crate) fn oid(commit: &CommitId) -> Oid {
    Oid::from_str(commit.as_str()).unwrap()
}
