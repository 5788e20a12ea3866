//! The way in: an asynchronous face over libgit2, which blocks.
//!
//! Work runs on blocking threads that a [`TaskTracker`] knows of. One fetch runs at a time; reads open the mirror for
//! themselves and never wait for one. A caller who stops waiting cancels the work.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use moorline_model::{CommitId, Revision};
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::budget::Budget;
use crate::changed;
use crate::checkout::{self, CheckedOut, CheckoutError, Selection};
use crate::config::{CheckoutLimits, RepositoryConfig};
use crate::fetch::{self, FetchError, Fetched};
use crate::list;
use crate::mirror::Mirror;
use crate::pack::FetchProgress;
use crate::read::{ReadError, find};
use crate::remote::RemoteUrl;
use crate::repack::{self, Repacked, Thresholds};
use crate::transport::{self, HttpsClient, InvalidAuthorities};
use crate::tree::{self, TreeDigest};

/// Revisions that one call of [`Repository::log`] gives at most.
const LOG_MAX: usize = 10_000;

/// How long somebody may have a pack open: the longest that a read or a checkout takes, twice.
const OPEN_MAX: Duration = Duration::from_secs(120);

/// Why a repository could not be made ready. Nothing was fetched yet.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A branch name that Git would not take.
    #[error("`{branch}` is no name of a branch")]
    Branch { branch: String },
    /// A file of certificates.
    #[error("the certificate authorities for https cannot be used")]
    Authorities(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("could not make the work directory `{}`", path.display())]
    WorkDirectory {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("could not make the mirror in `{}`", path.display())]
    Mirror {
        path: PathBuf,
        #[source]
        source: git2::Error,
    },
    /// The process is about to end.
    #[error("opening the repository was interrupted")]
    Interrupted,
}

impl From<InvalidAuthorities> for OpenError {
    fn from(error: InvalidAuthorities) -> Self {
        Self::Authorities(Box::new(error))
    }
}

/// A watched repository and its mirror. Clones share both.
#[derive(Clone)]
pub struct Repository {
    shared: Arc<Shared>,
}

