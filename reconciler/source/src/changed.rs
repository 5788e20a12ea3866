//! The paths that are not the same at two commits.

use std::collections::BTreeSet;

use git2::DiffOptions;
use moorline_model::CommitId;

use crate::mirror::Mirror;
use crate::read::{ReadError, find};

/// Files that were added, removed or changed between two commits, by their paths. Trees that are the same are not entered.
pub(crate) fn changed(
    mirror: &Mirror,
    old: &CommitId,
    new: &CommitId,
) -> Result<BTreeSet<String>, ReadError> {
    let repository = mirror.repository();
    let tree = |commit: &CommitId| {
        let found = repository.find_commit(find(mirror, commit)?).and_then(|commit| commit.tree());
        found.map_err(ReadError::git("reading a commit"))
    };
    let (old, new) = (tree(old)?, tree(new)?);
    let mut options = DiffOptions::new();
    options.skip_binary_check(true).ignore_submodules(false).include_typechange(true);
    let diff = repository
        .diff_tree_to_tree(Some(&old), Some(&new), Some(&mut options))
        .map_err(ReadError::git("comparing two commits"))?;
    let paths =
        diff.deltas().flat_map(|delta| [delta.old_file().path_bytes(), delta.new_file().path_bytes()]);
    Ok(paths.flatten().map(|path| String::from_utf8_lossy(path).into_owned()).collect())
}
