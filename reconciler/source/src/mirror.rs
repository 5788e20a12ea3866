//! The mirror: a private bare repository that keeps what was fetched.
//!
//! It is opened for each piece of work, which costs some microseconds and lets reads go on while a fetch runs. Its
//! branch is moved by the fetch alone. Commits that a rewritten branch no longer reaches stay, so that a rollback to
//! one of them still finds it.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use git2::{Config, ErrorCode, Odb, Oid, Repository, RepositoryInitOptions, Sort};
use jiff::Timestamp;
use moorline_model::{CommitId, Revision};

use crate::budget::Budget;
use crate::fetch::FetchError;
use crate::text;
use crate::walk::{self, WalkError};

/// Characters of an author's name that are kept.
const AUTHOR_MAX: usize = 120;

/// Characters of a message's first line that are kept.
const MESSAGE_MAX: usize = 300;

/// Most commits that are walked for the list of what we have (`have` lines).
const KNOWN_LOOKED_AT: usize = 2_000;

/// The newest commits, all of which are in that list.
const KNOWN_IN_FULL: usize = 16;

/// The opened mirror.
pub(crate) struct Mirror {
    repository: Repository,
}

impl Mirror {
    /// Makes the mirror below a work directory, if it is not there yet, and gives its path.
    pub(crate) fn create(work_dir: &Path) -> Result<PathBuf, git2::Error> {
        let path = work_dir.join("repository.git");
        let mut options = RepositoryInitOptions::new();
        // No template: hooks and attributes of the machine have no place here.
        options.bare(true).external_template(false).initial_head("main");
        // Also done when it exists: an earlier start may have been stopped half-way.
        Repository::init_opts(&path, &options)?;
        Ok(path)
    }

    /// Opens the mirror at a path that [`Mirror::create`] gave.
    pub(crate) fn open(path: &Path) -> Result<Self, git2::Error> {
        let repository = Repository::open_bare(path)?;
        // libgit2 reads the machine's and the user's configuration when it opens a repository. From here on there
        // is none, and all of its settings have their defaults.
        repository.set_config(&Config::new()?)?;
        Ok(Self { repository })
    }

    /// Keeps other processes from fetching into this mirror until the lock is dropped.
    pub(crate) fn lock_for_fetch(&self) -> Result<File, FetchError> {
        let lock = |source| FetchError::Lock { source };
        let path = self.beside("repository.lock");
        let file = File::options().create(true).truncate(false).write(true).open(path).map_err(lock)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(FetchError::Busy),
            Err(TryLockError::Error(source)) => Err(lock(source)),
        }
    }

    /// A path next to the mirror's own.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.repository.path().with_file_name(name)
    }

    /// The repository, for reading.
    pub(crate) fn repository(&self) -> &Repository {
        &self.repository
    }

    pub(crate) fn objects(&self) -> Result<Odb<'_>, git2::Error> {
        self.repository.odb()
    }

    /// Where the branch is, if it was ever fetched.
    pub(crate) fn tip(&self, branch: &str) -> Result<Option<Oid>, git2::Error> {
        match self.repository.refname_to_id(&reference(branch)) {
            Ok(id) => Ok(Some(id)),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Moves the branch, backwards too.
    pub(crate) fn advance(&self, branch: &str, to: Oid) -> Result<(), git2::Error> {
        self.repository.reference(&reference(branch), to, true, "fetch").map(|_| ())
    }

    /// Whether a commit is here.
    pub(crate) fn holds(&self, commit: Oid) -> bool {
        self.repository.find_commit(commit).is_ok()
    }

    /// Whether one commit is the other, or among its ancestors.
    pub(crate) fn is_ancestor(&self, ancestor: Oid, descendant: Oid) -> Result<bool, git2::Error> {
        Ok(ancestor == descendant || self.repository.graph_descendant_of(descendant, ancestor)?)
    }

    /// Commits that we have, for the remote to leave out: the newest ones, then ever fewer of the older, so that a branch which
    /// was rewritten far back still finds common ground.
    pub(crate) fn known_commits(&self, tip: Option<Oid>) -> Result<Vec<Oid>, git2::Error> {
        let Some(tip) = tip else { return Ok(Vec::new()) };
        let mut walk = self.repository.revwalk()?;
        walk.push(tip)?;
        let mut known = Vec::new();
        let mut next = 0;
        for (index, commit) in walk.take(KNOWN_LOOKED_AT).enumerate() {
            let commit = commit?;
            if index >= next {
                known.push(commit);
                next = if index < KNOWN_IN_FULL { index + 1 } else { index + index / 2 };
            }
        }
        Ok(known)
    }

    /// The first object that `wanted` needs and that is not here; what `known` reaches is taken to be here.
    pub(crate) fn missing_below(
        &self,
        wanted: Oid,
        known: Option<Oid>,
        budget: &Budget,
    ) -> Result<Option<Oid>, WalkError> {
        let odb = self.repository.odb()?;
        let mut missing = None;
        let known: Vec<Oid> = known.into_iter().collect();
        let walked = walk::new_objects(&self.repository, wanted, &known, budget, &mut |id| {
            if odb.exists(id) {
                return Ok(());
            }
            missing = Some(id);
            Err(git2::Error::new(ErrorCode::NotFound, git2::ErrorClass::Odb, "missing").into())
        });
        match walked {
            Ok(()) => Ok(None),
            Err(WalkError::Git(error)) if error.code() == ErrorCode::NotFound => {
                Ok(Some(missing.unwrap_or(wanted)))
            }
            Err(error) => Err(error),
        }
    }

    /// What people want to know of a commit.
    pub(crate) fn revision(&self, id: Oid) -> Result<Revision, git2::Error> {
        let commit = self.repository.find_commit(id)?;
        let author = String::from_utf8_lossy(commit.author().name_bytes()).into_owned();
        let message = String::from_utf8_lossy(commit.message_bytes()).into_owned();
        Ok(Revision {
            commit: commit_id(id),
            author: text::line(&author, AUTHOR_MAX),
            message: text::line(&message, MESSAGE_MAX),
            // A time that no calendar holds is the author's invention.
            committed_at: Timestamp::from_second(commit.time().seconds()).unwrap_or(Timestamp::UNIX_EPOCH),
        })
    }

    /// The commits that `to` reaches and `from` does not, newest first.
    pub(crate) fn log(&self, from: Option<Oid>, to: Oid, limit: usize) -> Result<Vec<Revision>, git2::Error> {
        let mut walk = self.repository.revwalk()?;
        walk.set_sorting(Sort::TOPOLOGICAL | Sort::TIME)?;
        walk.push(to)?;
        if let Some(from) = from {
            walk.hide(from)?;
        }
        walk.take(limit).map(|id| self.revision(id?)).collect()
    }
}

fn reference(branch: &str) -> String {
    format!("refs/heads/{branch}")
}

/// The model's name of a commit.
pub(crate) fn commit_id(id: Oid) -> CommitId {
    match id.to_string().parse() {
        Ok(commit) => commit,
        Err(_) => unreachable!("an object id prints as 40 lower-case hex digits"),
    }
}
