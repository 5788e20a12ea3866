//! A repository on this machine. libgit2 reads it in place; what the mirror lacks travels as a pack, through the same
//! gate as any other.
//!
//! At the first fetch its packs are copied as they are. libgit2 would look for deltas anew, which costs many times as
//! much. They may hold more than the branch reaches, so this is done only while they fit into the limit.
//!
//! The repository is opened as a bare one, which runs no check of who owns it: a server's repositories commonly
//! belong to another user. That check guards against configuration and hooks of strangers, and neither is used here:
//! the configuration is replaced by an empty one before anything reads it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use git2::{Config, ErrorCode, Oid, Repository};

use super::Upstream;
use crate::budget::Budget;
use crate::config::Limits;
use crate::fetch::{FetchError, Limit};
use crate::pack::PackWriter;
use crate::remote::LocalRemote;
use crate::walk::{self, WalkError};
use crate::wire::Heads;

/// One fetch from a local repository.
pub(super) struct LocalUpstream {
    remote: LocalRemote,
    limits: Limits,
    budget: Budget,
}

impl LocalUpstream {
    pub(super) fn new(remote: LocalRemote, limits: Limits, budget: Budget) -> Self {
        Self { remote, limits, budget }
    }

    fn open(&self) -> Result<Repository, FetchError> {
        let remote = || self.remote.to_string();
        let opened = Repository::open_bare(self.remote.git_directory()).and_then(|repository| {
            repository.set_config(&Config::new()?)?;
            Ok(repository)
        });
        match opened {
            Ok(repository) if repository.is_shallow() => Err(FetchError::Shallow { remote: remote() }),
            Ok(repository) => Ok(repository),
            Err(error) if error.code() == ErrorCode::NotFound => {
                Err(FetchError::RepositoryMissing { remote: remote() })
            }
            Err(error) => Err(FetchError::Git { doing: "opening the local repository", source: error }),
        }
    }
}

impl Upstream for LocalUpstream {
    fn heads(&mut self) -> Result<Heads, FetchError> {
        FetchError::check(&self.budget)?;
        let repository = self.open()?;
        let doing = "reading the branches of the local repository";
        let mut branches = BTreeMap::new();
        for reference in repository.references_glob("refs/heads/*").map_err(FetchError::git(doing))? {
            let reference = reference.map_err(FetchError::git(doing))?;
            let Some(name) = reference.name().ok().and_then(|name| name.strip_prefix("refs/heads/")) else {
                continue;
            };
            // A branch that points to one that is gone is no branch.
            let Ok(resolved) = reference.resolve() else { continue };
            if let Some(id) = resolved.target() {
                branches.insert(name.to_owned(), id);
            }
        }
        Ok(Heads { remote: self.remote.to_string(), branches })
    }

    fn packs(&mut self, known: &[Oid]) -> Result<Vec<PathBuf>, FetchError> {
        let folder = self.remote.git_directory().join("objects/pack");
        if !known.is_empty() {
            return Ok(Vec::new());
        }
        let Ok(entries) = std::fs::read_dir(folder) else { return Ok(Vec::new()) };
        let (mut packs, mut bytes) = (Vec::new(), 0_u64);
        for path in entries.flatten().map(|entry| entry.path()) {
            // Without its index, it is still being written.
            let is_pack = path.extension().is_some_and(|ending| ending == "pack");
            if is_pack && path.with_extension("idx").is_file() {
                bytes = bytes.saturating_add(std::fs::metadata(&path).map_or(0, |found| found.len()));
                packs.push(path);
            }
        }
        packs.sort();
        Ok(if bytes > self.limits.pack_bytes { Vec::new() } else { packs })
    }

    fn send(
        &mut self,
        wanted: Oid,
        known: &[Oid],
        has: &dyn Fn(Oid) -> bool,
        pack: &mut PackWriter<'_>,
    ) -> Result<(), FetchError> {
        let repository = self.open()?;
        let odb = repository.odb().map_err(FetchError::git("opening the local repository's objects"))?;
        let mut builder = repository.packbuilder().map_err(FetchError::git("starting a pack"))?;
        builder.set_threads(1);
        let limit = self.limits.object_bytes;
        let mut too_large = None;
        walk::new_objects(&repository, wanted, known, &self.budget, &mut |id| {
            if has(id) {
                return Ok(());
            }
            let (size, _) = odb.read_header(id)?;
            if size as u64 > limit {
                too_large = Some(Limit::ObjectBytes(limit));
            } else if builder.object_count() as u64 >= u64::from(self.limits.pack_objects) {
                too_large = Some(Limit::PackObjects(self.limits.pack_objects));
            } else {
                builder.insert_object(id, None)?;
                return Ok(());
            }
            Err(WalkError::from(git2::Error::from_str("a limit was reached")))
        })
        .map_err(|error| match too_large.take() {
            Some(limit) => FetchError::TooLarge { limit },
            None => error.into(),
        })?;
        let mut outcome = Ok(());
        let packed = builder.foreach(|bytes| {
            outcome = pack.write(bytes);
            outcome.is_ok()
        });
        outcome?;
        packed.map_err(FetchError::git("packing the local repository's objects"))
    }
}
