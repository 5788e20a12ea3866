//! Walks from a commit through all that it reaches and that is not known yet: commits, trees, files.
//!
//! Commits come oldest first. So when one is reached, all that its parent holds has been visited or is known, and an
//! entry that the parent has in the same place is passed over: a walk costs what a change costs and not what the
//! repository weighs. Nothing recurses: a hostile tree is as deep as it likes.

use std::collections::HashSet;
use std::time::Duration;

use git2::{ObjectType, Oid, Repository, Sort, Tree};

use crate::budget::{Budget, Stop};

/// Directories inside directories, at most.
const DEPTH_MAX: usize = 256;

/// Why a walk stopped.
#[derive(Debug)]
pub(crate) enum WalkError {
    /// Its budget is over; with the limit, for messages.
    Stopped(Stop, Duration),
    /// Directories are nested deeper than this.
    TooDeep(usize),
    /// Something could not be read.
    Git(git2::Error),
}

impl From<git2::Error> for WalkError {
    fn from(error: git2::Error) -> Self {
        Self::Git(error)
    }
}

/// Calls `visit` once for every object that `wanted` reaches and no commit of `known` does. Commits of `known` that
/// this repository does not have are passed over. Submodules are no objects of this repository and are not visited.
pub(crate) fn new_objects(
    repository: &Repository,
    wanted: Oid,
    known: &[Oid],
    budget: &Budget,
    visit: &mut dyn FnMut(Oid) -> Result<(), WalkError>,
) -> Result<(), WalkError> {
    let mut walk = repository.revwalk()?;
    walk.set_sorting(Sort::TOPOLOGICAL | Sort::REVERSE)?;
    walk.push(wanted)?;
    for commit in known {
        if repository.find_commit(*commit).is_ok() {
            walk.hide(*commit)?;
        }
    }
    let mut trees = Trees { repository, budget, seen: HashSet::new(), visit };
    for commit in walk {
        let commit = repository.find_commit(commit?)?;
        (trees.visit)(commit.id())?;
        let before = match commit.parent_count() {
            0 => None,
            _ => Some(commit.parent(0)?.tree()?),
        };
        trees.walk(commit.tree_id(), before)?;
    }
    Ok(())
}

/// The trees and files of a walk.
struct Trees<'w> {
    repository: &'w Repository,
    budget: &'w Budget,
    seen: HashSet<Oid>,
    visit: &'w mut dyn FnMut(Oid) -> Result<(), WalkError>,
}

impl<'w> Trees<'w> {
    /// Visits what is below `root` and not in the same place below `before`.
    fn walk(&mut self, root: Oid, before: Option<Tree<'w>>) -> Result<(), WalkError> {
        if before.as_ref().is_some_and(|before| before.id() == root) || !self.seen.insert(root) {
            return Ok(());
        }
        let mut open = vec![(root, before, 0)];
        while let Some((id, before, depth)) = open.pop() {
            self.budget.check().map_err(|stop| WalkError::Stopped(stop, self.budget.limit()))?;
            if depth > DEPTH_MAX {
                return Err(WalkError::TooDeep(DEPTH_MAX));
            }
            (self.visit)(id)?;
            let tree = self.repository.find_tree(id)?;
            for entry in &tree {
                let known = before.as_ref().and_then(|tree| tree.get_name_bytes(entry.name_bytes()));
                if known.as_ref().is_some_and(|known| known.id() == entry.id())
                    || self.seen.contains(&entry.id())
                {
                    continue;
                }
                match entry.kind() {
                    Some(ObjectType::Tree) => {
                        self.seen.insert(entry.id());
                        let known = known.filter(|known| known.kind() == Some(ObjectType::Tree));
                        let before = known.and_then(|known| self.repository.find_tree(known.id()).ok());
                        open.push((entry.id(), before, depth + 1));
                    }
                    Some(ObjectType::Blob) => {
                        self.seen.insert(entry.id());
                        (self.visit)(entry.id())?;
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }
}
