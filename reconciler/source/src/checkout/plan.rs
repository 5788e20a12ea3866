//! Reads a tree to its end and judges it: out comes the list of steps that write it, or every reason not to.

use git2::{Odb, Oid, Repository};

use super::CheckoutError;
use super::entry::{EntryProblem, Names, RefusedEntry};
use super::link;
use super::selection::Selection;
use crate::budget::Budget;
use crate::config::CheckoutLimits;

/// Refused entries that an error names.
const REFUSED_SHOWN: usize = 20;

/// The mode of a directory's entry.
const DIRECTORY: i32 = 0o040_000;
/// The mode of a symbolic link's.
const LINK: i32 = 0o120_000;

/// What to write, in order.
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    pub(super) files: usize,
    /// Links among them, and those that a path leads through.
    pub(super) links: usize,
    /// Bytes of all files.
    pub(super) bytes: u64,
}

/// One step of writing a tree.
pub(super) enum Step {
    /// Make a directory and go into it.
    Enter(String),
    /// Go back up.
    Leave,
    /// Write a file.
    File { name: String, id: Oid, is_executable: bool },
    /// Write a symbolic link.
    Link { name: String, target: String },
}

/// Judges what is selected of the tree of a commit.
pub(super) fn plan(
    repository: &Repository,
    commit: Oid,
    selection: &Selection,
    limits: &CheckoutLimits,
    budget: &Budget,
) -> Result<Plan, CheckoutError> {
    let root = repository
        .find_commit(commit)
        .map(|commit| commit.tree_id())
        .map_err(CheckoutError::git("reading the commit to check out"))?;
    let odb = repository.odb().map_err(CheckoutError::git("opening the mirror's objects"))?;
    let plan = Plan { steps: Vec::new(), files: 0, links: 0, bytes: 0 };
    let mut planner =
        Planner { repository, odb, limits, budget, entries: 0, path: Vec::new(), refused: Vec::new(), plan };
    planner.directory(root, selection)?;
    if planner.refused.is_empty() {
        Ok(planner.plan)
    } else {
        planner.refused.truncate(REFUSED_SHOWN);
        Err(CheckoutError::Refused { entries: planner.refused })
    }
}

struct Planner<'p> {
    repository: &'p Repository,
    odb: Odb<'p>,
    limits: &'p CheckoutLimits,
    budget: &'p Budget,
    entries: usize,
    path: Vec<String>,
    refused: Vec<RefusedEntry>,
    plan: Plan,
}

impl Planner<'_> {
    /// Judges a directory. It recurses no deeper than the limit allows.
    fn directory(&mut self, id: Oid, selection: &Selection) -> Result<(), CheckoutError> {
        CheckoutError::check(self.budget)?;
        if self.path.len() > self.limits.depth {
            return Err(CheckoutError::TooDeep { limit: self.limits.depth });
        }
        let tree = self.repository.find_tree(id).map_err(CheckoutError::git("reading a directory"))?;
        let mut names = Names::default();
        for entry in &tree {
            let Some(inner) = selection.entry(entry.name_bytes()) else { continue };
            self.entries += 1;
            if self.entries > self.limits.entries {
                return Err(CheckoutError::TooMany { limit: self.limits.entries });
            }
            match names.judge(entry.name_bytes()) {
                Ok(name) => self.entry(name, entry.id(), entry.filemode(), inner)?,
                Err(problem) => self.refuse(&String::from_utf8_lossy(entry.name_bytes()), problem),
            }
        }
        Ok(())
    }

    fn entry(&mut self, name: &str, id: Oid, mode: i32, inner: &Selection) -> Result<(), CheckoutError> {
        // A path that goes on below a file or a link leads nowhere.
        if mode != DIRECTORY && *inner != Selection::All {
            self.plan.links += usize::from(mode == LINK);
            return Ok(());
        }
        let name = name.to_owned();
        match mode {
            DIRECTORY => {
                self.plan.steps.push(Step::Enter(name.clone()));
                self.path.push(name);
                self.directory(id, inner)?;
                self.path.pop();
                self.plan.steps.push(Step::Leave);
            }
            0o100_644 | 0o100_664 | 0o100_755 => {
                self.plan.files += 1;
                self.plan.bytes = self.plan.bytes.saturating_add(self.size(id)?);
                if self.plan.bytes > self.limits.bytes {
                    return Err(CheckoutError::TooLarge { limit: self.limits.bytes });
                }
                self.plan.steps.push(Step::File { name, id, is_executable: mode == 0o100_755 });
            }
            LINK => self.link(name, id)?,
            0o160_000 => self.refuse(&name, EntryProblem::Submodule),
            _ => self.refuse(&name, EntryProblem::Kind),
        }
        Ok(())
    }

    fn link(&mut self, name: String, id: Oid) -> Result<(), CheckoutError> {
        self.plan.files += 1;
        self.plan.links += 1;
        if self.size(id)? > link::TARGET_MAX {
            self.refuse(&name, EntryProblem::LinkUnclear);
            return Ok(());
        }
        let object = self.odb.read(id).map_err(CheckoutError::git("reading a link"))?;
        let target = link::judge(object.data(), self.path.len()).map(str::to_owned);
        drop(object);
        match target {
            Ok(target) => self.plan.steps.push(Step::Link { name, target }),
            Err(problem) => self.refuse(&name, problem),
        }
        Ok(())
    }

    fn size(&self, id: Oid) -> Result<u64, CheckoutError> {
        let (size, _) = self.odb.read_header(id).map_err(CheckoutError::git("reading a file's size"))?;
        Ok(size as u64)
    }

    fn refuse(&mut self, name: &str, problem: EntryProblem) {
        // One more than is shown is never needed.
        if self.refused.len() < REFUSED_SHOWN {
            let mut path = self.path.join("/");
            if !path.is_empty() {
                path.push('/');
            }
            path.extend(name.escape_debug());
            self.refused.push(RefusedEntry { path, problem });
        }
    }
}
