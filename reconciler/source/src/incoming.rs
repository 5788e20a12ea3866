//! The place for what comes in, next to the mirror. A pack is written and indexed here; only one that arrived whole is
//! handed over.
//!
//! A small pack is taken apart into single objects, as Git does: a pack for each push would make every read slower
//! than the one before. Whatever a killed process left here is removed before the next pack.

use std::path::PathBuf;

use git2::{Config, Odb, Oid, Repository, RepositoryInitOptions};

use crate::budget::Budget;
use crate::fetch::FetchError;
use crate::mirror::Mirror;
use crate::repack::sync;

/// Objects up to which a pack is taken apart.
const APART_MAX: u32 = 100;

/// A bare repository that only ever holds the packs of one fetch.
pub(crate) struct Incoming {
    repository: Repository,
    packs: PathBuf,
}

impl Incoming {
    /// Makes the place ready and empty. The mirror must be locked for a fetch.
    pub(crate) fn open(mirror: &Mirror) -> Result<Self, git2::Error> {
        let path = mirror.beside("incoming.git");
        let packs = path.join("objects/pack");
        clear(&packs);
        let mut options = RepositoryInitOptions::new();
        options.bare(true).external_template(false).initial_head("main");
        Repository::init_opts(&path, &options)?;
        let repository = Repository::open_bare(&path)?;
        repository.set_config(&Config::new()?)?;
        Ok(Self { repository, packs })
    }

    /// The objects, for writing a pack.
    pub(crate) fn objects(&self) -> Result<Odb<'_>, git2::Error> {
        self.repository.odb()
    }

    /// Puts the packs, which hold so many objects together, into the mirror.
    pub(crate) fn hand_over(&self, mirror: &Mirror, objects: u32, budget: &Budget) -> Result<(), FetchError> {
        if objects <= APART_MAX {
            self.take_apart(mirror, budget)?;
        } else {
            self.move_pack(mirror).map_err(|source| FetchError::HandOver { source })?;
        }
        clear(&self.packs);
        let refresh = mirror.objects().and_then(|objects| objects.refresh());
        refresh.map_err(FetchError::git("reading the mirror anew"))
    }

    /// The ids of all objects in some packs of the mirror. They are linked here to be read apart from the others.
    pub(crate) fn ids_of(&self, packs: &[PathBuf]) -> Result<Vec<Oid>, FetchError> {
        for pack in packs {
            for path in [pack.clone(), pack.with_extension("idx")] {
                let to = self.packs.join(path.file_name().unwrap_or_default());
                std::fs::hard_link(&path, to).map_err(|source| FetchError::HandOver { source })?;
            }
        }
        let doing = "listing the objects of a pack";
        // One of its own, which forgets the packs with the listing.
        let repository = Repository::open_bare(self.repository.path()).map_err(FetchError::git(doing))?;
        let mut ids = Vec::new();
        let odb = repository.odb().map_err(FetchError::git(doing))?;
        let listed = odb.foreach(|id| {
            ids.push(*id);
            true
        });
        listed.map_err(FetchError::git(doing))?;
        clear(&self.packs);
        Ok(ids)
    }

    /// Moves the packs that were made here into the mirror, and returns when they are on the disk.
    pub(crate) fn move_packs_durably(&self, mirror: &Mirror) -> std::io::Result<()> {
        for entry in std::fs::read_dir(&self.packs)? {
            sync(&entry?.path())?;
        }
        self.move_pack(mirror)?;
        sync(&mirror.repository().path().join("objects/pack"))
    }

    fn take_apart(&self, mirror: &Mirror, budget: &Budget) -> Result<(), FetchError> {
        let doing = "taking a pack apart";
        let from = self.repository.odb().map_err(FetchError::git(doing))?;
        let to = mirror.objects().map_err(FetchError::git(doing))?;
        let mut ids: Vec<Oid> = Vec::new();
        from.foreach(|id| {
            ids.push(*id);
            true
        })
        .map_err(FetchError::git(doing))?;
        for id in ids {
            FetchError::check(budget)?;
            let object = from.read(id).map_err(FetchError::git(doing))?;
            to.write(object.kind(), object.data()).map_err(FetchError::git(doing))?;
        }
        Ok(())
    }

    fn move_pack(&self, mirror: &Mirror) -> std::io::Result<()> {
        let to = mirror.repository().path().join("objects/pack");
        std::fs::create_dir_all(&to)?;
        // A pack is found by its index, so that comes last.
        for ending in [".pack", ".idx"] {
            for entry in std::fs::read_dir(&self.packs)? {
                let entry = entry?;
                if entry.file_name().to_string_lossy().ends_with(ending) {
                    std::fs::rename(entry.path(), to.join(entry.file_name()))?;
                }
            }
        }
        Ok(())
    }
}

/// Removes what is there. A file that cannot be removed is only in the way of the disk.
fn clear(packs: &std::path::Path) {
    let Ok(entries) = std::fs::read_dir(packs) else { return };
    for entry in entries.flatten() {
        if let Err(error) = std::fs::remove_file(entry.path()) {
            tracing::warn!(%error, path = %entry.path().display(), "removing a leftover of an earlier fetch");
        }
    }
}
