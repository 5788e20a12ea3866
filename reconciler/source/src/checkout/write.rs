//! Writes the steps of a plan. Every file is made relative to its opened parent, must not exist, and no link is
//! followed on the way: even a plan that is wrong cannot reach out of the directory.

use std::fs::{DirBuilder, File, Permissions};
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use git2::{Odb, Repository};
use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat, symlinkat};

use super::CheckoutError;
use super::plan::{Plan, Step};
use crate::budget::Budget;

/// Files are for their owner, as the directory is.
const FILE: u32 = 0o600;
const EXECUTABLE: u32 = 0o700;
const DIRECTORY: u32 = 0o700;

/// Writes a plan into a directory, and clears the directory again when that fails.
pub(super) fn write(
    repository: &Repository,
    plan: &Plan,
    into: &Path,
    budget: &Budget,
) -> Result<(), CheckoutError> {
    prepare(into)?;
    let odb = repository.odb().map_err(CheckoutError::git("opening the mirror's objects"))?;
    let result = write_steps(&odb, plan, into, budget);
    // The directory was empty when we came, so all that is in it is ours.
    if result.is_err()
        && let Err(error) = std::fs::remove_dir_all(into)
    {
        tracing::warn!(%error, path = %into.display(), "removing a checkout that failed");
    }
    result
}

/// Makes the directory, or checks that it is one, is empty, and takes it for its owner alone.
fn prepare(into: &Path) -> Result<(), CheckoutError> {
    let failed = |source| CheckoutError::Write { path: into.to_owned(), source };
    match std::fs::symlink_metadata(into) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            DirBuilder::new().mode(DIRECTORY).create(into).map_err(failed)
        }
        Err(error) => Err(failed(error)),
        Ok(metadata) if metadata.is_dir() => {
            if std::fs::read_dir(into).map_err(failed)?.next().is_some() {
                return Err(CheckoutError::NotEmpty { path: into.to_owned() });
            }
            std::fs::set_permissions(into, Permissions::from_mode(DIRECTORY)).map_err(failed)
        }
        Ok(_) => Err(CheckoutError::NotEmpty { path: into.to_owned() }),
    }
}

fn write_steps(odb: &Odb<'_>, plan: &Plan, into: &Path, budget: &Budget) -> Result<(), CheckoutError> {
    let mut path = into.to_owned();
    let failed =
        |path: PathBuf| move |error: rustix::io::Errno| CheckoutError::Write { path, source: error.into() };
    let mut parents: Vec<OwnedFd> = Vec::new();
    let mut current = openat(CWD, into, directory_flags(), Mode::empty()).map_err(failed(path.clone()))?;
    for step in &plan.steps {
        CheckoutError::check(budget)?;
        match step {
            Step::Enter(name) => {
                path.push(name);
                mkdirat(&current, name.as_str(), Mode::from_raw_mode(DIRECTORY))
                    .map_err(failed(path.clone()))?;
                let inner = openat(&current, name.as_str(), directory_flags(), Mode::empty())
                    .map_err(failed(path.clone()))?;
                parents.push(std::mem::replace(&mut current, inner));
            }
            Step::Leave => {
                path.pop();
                // The plan pairs each step in with a step out.
                if let Some(parent) = parents.pop() {
                    current = parent;
                }
            }
            Step::File { name, id, is_executable } => {
                let object = odb.read(*id).map_err(CheckoutError::git("reading a file"))?;
                let mode = if *is_executable { EXECUTABLE } else { FILE };
                let flags =
                    OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let file = openat(&current, name.as_str(), flags, Mode::from_raw_mode(mode))
                    .map_err(failed(path.join(name)))?;
                File::from(file)
                    .write_all(object.data())
                    .map_err(|source| CheckoutError::Write { path: path.join(name), source })?;
            }
            Step::Link { name, target } => {
                symlinkat(target.as_str(), &current, name.as_str()).map_err(failed(path.join(name)))?;
            }
        }
    }
    Ok(())
}

fn directory_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}
