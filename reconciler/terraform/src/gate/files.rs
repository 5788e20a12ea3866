//! The files that make up one module, read and parsed.

use std::fs;
use std::path::{Path, PathBuf};

use super::node::{Parsed, Unreadable};
use super::rules::Rules;
use super::{hcl, json};

/// Largest file.
pub(super) const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Most bytes of code altogether.
const ALL_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The parsed files of a module.
pub(super) struct ModuleFiles(pub(super) Vec<(PathBuf, Parsed)>);

impl ModuleFiles {
    /// Reads every file that Terraform or OpenTofu would read, hidden ones too. The rules collect what is wrong.
    pub(super) fn read(folder: &Path, rules: &mut Rules<'_>) -> Option<Self> {
        let Ok(entries) = fs::read_dir(folder) else {
            rules.refuse_folder(folder, "cannot be read".to_owned());
            return None;
        };
        let mut paths: Vec<PathBuf> = entries
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| syntax(path).is_some())
            .collect();
        paths.sort();
        if paths.is_empty() {
            rules.refuse_folder(folder, "holds no Terraform code".to_owned());
        }
        let mut files = Vec::new();
        for path in paths {
            let parsed = text(&path, rules).and_then(|text| match syntax(&path) {
                Some(Syntax::Json) => json::parse(&text),
                _ => hcl::parse(&text),
            });
            match parsed {
                Ok(parsed) => files.push((path, parsed)),
                Err(unreadable) => rules.unreadable(&path, unreadable),
            }
        }
        Some(Self(files))
    }
}

/// How a file of code is written.
pub(super) enum Syntax {
    Hcl,
    Json,
}

/// How a file is written; `None` for files that Terraform does not read.
pub(super) fn syntax(path: &Path) -> Option<Syntax> {
    let name = path.file_name()?.to_str()?;
    if name.ends_with(".tf.json") || name.ends_with(".tofu.json") {
        Some(Syntax::Json)
    } else if name.ends_with(".tf") || name.ends_with(".tofu") {
        Some(Syntax::Hcl)
    } else {
        None
    }
}

/// Reads a file that is small enough and plain text.
pub(super) fn text(path: &Path, rules: &mut Rules<'_>) -> Result<String, Unreadable> {
    let wrong = |reason: String| Unreadable { line: 1, reason };
    // Through the link, if it is one: where it leads is checked apart.
    let metadata = fs::metadata(path).map_err(|_| wrong("cannot be read".to_owned()))?;
    if !metadata.is_file() {
        return Err(wrong("is not a file".to_owned()));
    }
    if metadata.len() > FILE_BYTES_MAX {
        return Err(wrong(format!("is larger than {FILE_BYTES_MAX} bytes")));
    }
    if rules.count_bytes(metadata.len()) > ALL_BYTES_MAX {
        return Err(wrong(format!("is more code than {ALL_BYTES_MAX} bytes altogether")));
    }
    let bytes = fs::read(path).map_err(|_| wrong("cannot be read".to_owned()))?;
    let text = String::from_utf8(bytes).map_err(|_| wrong("is not UTF-8".to_owned()))?;
    // Readers differ in what they make of these, and the gate must not see other code than Terraform.
    if text.starts_with('\u{feff}') || text.contains('\0') {
        return Err(wrong("holds a byte order mark or a NUL".to_owned()));
    }
    Ok(text)
}
