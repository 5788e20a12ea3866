//! One fetch, start to end: ask the remote for its branches, take what the mirror lacks, check that it is complete,
//! move the branch.
//!
//! The order is the promise: the branch moves last, and only to a commit whose every file is in the mirror. A fetch
//! that stops anywhere before leaves the mirror where it was.

mod error;

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use git2::{Odb, OdbLookupFlags, Oid};
use moorline_model::{CommitId, Revision};

use crate::budget::Budget;
use crate::config::Limits;
use crate::incoming::Incoming;
use crate::mirror::{Mirror, commit_id};
use crate::pack::{FetchProgress, PackWriter, Progress, Taken};
use crate::transport::Upstream;

pub use error::{FetchError, Limit};

/// What a fetch found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The branch's newest commit.
    pub head: Revision,
    /// Where the branch was before, when it had been fetched before.
    pub previous: Option<CommitId>,
    /// The previous commit is no ancestor of the new one: history was rewritten, and the new one is followed.
    pub rewritten: bool,
}

impl Fetched {
    /// Whether the branch moved, or was seen for the first time.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.previous.as_ref() != Some(&self.head.commit)
    }
}

/// Brings the mirror's branch to where the remote's is. The first fetch of a process checks what it finds in the mirror.
pub(crate) fn fetch(
    mirror: &Mirror,
    upstream: &mut dyn Upstream,
    branch: &str,
    limits: &Limits,
    budget: &Budget,
    shown: &FetchProgress,
    is_first: bool,
) -> Result<Fetched, FetchError> {
    let _one_at_a_time = mirror.lock_for_fetch()?;
    let wanted = upstream.heads()?.branch(branch)?;
    let previous = mirror.tip(branch).map_err(FetchError::git("reading the mirror's branch"))?;
    // A machine that lost power may have kept the branch and lost an object: then all is fetched again.
    let previous = match previous {
        Some(tip) if is_first && !is_complete(mirror, tip, None, budget)? => None,
        other => other,
    };
    if previous == Some(wanted) {
        upstream.leave();
    } else {
        if is_complete(mirror, wanted, previous, budget)? {
            upstream.leave();
        } else {
            receive(mirror, upstream, wanted, previous, limits, budget, shown)?;
            if !is_complete(mirror, wanted, previous, budget)? {
                return Err(FetchError::Incomplete { commit: wanted.to_string() });
            }
        }
        mirror.advance(branch, wanted).map_err(FetchError::git("moving the mirror's branch"))?;
    }
    let rewritten = match previous {
        Some(previous) if previous != wanted => !mirror
            .is_ancestor(previous, wanted)
            .map_err(FetchError::git("comparing the old and the new commit"))?,
        _ => false,
    };
    let head = mirror.revision(wanted).map_err(FetchError::git("reading the newest commit"))?;
    Ok(Fetched { head, previous: previous.map(commit_id), rewritten })
}

fn receive(
    mirror: &Mirror,
    upstream: &mut dyn Upstream,
    wanted: Oid,
    previous: Option<Oid>,
    limits: &Limits,
    budget: &Budget,
    shown: &FetchProgress,
) -> Result<(), FetchError> {
    let known = mirror.known_commits(previous).map_err(FetchError::git("listing the known commits"))?;
    let progress = Arc::new(Mutex::new(Progress::start(shown.clone())));
    let packs = upstream.packs(&known)?;
    if !packs.is_empty()
        && copy(mirror, &packs, limits, budget, &progress)?
        && is_complete(mirror, wanted, previous, budget)?
    {
        upstream.leave();
        return Ok(());
    }
    let incoming = Incoming::open(mirror).map_err(FetchError::git("opening the place for what comes in"))?;
    let odb = incoming.objects().map_err(FetchError::git("opening the place for what comes in"))?;
    let here = mirror.objects().map_err(FetchError::git("opening the mirror's objects"))?;
    let mut pack = PackWriter::new(&odb, limits, budget, &progress)?;
    let has = |id| here.exists_ext(id, OdbLookupFlags::NO_REFRESH);
    upstream.send(wanted, &known, &has, &mut pack)?;
    let objects = pack.finish()?.objects;
    incoming.hand_over(mirror, objects, budget)
}

/// Copies packs as they are, through the gate, all under the limits of one. Says whether it was done: packs that are
/// too large as a whole may be small enough in the part that is needed.
fn copy(
    mirror: &Mirror,
    packs: &[PathBuf],
    limits: &Limits,
    budget: &Budget,
    progress: &Arc<Mutex<Progress>>,
) -> Result<bool, FetchError> {
    let incoming = Incoming::open(mirror).map_err(FetchError::git("opening the place for what comes in"))?;
    let odb = incoming.objects().map_err(FetchError::git("opening the place for what comes in"))?;
    let (mut left, mut objects) = (limits.clone(), 0);
    for path in packs {
        match copy_one(&odb, path, &left, budget, progress) {
            Ok(taken) => {
                left.pack_bytes -= taken.bytes;
                left.pack_objects -= taken.objects;
                left.expanded_bytes -= taken.expanded;
                objects += taken.objects;
            }
            Err(FetchError::TooLarge { .. }) => return Ok(false),
            // Whoever pushes there has packed anew.
            Err(FetchError::ReadPack { source, .. }) if source.kind() == ErrorKind::NotFound => {
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
    }
    incoming.hand_over(mirror, objects, budget)?;
    Ok(true)
}

fn copy_one(
    odb: &Odb<'_>,
    path: &Path,
    limits: &Limits,
    budget: &Budget,
    progress: &Arc<Mutex<Progress>>,
) -> Result<Taken, FetchError> {
    let failed = |source| FetchError::ReadPack { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    let mut pack = PackWriter::new(odb, limits, budget, progress)?;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer).map_err(failed)? {
            0 => return pack.finish(),
            read => pack.write(&buffer[..read])?,
        }
    }
}

/// Whether the mirror holds a commit with all of its history and files. What `previous` reaches is known to be there.
fn is_complete(
    mirror: &Mirror,
    wanted: Oid,
    previous: Option<Oid>,
    budget: &Budget,
) -> Result<bool, FetchError> {
    if !mirror.holds(wanted) {
        return Ok(false);
    }
    match mirror.missing_below(wanted, previous, budget) {
        Ok(missing) => Ok(missing.is_none()),
        Err(error) => Err(error.into()),
    }
}
