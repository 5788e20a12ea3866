//! Reads single files and the identity of directories at a commit, without writing anything.

use std::fmt;

use git2::{ObjectType, Oid, Repository, TreeEntry};
use moorline_model::CommitId;

use crate::mirror::Mirror;
use crate::read::{ReadError, find};

/// The identity of a directory's whole content. Two commits with the same digest of a directory differ in nothing
/// below it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TreeDigest(String);

impl TreeDigest {
    /// Forty hex digits, for a file or directory by its path after its mode.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TreeDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The content of a file, when there is one at that path.
pub(crate) fn read_file(
    mirror: &Mirror,
    commit: &CommitId,
    path: &str,
    limit: u64,
) -> Result<Option<Vec<u8>>, ReadError> {
    let names = names(path)?;
    if names.is_empty() {
        return Err(ReadError::Path { path: path.to_owned() });
    }
    let repository = mirror.repository();
    let Some(entry) = entry(repository, find(mirror, commit)?, &names)? else { return Ok(None) };
    if let Some(kind) = not_a_file(&entry) {
        return Err(ReadError::NotAFile { path: path.to_owned(), kind });
    }
    let odb = repository.odb().map_err(ReadError::git("opening the mirror's objects"))?;
    // The size first: an object is read whole or not at all.
    let (bytes, _) = odb.read_header(entry.id()).map_err(ReadError::git("reading a file's size"))?;
    let bytes = bytes as u64;
    if bytes > limit {
        return Err(ReadError::TooLarge { path: path.to_owned(), bytes, limit });
    }
    let object = odb.read(entry.id()).map_err(ReadError::git("reading a file"))?;
    Ok(Some(object.data().to_vec()))
}

/// The digest of a directory, when there is one at that path. The empty path and `.` are the root.
pub(crate) fn digest(
    mirror: &Mirror,
    commit: &CommitId,
    path: &str,
) -> Result<Option<TreeDigest>, ReadError> {
    let names = if path == "." { Vec::new() } else { names(path)? };
    let repository = mirror.repository();
    let commit = find(mirror, commit)?;
    if names.is_empty() {
        return root(repository, commit).map(|id| Some(TreeDigest(id.to_string())));
    }
    let entry = entry(repository, commit, &names)?;
    Ok(entry
        .filter(|entry| entry.kind() == Some(ObjectType::Tree))
        .map(|entry| TreeDigest(entry.id().to_string())))
}

/// The digest of what is at a path, a directory or a file, when there is something. Its mode counts: a link may say what a file
/// said.
pub(crate) fn object_digest(
    mirror: &Mirror,
    commit: &CommitId,
    path: &str,
) -> Result<Option<TreeDigest>, ReadError> {
    let entry = entry(mirror.repository(), find(mirror, commit)?, &names(path)?)?;
    Ok(entry.map(|entry| TreeDigest(format!("{:o} {}", entry.filemode(), entry.id()))))
}

/// Cuts a path into names. A slash at the end is passed over; anything that is no plain name is refused.
fn names(path: &str) -> Result<Vec<&str>, ReadError> {
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<&str> = path.strip_suffix('/').unwrap_or(path).split('/').collect();
    let is_plain = |name: &str| !matches!(name, "" | "." | "..") && !name.contains(['\\', '\0']);
    if names.iter().all(|name| is_plain(name)) {
        Ok(names)
    } else {
        Err(ReadError::Path { path: path.to_owned() })
    }
}

fn root(repository: &Repository, commit: Oid) -> Result<Oid, ReadError> {
    repository.find_commit(commit).map(|commit| commit.tree_id()).map_err(ReadError::git("reading a commit"))
}

/// Walks down by names, through directories only.
fn entry(
    repository: &Repository,
    commit: Oid,
    names: &[&str],
) -> Result<Option<TreeEntry<'static>>, ReadError> {
    let mut directory = root(repository, commit)?;
    let mut found = None;
    for (index, name) in names.iter().enumerate() {
        let tree = repository.find_tree(directory).map_err(ReadError::git("reading a directory"))?;
        let Some(entry) = tree.get_name_bytes(name.as_bytes()).map(|entry| entry.to_owned()) else {
            return Ok(None);
        };
        if index + 1 < names.len() {
            if entry.kind() != Some(ObjectType::Tree) {
                return Ok(None);
            }
            directory = entry.id();
        }
        found = Some(entry);
    }
    Ok(found)
}

/// Why an entry is no file, if it is none.
pub(crate) fn not_a_file(entry: &TreeEntry<'_>) -> Option<&'static str> {
    match (entry.kind(), entry.filemode()) {
        (Some(ObjectType::Blob), 0o120_000) => Some("link"),
        (Some(ObjectType::Blob), _) => None,
        (Some(ObjectType::Tree), _) => Some("directory"),
        _ => Some("submodule"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_make_a_path() {
        assert_eq!(names("infra/main.tf").unwrap(), ["infra", "main.tf"]);
        assert_eq!(names("infra/").unwrap(), ["infra"]);
        assert!(names("").unwrap().is_empty());
        for path in ["/etc/passwd", "../x", "a/../b", "a//b", "./a", "a/.", "/", "a\\b", "a\0b", "a//"] {
            assert!(matches!(names(path), Err(ReadError::Path { .. })), "{path:?}");
        }
    }
}