struct Shared {
    config: RepositoryConfig,
    mirror: PathBuf,
    https: HttpsClient,
    /// Held by the fetch that runs; says whether one has run to its end.
    fetching: Arc<Mutex<bool>>,
    /// Packs that a newer one holds all of, and since when. They are removed before the next is made.
    superseded: std::sync::Mutex<Option<(Instant, Vec<PathBuf>)>>,
    progress: FetchProgress,
    tasks: TaskTracker,
    closed: CancellationToken,
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Repository").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

impl Repository {
    /// Makes the work directory and the mirror, unless they are there. Nothing is fetched yet, so this works while
    /// the remote is down.
    ///
    /// # Errors
    /// [`OpenError`]: a branch name, a file of certificates or a directory that cannot be used.
    pub async fn open(config: RepositoryConfig) -> Result<Self, OpenError> {
        let tasks = TaskTracker::new();
        let opening = tasks.spawn_blocking(move || open(config));
        let (config, mirror, https) = opening.await.map_err(|_| OpenError::Interrupted)??;
        let shared = Shared {
            config,
            mirror,
            https,
            fetching: Arc::new(Mutex::new(false)),
            superseded: std::sync::Mutex::default(),
            progress: FetchProgress::default(),
            tasks,
            closed: CancellationToken::new(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Fetches the branch. A rewritten branch is followed, and the answer says so.
    ///
    /// # Errors
    /// [`FetchError`]; what was fetched before is kept.
    pub async fn fetch(&self) -> Result<Fetched, FetchError> {
        let limits = &self.shared.config.limits;
        let waiting = self.shared.fetching.clone().lock_owned();
        let turn = tokio::time::timeout(limits.fetch, waiting)
            .await
            .map_err(|_| FetchError::Deadline { after: limits.fetch })?;
        let cancel = self.shared.closed.child_token();
        let _on_drop = cancel.clone().drop_guard();
        let budget = Budget::start(limits.fetch, cancel);
        let (shared, runtime) = (self.shared.clone(), Handle::current());
        let work = self.shared.tasks.spawn_blocking(move || {
            let mut has_fetched = turn;
            let mirror = Mirror::open(&shared.mirror).map_err(FetchError::git("opening the mirror"))?;
            let config = &shared.config;
            let mut upstream = transport::upstream(config, &shared.https, &runtime, &budget);
            let fetched = fetch::fetch(
                &mirror,
                upstream.as_mut(),
                &config.branch,
                &config.limits,
                &budget,
                &shared.progress,
                !*has_fetched,
            )?;
            *has_fetched = true;
            Ok::<_, FetchError>(fetched)
        });
        let fetched = work.await.map_err(|_| FetchError::Cancelled)??;
        if fetched.is_new() {
            self.tidy();
        }
        Ok(fetched)
    }

    /// How far the fetch under way has come.
    #[must_use]
    pub fn progress(&self) -> FetchProgress {
        self.shared.progress.clone()
    }

    /// Packs what has piled up in the mirror, if enough has. It begins when no fetch runs; nobody waits for it but the
    /// next fetch.
    fn tidy(&self) {
        let shared = self.shared.clone();
        self.shared.tasks.spawn(async move {
            let turn = shared.fetching.clone().lock_owned().await;
            let packing = shared.clone();
            let work = shared.tasks.spawn_blocking(move || {
                let _turn = turn;
                if let Err(error) = packing.repack() {
                    tracing::warn!(error = &error as &dyn std::error::Error, "packing the mirror");
                }
            });
            // What it has to say, it has said.
            drop(work.await);
        });
    }

    /// The branch's newest commit as of the last fetch; nothing before the first.
    ///
    /// # Errors
    /// [`ReadError`] when the mirror cannot be read.
    pub async fn head(&self) -> Result<Option<Revision>, ReadError> {
        let branch = self.shared.config.branch.clone();
        self.read_mirror(move |mirror| {
            let tip = mirror.tip(&branch).map_err(ReadError::git("reading the mirror's branch"))?;
            tip.map(|id| mirror.revision(id).map_err(ReadError::git("reading a commit"))).transpose()
        })
        .await
    }

    /// What people want to know of a commit.
    ///
    /// # Errors
    /// [`ReadError::UnknownCommit`] when it was never fetched.
    pub async fn revision(&self, commit: &CommitId) -> Result<Revision, ReadError> {
        let commit = commit.clone();
        self.read_mirror(move |mirror| {
            mirror.revision(find(mirror, &commit)?).map_err(ReadError::git("reading a commit"))
        })
        .await
    }

    /// Whether a commit was ever fetched.
    ///
    /// # Errors
    /// [`ReadError`] when the mirror cannot be read.
    pub async fn contains(&self, commit: &CommitId) -> Result<bool, ReadError> {
        match self.revision(commit).await {
            Ok(_) => Ok(true),
            Err(ReadError::UnknownCommit { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether `ancestor` is `descendant` or among its ancestors.
    ///
    /// # Errors
    /// [`ReadError::UnknownCommit`] when one of them was never fetched.
    pub async fn is_ancestor(&self, ancestor: &CommitId, descendant: &CommitId) -> Result<bool, ReadError> {
        let (ancestor, descendant) = (ancestor.clone(), descendant.clone());
        self.read_mirror(move |mirror| {
            let (ancestor, descendant) = (find(mirror, &ancestor)?, find(mirror, &descendant)?);
            mirror.is_ancestor(ancestor, descendant).map_err(ReadError::git("comparing two commits"))
        })
        .await
    }

    /// The commits that `to` reaches and `from` does not, newest first and no more than `limit` or 10,000.
    ///
    /// # Errors
    /// [`ReadError::UnknownCommit`] when one of them was never fetched.
    pub async fn log(
        &self,
        from: Option<&CommitId>,
        to: &CommitId,
        limit: usize,
    ) -> Result<Vec<Revision>, ReadError> {
        let (from, to) = (from.cloned(), to.clone());
        self.read_mirror(move |mirror| {
            let from = from.map(|from| find(mirror, &from)).transpose()?;
            let to = find(mirror, &to)?;
            mirror.log(from, to, limit.min(LOG_MAX)).map_err(ReadError::git("walking the history"))
        })
        .await
    }

    /// The content of a file at a commit, when there is one. A path is names with `/` between them; no link is
    /// followed.
    ///
    /// # Errors
    /// [`ReadError`]: an unknown commit, a path that leads elsewhere, no file, one that is too large.
    pub async fn read(&self, commit: &CommitId, path: &str) -> Result<Option<Vec<u8>>, ReadError> {
        let (commit, path, limit) = (commit.clone(), path.to_owned(), self.shared.config.limits.file_bytes);
        self.read_mirror(move |mirror| tree::read_file(mirror, &commit, &path, limit)).await
    }

    /// The paths of all files below a directory at a commit, sorted; none when there is no such directory.
    ///
    /// # Errors
    /// [`ReadError`]: an unknown commit, a path that leads elsewhere, more files than are listed.
    pub async fn files(&self, commit: &CommitId, directory: &str) -> Result<Vec<String>, ReadError> {
        let (commit, directory) = (commit.clone(), directory.to_owned());
        self.read_mirror(move |mirror| list::files(mirror, &commit, &directory)).await
    }

    /// The paths of all files that were added, removed or changed between two commits.
    ///
    /// # Errors
    /// [`ReadError::UnknownCommit`] when one of them was never fetched.
    pub async fn changed(&self, old: &CommitId, new: &CommitId) -> Result<BTreeSet<String>, ReadError> {
        let (old, new) = (old.clone(), new.clone());
        self.read_mirror(move |mirror| changed::changed(mirror, &old, &new)).await
    }

    /// The digest of a directory at a commit, when there is one; `""` and `.` are the root. Where two commits have
    /// the same, nothing below it changed between them.
    ///
    /// # Errors
    /// [`ReadError`]: an unknown commit, or a path that leads elsewhere.
    pub async fn tree_digest(
        &self,
        commit: &CommitId,
        directory: &str,
    ) -> Result<Option<TreeDigest>, ReadError> {
        let (commit, directory) = (commit.clone(), directory.to_owned());
        self.read_mirror(move |mirror| tree::digest(mirror, &commit, &directory)).await
    }

    /// The digest of the directory or file at a path, when there is one. Where two commits have the same, nothing there
    /// changed between them.
    ///
    /// # Errors
    /// As [`Self::tree_digest`].
    pub async fn object_digest(
        &self,
        commit: &CommitId,
        path: &str,
    ) -> Result<Option<TreeDigest>, ReadError> {
        let (commit, path) = (commit.clone(), path.to_owned());
        self.read_mirror(move |mirror| tree::object_digest(mirror, &commit, &path)).await
    }

    /// Writes the whole tree of a commit into a directory that does not exist yet or is empty. Only its owner can
    /// enter it afterwards. When it fails, the directory is gone.
    ///
    /// # Errors
    /// [`CheckoutError::Refused`] names every entry that may not be written; nothing is written then.
    pub async fn checkout(
        &self,
        commit: &CommitId,
        into: &Path,
        limits: CheckoutLimits,
    ) -> Result<CheckedOut, CheckoutError> {
        self.check_out(commit, Selection::All, into, limits).await
    }

    /// As [`Self::checkout`], of these files and directories alone, the latter with all that is below them. A path that
    /// the commit does not have is passed over; so is one that leads through a link.
    ///
    /// # Errors
    /// See [`Self::checkout`]; what is not written is not judged either.
    pub async fn checkout_paths(
        &self,
        commit: &CommitId,
        paths: &BTreeSet<String>,
        into: &Path,
        limits: CheckoutLimits,
    ) -> Result<CheckedOut, CheckoutError> {
        self.check_out(commit, Selection::of(paths), into, limits).await
    }

    async fn check_out(
        &self,
        commit: &CommitId,
        selection: Selection,
        into: &Path,
        limits: CheckoutLimits,
    ) -> Result<CheckedOut, CheckoutError> {
        let cancel = self.shared.closed.child_token();
        let _on_drop = cancel.clone().drop_guard();
        let budget = Budget::start(limits.time, cancel);
        let (shared, commit, into) = (self.shared.clone(), commit.clone(), into.to_owned());
        let work = self.shared.tasks.spawn_blocking(move || {
            let mirror = Mirror::open(&shared.mirror).map_err(CheckoutError::git("opening the mirror"))?;
            checkout::checkout(&mirror, &commit, &selection, &into, &limits, &budget)
        });
        work.await.map_err(|_| CheckoutError::Cancelled)?
    }

    /// The directory to watch for pushes, when the repository is on this machine: Git's own directory of it. A push
    /// changes a file below its `refs` (watch that one recursively) or its `packed-refs` (watch the directory
    /// itself, not recursively: `objects` is large).
    #[must_use]
    pub fn watch_path(&self) -> Option<PathBuf> {
        match &self.shared.config.url {
            RemoteUrl::Local(remote) => Some(remote.git_directory()),
            RemoteUrl::Https(_) | RemoteUrl::Ssh(_) => None,
        }
    }

    /// Cancels what runs and waits for it to end.
    pub async fn close(&self) {
        self.shared.closed.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    /// Runs one read of the mirror, with a deadline.
    async fn read_mirror<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Mirror) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let (path, after) = (self.shared.mirror.clone(), self.shared.config.limits.read);
        let running = self.shared.tasks.spawn_blocking(move || {
            let mirror = Mirror::open(&path).map_err(ReadError::git("opening the mirror"))?;
            work(&mirror)
        });
        match tokio::time::timeout(after, running).await {
            Ok(done) => done.map_err(|_| ReadError::Closed)?,
            Err(_) => Err(ReadError::Deadline { after }),
        }
    }
}

impl Shared {
    fn repack(&self) -> Result<(), FetchError> {
        let mut superseded = self.superseded.lock().unwrap_or_else(PoisonError::into_inner);
        if superseded.as_ref().is_some_and(|(since, _)| since.elapsed() < OPEN_MAX) {
            return Ok(());
        }
        if let Some((_, packs)) = superseded.take() {
            repack::remove_superseded(&packs);
        }
        let budget = Budget::start(self.config.limits.fetch, self.closed.child_token());
        let mirror = Mirror::open(&self.mirror).map_err(FetchError::git("opening the mirror"))?;
        let repacked = repack::repack(&mirror, Thresholds::default(), &self.config.limits, &budget)?;
        if let Some(Repacked { objects, superseded: packs }) = repacked {
            tracing::info!(objects, "the mirror's objects were packed");
            *superseded = Some((Instant::now(), packs));
        }
        Ok(())
    }
}

fn open(config: RepositoryConfig) -> Result<(RepositoryConfig, PathBuf, HttpsClient), OpenError> {
    let is_branch = !config.branch.starts_with('-')
        && git2::Reference::is_valid_name(&format!("refs/heads/{}", config.branch));
    if !is_branch {
        return Err(OpenError::Branch { branch: config.branch });
    }
    let https = HttpsClient::new(&config.https)?;
    let path = config.work_dir.clone();
    make_private(&path).map_err(|source| OpenError::WorkDirectory { path: path.clone(), source })?;
    let mirror = Mirror::create(&path).map_err(|source| OpenError::Mirror { path, source })?;
    Ok((config, mirror, https))
}

/// Makes a directory that only its owner can enter; one that is there already keeps its permissions.
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}
