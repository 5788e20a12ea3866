//! Puts single objects and small packs of the mirror together into one pack: each of them makes reading slower and
//! takes a block of the disk.
//!
//! Nothing is forgotten, whether the branch reaches it or not. The new pack is on the disk before anything is removed.
//! A reader that looks for a single object which has just gone looks again, as libgit2 does, and finds it in the pack.
//! A pack may be open somewhere; so one that is superseded stays until the next time, minutes or hours later.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use git2::{Odb, OdbLookupFlags, Oid};

use crate::budget::Budget;
use crate::config::Limits;
use crate::fetch::FetchError;
use crate::incoming::Incoming;
use crate::mirror::Mirror;
use crate::pack::{FetchProgress, PackWriter, Progress};

/// What may pile up before it is packed, and how much is packed at a time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Thresholds {
    /// Single objects.
    pub(crate) loose: usize,
    /// Packs.
    pub(crate) packs: usize,
    /// Bytes of packs that are put together. A larger pack is left as it is.
    pub(crate) pack_bytes: u64,
    /// Objects in one go.
    pub(crate) objects: usize,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { loose: 2_000, packs: 20, pack_bytes: 64 * 1024 * 1024, objects: 100_000 }
    }
}

/// What was put together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Repacked {
    /// Objects in the new pack.
    pub(crate) objects: usize,
    /// Packs whose objects it holds, to be removed when nobody has them open any more.
    pub(crate) superseded: Vec<PathBuf>,
}

/// Packs what has piled up, if enough has. It locks the mirror as a fetch does.
pub(crate) fn repack(
    mirror: &Mirror,
    thresholds: Thresholds,
    limits: &Limits,
    budget: &Budget,
) -> Result<Option<Repacked>, FetchError> {
    let folder = mirror.repository().path().join("objects");
    let loose = loose(&folder, thresholds.objects);
    let packs = small_packs(&folder.join("pack"), thresholds);
    if loose.len() <= thresholds.loose && packs.is_empty() {
        return Ok(None);
    }
    let _one_at_a_time = mirror.lock_for_fetch()?;
    let incoming = Incoming::open(mirror).map_err(FetchError::git("opening the place for a new pack"))?;
    let mut ids: Vec<Oid> = loose.iter().map(|(id, _)| *id).collect();
    ids.extend(incoming.ids_of(&packs)?);
    ids.sort();
    ids.dedup();
    if ids.len() > thresholds.objects {
        return Ok(None);
    }
    let odb = incoming.objects().map_err(FetchError::git("opening the place for a new pack"))?;
    write_pack(mirror, &odb, &ids, limits, budget)?;
    // Before anything is removed: it is all there.
    odb.refresh().map_err(FetchError::git("reading the new pack"))?;
    if let Some(lost) = ids.iter().find(|id| !odb.exists_ext(**id, OdbLookupFlags::NO_REFRESH)) {
        return Err(FetchError::Incomplete { commit: lost.to_string() });
    }
    incoming.move_packs_durably(mirror).map_err(|source| FetchError::HandOver { source })?;
    for (_, path) in &loose {
        remove(path);
    }
    Ok(Some(Repacked { objects: ids.len(), superseded: packs }))
}

fn write_pack(
    mirror: &Mirror,
    odb: &Odb<'_>,
    ids: &[Oid],
    limits: &Limits,
    budget: &Budget,
) -> Result<(), FetchError> {
    let mut builder = mirror.repository().packbuilder().map_err(FetchError::git("starting a pack"))?;
    builder.set_threads(1);
    for id in ids {
        builder.insert_object(*id, None).map_err(FetchError::git("reading an object of the mirror"))?;
    }
    let progress = Arc::new(Mutex::new(Progress::start(FetchProgress::default())));
    let mut pack = PackWriter::new(odb, limits, budget, &progress)?;
    let mut outcome = Ok(());
    let packed = builder.foreach(|bytes| {
        outcome = pack.write(bytes);
        outcome.is_ok()
    });
    outcome?;
    packed.map_err(FetchError::git("packing the mirror's objects"))?;
    pack.finish().map(drop)
}

/// Removes packs that a newer one holds all of, and that were left for whoever had them open.
pub(crate) fn remove_superseded(packs: &[PathBuf]) {
    for pack in packs {
        // A pack is found by its index, so that goes first.
        remove(&pack.with_extension("idx"));
        remove(pack);
    }
}

/// The single objects, at most so many.
fn loose(folder: &Path, most: usize) -> Vec<(Oid, PathBuf)> {
    let mut found = Vec::new();
    for first in 0..=u8::MAX {
        let first = format!("{first:02x}");
        let Ok(entries) = std::fs::read_dir(folder.join(&first)) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if let Some(Ok(id)) = name.to_str().map(|rest| Oid::from_str(&format!("{first}{rest}"))) {
                found.push((id, entry.path()));
            }
            if found.len() == most {
                return found;
            }
        }
    }
    found
}

/// Packs that are worth putting together: none, unless there are many.
fn small_packs(folder: &Path, thresholds: Thresholds) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let packs = entries.flatten().map(|entry| entry.path());
    let packs = packs.filter(|path| path.extension().is_some_and(|ending| ending == "pack"));
    let mut packs: Vec<(u64, PathBuf)> =
        packs.map(|path| (std::fs::metadata(&path).map_or(u64::MAX, |found| found.len()), path)).collect();
    if packs.len() <= thresholds.packs {
        return Vec::new();
    }
    packs.sort();
    let mut bytes = 0_u64;
    packs.retain(|(size, _)| {
        bytes = bytes.saturating_add(*size);
        bytes <= thresholds.pack_bytes
    });
    // One alone gains nothing.
    if packs.len() < 2 { Vec::new() } else { packs.into_iter().map(|(_, path)| path).collect() }
}

fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %path.display(), "removing what a new pack of the mirror holds");
    }
}

/// Makes a file's or a directory's content outlive a loss of power.
pub(crate) fn sync(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests;
