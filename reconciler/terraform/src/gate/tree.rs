//! The checkout as a whole: links that leave it, files that change how Terraform runs, and its size.

use std::fs;
use std::path::{Path, PathBuf};

use super::Refusal;

/// Most entries in a checkout.
const ENTRIES_MAX: usize = 100_000;
/// Deepest folder.
const DEPTH_MAX: usize = 40;

/// Walks the checkout, `.git` left out.
pub(super) fn inspect(root: &Path) -> Vec<Refusal> {
    let mut walk = Walk { root, refusals: Vec::new(), entries: 0 };
    let mut open = vec![(root.to_owned(), 0)];
    while let Some((folder, depth)) = open.pop() {
        if depth > DEPTH_MAX {
            walk.refuse(&folder, format!("is more than {DEPTH_MAX} folders deep"));
            continue;
        }
        let folders = walk.folder(&folder, depth == 0);
        open.extend(folders.into_iter().map(|folder| (folder, depth + 1)));
        if walk.entries > ENTRIES_MAX {
            walk.refuse(root, format!("holds more than {ENTRIES_MAX} files"));
            break;
        }
    }
    walk.refusals
}

struct Walk<'a> {
    root: &'a Path,
    refusals: Vec<Refusal>,
    entries: usize,
}

impl Walk<'_> {
    fn refuse(&mut self, path: &Path, reason: String) {
        self.refusals.push(Refusal { file: relative(self.root, path), line: None, reason });
    }

    /// Looks at one folder's entries and answers with the folders among them.
    fn folder(&mut self, folder: &Path, is_root: bool) -> Vec<PathBuf> {
        let mut folders = Vec::new();
        let Ok(entries) = fs::read_dir(folder) else {
            self.refuse(folder, "cannot be read".to_owned());
            return folders;
        };
        for entry in entries {
            self.entries += 1;
            if self.entries > ENTRIES_MAX {
                break;
            }
            let Ok(entry) = entry else {
                self.refuse(folder, "cannot be read".to_owned());
                continue;
            };
            let (path, name) = (entry.path(), entry.file_name());
            if is_root && name == ".git" {
                continue;
            }
            self.name(&path, &name.to_string_lossy());
            match entry.file_type() {
                Ok(kind) if kind.is_symlink() => self.link(&path),
                Ok(kind) if kind.is_dir() => folders.push(path),
                Ok(kind) if kind.is_file() => {}
                _ => self.refuse(&path, "is neither a file nor a folder".to_owned()),
            }
        }
        folders
    }

    fn name(&mut self, path: &Path, name: &str) {
        let why = match name {
            ".terraformrc" | "terraform.rc" | ".tofurc" | "tofu.rc" => "would change how Terraform runs",
            ".terraform" | "terraform.d" | ".terragrunt-cache" => {
                "could bring providers and modules of its own: remove it from the repository"
            }
            _ => return,
        };
        self.refuse(path, why.to_owned());
    }

    fn link(&mut self, path: &Path) {
        let leads = fs::canonicalize(path);
        if !leads.is_ok_and(|target| target.starts_with(self.root)) {
            self.refuse(path, "is a link that leaves the repository, or leads nowhere".to_owned());
        }
    }
}

/// A path as people know it: from the repository's root.
pub(super) fn relative(root: &Path, path: &Path) -> String {
    let path = path.strip_prefix(root).unwrap_or(path);
    if path.as_os_str().is_empty() {
        ".".to_owned()
    } else {
        crate::diagnostic::shorten(&path.to_string_lossy(), 300)
    }
}
