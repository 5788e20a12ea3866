//! Checkouts for Terraform: of what it reads and no more, and kept for the next run at the same commit.
//!
//! A kept checkout belongs to one environment, one commit and one way to run Terraform. A run has it for itself (it is
//! moved into the run's folder and back), and gets it only if nothing in it was written since it was checked out:
//! what one run left there must not reach the next.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use moorline_config::Secret;
use moorline_model::declaration::Terraform;
use moorline_model::{CommitId, EnvironmentName};
use moorline_source::{CheckoutError, CheckoutLimits, Repository};
use moorline_terraform::Seal;
use moorline_terraform::gate::{Reach, reach};
use sha2::{Digest as _, Sha256};

/// Most times that a checkout is made anew because more is reached from what it holds: modules in modules.
const ROUNDS_MAX: usize = 8;

/// The checkouts of all environments. What is known of them is in memory only: what another process left is not used.
#[derive(Debug, Default)]
pub struct Checkouts {
    /// One for each environment, by the folder it is kept in.
    cached: Mutex<BTreeMap<PathBuf, Sealed>>,
    /// Those whose runs are over, by their folders.
    idle: Mutex<BTreeMap<PathBuf, Sealed>>,
}

/// A checkout as it was made.
#[derive(Debug, Clone, Copy)]
struct Sealed {
    key: [u8; 32],
    seal: Seal,
}

/// What a checkout is made for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The commit.
    pub commit: &'a CommitId,
    /// How Terraform is run.
    pub terraform: &'a Terraform,
    /// The resolved variables of its environment.
    pub variables: &'a BTreeMap<String, Secret>,
}

/// A checkout that a run works in. Released when the run has ended and nothing of it runs any more.
#[derive(Debug)]
pub struct InUse {
    tree: PathBuf,
    sealed: Option<Sealed>,
}

impl Checkouts {
    /// Checks out what Terraform reads at a commit into `tree`, or moves the kept checkout there.
    ///
    /// # Errors
    /// See [`CheckoutError`].
    pub async fn acquire(
        &self,
        repository: &Repository,
        request: Request<'_>,
        cache: &Path,
        tree: &Path,
    ) -> Result<InUse, CheckoutError> {
        let key = request.key();
        let sealed = lock(&self.cached).remove(cache);
        if let Some(sealed) = sealed.filter(|sealed| sealed.key == key)
            && is_as_it_was(cache, sealed.seal).await
            && std::fs::rename(cache, tree).is_ok()
        {
            return Ok(InUse { tree: tree.to_owned(), sealed: Some(sealed) });
        }
        remove(cache);
        check_out(repository, request, tree).await?;
        let folder = tree.to_owned();
        let seal = tokio::task::spawn_blocking(move || Seal::of(&folder).ok()).await.ok().flatten();
        Ok(InUse { tree: tree.to_owned(), sealed: seal.map(|seal| Sealed { key, seal }) })
    }

    /// The checkout that an earlier run of the same rollout worked in.
    pub fn reacquire(&self, tree: &Path) -> InUse {
        InUse { tree: tree.to_owned(), sealed: lock(&self.idle).remove(tree) }
    }

    /// Takes a checkout back whose run has ended. A run that was dropped before its end hands nothing in.
    pub fn release(&self, in_use: InUse) {
        if let Some(sealed) = in_use.sealed {
            lock(&self.idle).insert(in_use.tree, sealed);
        }
    }

    /// Keeps a checkout that is not needed where it is any more, if nothing was written there.
    pub fn cache(&self, tree: &Path, cache: &Path) {
        let Some(sealed) = lock(&self.idle).remove(tree) else { return };
        if Seal::of(tree).is_ok_and(|now| now == sealed.seal) {
            remove(cache);
            if std::fs::rename(tree, cache).is_ok() {
                lock(&self.cached).insert(cache.to_owned(), sealed);
            }
        }
    }
}

impl Request<'_> {
    fn key(self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update(bytes.len().to_le_bytes());
            hash.update(bytes);
        };
        part(self.commit.as_str().as_bytes());
        part(&serde_json::to_vec(self.terraform).unwrap_or_default());
        for (name, value) in self.variables {
            part(name.as_bytes());
            part(value.expose().as_bytes());
        }
        hash.finalize().into()
    }
}

/// Where an environment's checkout is kept.
#[must_use]
pub fn cached_in(work_dir: &Path, name: &EnvironmentName) -> PathBuf {
    work_dir.join("trees").join(name.as_str())
}

/// Checks out the declared directory, and then what is reached from what is there, until nothing is lacking. Where
/// that cannot be told, or a link leads elsewhere, everything is checked out.
async fn check_out(repository: &Repository, request: Request<'_>, tree: &Path) -> Result<(), CheckoutError> {
    if check_out_reached(repository, request, tree).await?.is_some() {
        return Ok(());
    }
    repository.checkout(request.commit, tree, CheckoutLimits::default()).await.map(drop)
}

/// Checks out the declared directory and what is reached from it, and says which paths these are. `None`, and nothing is
/// checked out, where that cannot be told.
pub(super) async fn check_out_reached(
    repository: &Repository,
    request: Request<'_>,
    tree: &Path,
) -> Result<Option<BTreeSet<String>>, CheckoutError> {
    let mut paths = BTreeSet::new();
    // The first round has nothing, and reaches what is declared.
    for _ in 0..ROUNDS_MAX {
        remove(tree);
        let limits = CheckoutLimits::default();
        let written = match repository.checkout_paths(request.commit, &paths, tree, limits).await {
            Ok(written) => written,
            // The whole is told of in the same way.
            Err(CheckoutError::Refused { .. }) => break,
            Err(error) => return Err(error),
        };
        if written.links > 0 {
            break;
        }
        match reached(tree, request).await {
            Reach::Paths(reached) if reached.iter().all(|path| is_among(path, &paths)) => {
                return Ok(Some(paths));
            }
            Reach::Paths(reached) => paths.extend(reached),
            Reach::Unknown => break,
        }
    }
    remove(tree);
    Ok(None)
}

async fn reached(tree: &Path, request: Request<'_>) -> Reach {
    let (tree, terraform) = (tree.to_owned(), request.terraform.clone());
    let variables = request.variables.clone();
    let walk = tokio::task::spawn_blocking(move || reach(&tree, &terraform, &variables));
    walk.await.unwrap_or(Reach::Unknown)
}

/// Whether a path is one of these, or below one.
fn is_among(path: &str, paths: &BTreeSet<String>) -> bool {
    Path::new(path).ancestors().any(|path| path.to_str().is_some_and(|path| paths.contains(path)))
}

async fn is_as_it_was(tree: &Path, seal: Seal) -> bool {
    let tree = tree.to_owned();
    let look = tokio::task::spawn_blocking(move || Seal::of(&tree).is_ok_and(|now| now == seal));
    look.await.unwrap_or(false)
}

/// Removes a checkout, if there is one.
pub(super) fn remove(tree: &Path) {
    if let Err(error) = std::fs::remove_dir_all(tree)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(folder = %tree.display(), %error, "a checkout cannot be removed");
    }
}

fn lock(map: &Mutex<BTreeMap<PathBuf, Sealed>>) -> MutexGuard<'_, BTreeMap<PathBuf, Sealed>> {
    map.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
