//! Finds the binary an environment declares.
//!
//! The declaration comes from the watched repository, so it may choose among installed Terraforms and nothing else: a
//! path must be absolute, lie outside the checkout (the runner checks that), and its file must be called `terraform…`
//! or `tofu…`. Otherwise `binary: /bin/sh` would run a file of the repository.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The folder beside the working directory into which `make` fetches tools.
pub const TOOLS: &str = ".tools";

/// Why no binary was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocateError {
    /// It is not on PATH.
    #[error(
        "`{name}` is neither on PATH nor in `{TOOLS}/`: install it, or name its path in `terraform.binary`"
    )]
    NotFound { name: String },
    /// The path leads to no executable file.
    #[error("`{}` is no executable file", path.display())]
    NotExecutable { path: PathBuf },
    /// Terragrunt.
    #[error(
        "terragrunt is not supported by this release: expected terraform or tofu, with the module as `directory`"
    )]
    Terragrunt,
    /// Neither a name nor a path that may be run.
    #[error("`{binary}` may not be run: expected terraform, tofu, or an absolute path to a file so called")]
    NotAllowed {
        /// What was declared.
        binary: String,
    },
    /// It lies inside the checkout.
    #[error("`{}` is part of the watched repository and may not be run", path.display())]
    InsideTree { path: PathBuf },
}

/// Finds `terraform`, `tofu` or an absolute path.
///
/// # Errors
/// [`LocateError`], with what to do.
pub fn locate(binary: &str) -> Result<PathBuf, LocateError> {
    locate_in(binary, std::env::var_os("PATH").as_deref(), Path::new(TOOLS))
}

pub(crate) fn locate_in(binary: &str, path: Option<&OsStr>, tools: &Path) -> Result<PathBuf, LocateError> {
    let file_name = binary.rsplit('/').next().unwrap_or(binary);
    if file_name == "terragrunt" {
        return Err(LocateError::Terragrunt);
    }
    let is_known = ["terraform", "tofu"].iter().any(|known| {
        let rest = file_name.strip_prefix(known);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_', '.']) || is_digit(rest))
    });
    let is_name = !binary.contains('/');
    if !is_known || !(is_name || binary.starts_with('/')) {
        return Err(LocateError::NotAllowed { binary: binary.chars().take(128).collect() });
    }
    if !is_name {
        let path = PathBuf::from(binary);
        return if is_executable(&path) { Ok(path) } else { Err(LocateError::NotExecutable { path }) };
    }
    let folders = path.map(std::env::split_paths).into_iter().flatten().filter(|folder| folder.is_absolute());
    folders
        .chain([tools.to_owned()])
        .map(|folder| folder.join(binary))
        .find(|path| is_executable(path))
        .and_then(|path| std::path::absolute(path).ok())
        .ok_or_else(|| LocateError::NotFound { name: binary.to_owned() })
}

fn is_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// Refuses a binary that the repository brought along.
pub(crate) fn outside(path: PathBuf, tree: &Path) -> Result<PathBuf, LocateError> {
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if real(&path).starts_with(real(tree)) { Err(LocateError::InsideTree { path }) } else { Ok(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(folder: &Path, name: &str, mode: u32) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_name_is_looked_for_on_the_path_and_then_among_the_tools() {
        let (first, tools) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        program(first.path(), "tofu", 0o644);
        let tofu = program(tools.path(), "tofu", 0o755);
        let terraform = program(first.path(), "terraform", 0o755);
        let find = |name| locate_in(name, Some(first.path().as_os_str()), tools.path());
        assert_eq!(find("terraform"), Ok(terraform));
        assert_eq!(find("tofu"), Ok(tofu));
        assert_eq!(find("terraform-1.9"), Err(LocateError::NotFound { name: "terraform-1.9".to_owned() }));
    }

    #[test]
    fn what_a_repository_could_abuse_is_refused() {
        for binary in ["/bin/sh", "./terraform", "infra/terraform", "sh", "../tofu", "terraformer"] {
            let found = locate_in(binary, Some(OsStr::new("/bin")), Path::new("/"));
            assert!(matches!(found, Err(LocateError::NotAllowed { .. })), "{binary}: {found:?}");
        }
        assert_eq!(locate("terragrunt"), Err(LocateError::Terragrunt));
        let tree = tempfile::tempdir().unwrap();
        let inside = program(tree.path(), "terraform", 0o755);
        assert!(matches!(outside(inside, tree.path()), Err(LocateError::InsideTree { .. })));
    }
}
