//! Lists the files below a directory at a commit, without writing anything.

use git2::{ObjectType, Repository, Tree};
use moorline_model::CommitId;

use crate::mirror::Mirror;
use crate::read::ReadError;
use crate::tree::{digest, not_a_file};

/// Most files listed; more are an error, because a list that is silently cut would let some be forgotten.
const FILES_MAX: usize = 1_000;
/// Deepest directory below the one listed.
const DEPTH_MAX: usize = 16;

/// The paths of all files below a directory, from the root, sorted; nothing when there is no such directory. Links and
/// submodules are left out.
pub(crate) fn files(mirror: &Mirror, commit: &CommitId, directory: &str) -> Result<Vec<String>, ReadError> {
    let Some(digest) = digest(mirror, commit, directory)? else { return Ok(Vec::new()) };
    let repository = mirror.repository();
    let root = git2::Oid::from_str(digest.as_str())
        .and_then(|id| repository.find_tree(id))
        .map_err(ReadError::git("reading a directory"))?;
    let directory = directory.trim_end_matches('/');
    let prefix = if matches!(directory, "" | ".") { String::new() } else { format!("{directory}/") };
    let mut found = Vec::new();
    walk(repository, &root, &prefix, DEPTH_MAX, &mut found)?;
    found.sort();
    Ok(found)
}

fn walk(
    repository: &Repository,
    tree: &Tree<'_>,
    prefix: &str,
    depth: usize,
    found: &mut Vec<String>,
) -> Result<(), ReadError> {
    for entry in tree {
        // A name that is no text cannot be named in a declaration either.
        let Ok(name) = entry.name() else { continue };
        let path = format!("{prefix}{name}");
        if entry.kind() == Some(ObjectType::Tree) && depth > 0 {
            let below = repository.find_tree(entry.id()).map_err(ReadError::git("reading a directory"))?;
            walk(repository, &below, &format!("{path}/"), depth - 1, found)?;
        } else if not_a_file(&entry).is_none() {
            if found.len() == FILES_MAX {
                return Err(ReadError::TooManyFiles { path: prefix.to_owned(), limit: FILES_MAX });
            }
            found.push(path);
        }
    }
    Ok(())
}
