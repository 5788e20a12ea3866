//! Paths that code reads: they must be written out, and stay in the repository.
//!
//! `file("/proc/1/environ")` is all it takes to read the daemon's own secrets into a plan.

use std::fs;
use std::path::{Path, PathBuf};

use super::node::{Call, Part};
use super::sources::normal;

/// What a function does with its first argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reads {
    /// It reads a file, or asks for one.
    File,
    /// It reads a file and runs the template in it.
    Template,
    /// It runs a template that nobody has seen.
    UnseenTemplate,
    /// Nothing.
    Nothing,
}

pub(super) fn reads(function: &str) -> Reads {
    match function.strip_prefix("core::").unwrap_or(function) {
        "file" | "fileexists" | "fileset" | "filebase64" | "filemd5" | "filesha1" | "filesha256"
        | "filesha512" | "filebase64sha256" | "filebase64sha512" | "filebase64gzip" => Reads::File,
        "templatefile" => Reads::Template,
        "templatestring" => Reads::UnseenTemplate,
        _ => Reads::Nothing,
    }
}

/// Where paths count from.
pub(super) struct Bases<'a> {
    pub(super) root: &'a Path,
    pub(super) directory: &'a Path,
    pub(super) module: &'a Path,
    pub(super) workspace: &'a str,
}

/// The file that a call reads, or why it may not.
pub(super) fn target(call: &Call, bases: &Bases<'_>) -> Result<PathBuf, String> {
    let function = &call.function;
    let first = call.arguments.first().map(Vec::as_slice).unwrap_or_default();
    let unknown = || {
        format!(
            "`{function}` reads a path that is only known at run time: expected it written out, as in \"${{path.module}}/name\""
        )
    };
    let mut text = String::new();
    let base = match first.first() {
        Some(Part::Module) => bases.module,
        Some(Part::Root | Part::Text(_)) => bases.directory,
        _ => return Err(unknown()),
    };
    for (index, part) in first.iter().enumerate() {
        match part {
            Part::Text(part) => text.push_str(part),
            Part::Workspace => text.push_str(bases.workspace),
            Part::Module | Part::Root if index == 0 => {}
            Part::Module | Part::Root | Part::Unknown => return Err(unknown()),
        }
    }
    let leaves = || format!("`{function}` reads a path outside the repository");
    let is_relative = match first.first() {
        // What follows `path.module` must be a new part: `${path.module}-evil` is another folder.
        Some(Part::Module | Part::Root) => text.is_empty() || text.starts_with('/'),
        _ => !text.starts_with(['/', '~', '\\']),
    };
    let path = normal(&base.join(text.trim_start_matches('/'))).filter(|_| is_relative).ok_or_else(leaves)?;
    let real = fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
    let climbs =
        |argument: &Vec<Part>| !matches!(argument.as_slice(), [Part::Text(text)] if !text.contains(".."));
    if function.ends_with("fileset") && call.arguments.get(1).is_none_or(climbs) {
        return Err("`fileset` needs a written-out pattern without `..`".to_owned());
    }
    if path.starts_with(bases.root) && real.starts_with(bases.root) { Ok(path) } else { Err(leaves()) }
}
