//! The static gate: reads Terraform code before anything runs it, and refuses what is not allowed.
//!
//! `init` downloads modules and providers that the code names, and `plan` runs those providers. So this is asked
//! first, on a checkout, with nothing but its files. In: the tree and what the environment declares. Out: a
//! [`GateReport`], or every [`Refusal`] with file and line. What it cannot read it refuses.
//!
//! What it looks at: providers (required, configured and implied by resource types), module sources, backends,
//! provisioners, `cloud`, `encryption` and unknown blocks, file functions (also inside templates), provider options
//! that name configuration files, symbolic links, files that change how Terraform runs, and sizes. Both syntaxes.
//!
//! What it does not cover: what an allowed provider does, what a path holds at run time when an allowed provider reads
//! it, and the values of variables. A provider is somebody's program; allow those that you would install.

mod files;
mod find;
mod hcl;
mod init;
mod json;
mod node;
mod paths;
mod reach;
mod rules;
mod sources;
mod tree;

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use moorline_model::declaration::Terraform;
use serde::Deserialize;

pub use find::{RootModule, root_modules};
pub use reach::{Reach, reach};

use files::ModuleFiles;
use rules::Rules;

/// Most refusals that are reported.
const REFUSALS_MAX: usize = 50;
/// Most modules that are read.
const MODULES_MAX: usize = 200;

/// What the gate saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GateReport {
    /// Providers that are used, without the one built in.
    pub providers: BTreeSet<String>,
    /// Module sources outside the repository.
    pub remote_modules: BTreeSet<String>,
    /// How many files were read.
    pub files: usize,
    /// Whether a provider must be installed.
    pub uses_plugins: bool,
    /// What `init` reads of each file that it reads something of; `None` where some of it is known only at run time.
    pub(crate) read_by_init: Vec<Option<String>>,
}

/// One thing that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    /// The file, relative to the repository's root.
    pub file: String,
    /// The line; absent when it is about the file or folder as a whole.
    pub line: Option<usize>,
    /// What is not allowed, and what would be.
    pub reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(formatter, "{}:{line}: {}", self.file, self.reason),
            None => write!(formatter, "{}: {}", self.file, self.reason),
        }
    }
}

/// All that is not allowed, at most fifty of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusals(pub Vec<Refusal>);

impl fmt::Display for Refusals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, refusal) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str("; ")?;
            }
            refusal.fmt(formatter)?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusals {}

/// Reads an environment's root module and the modules of the repository it calls.
///
/// # Errors
/// Every refusal.
pub fn inspect(root: &Path, declared: &Terraform) -> Result<GateReport, Refusals> {
    let mut walked = walk(root, declared)?;
    if !walked.has_backend && !walked.rules.is_hopeless() {
        walked.rules.refuse_backend(
            "no `backend` is declared: the state would be lost together with the private checkout",
        );
    }
    walked.rules.check_declared();
    let mut refusals = tree::inspect(&walked.root);
    refusals.extend(walked.rules.take_refusals());
    verdict(refusals, walked.rules.report)
}

/// What was read of a checkout, from the root module on.
struct Walked<'a> {
    root: PathBuf,
    rules: Rules<'a>,
    has_backend: bool,
}

fn walk<'a>(root: &Path, declared: &'a Terraform) -> Result<Walked<'a>, Refusals> {
    let real = |path: &Path| fs::canonicalize(path);
    let (Ok(root), Ok(directory)) = (real(root), real(&root.join(&declared.directory))) else {
        return Err(one(&declared.directory, "is not a folder of the repository"));
    };
    if !directory.starts_with(&root) || !directory.is_dir() {
        return Err(one(&declared.directory, "is not a folder of the repository"));
    }
    let mut rules = Rules::new(root.clone(), directory.clone(), declared);
    let has_backend = read_modules(&mut rules, vec![directory]);
    Ok(Walked { root, rules, has_backend })
}

/// Reads modules that were fetched from elsewhere, with the same rules. `modules` is the folder Terraform fetched
/// them into.
///
/// # Errors
/// Every refusal.
pub fn inspect_fetched(modules: &Path, declared: &Terraform) -> Result<(), Refusals> {
    #[derive(Deserialize)]
    struct Manifest {
        #[serde(rename = "Modules")]
        modules: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        #[serde(rename = "Dir")]
        dir: PathBuf,
    }
    let Ok(root) = fs::canonicalize(modules) else {
        return Err(one("modules", "were not fetched"));
    };
    let manifest = fs::read(root.join("modules.json")).ok();
    let Some(manifest) = manifest.and_then(|text| serde_json::from_slice::<Manifest>(&text).ok()) else {
        return Err(one("modules/modules.json", "cannot be read"));
    };
    // The repository's own modules are in the list too, and have been read.
    let folders: Vec<PathBuf> = manifest
        .modules
        .into_iter()
        .filter_map(|entry| fs::canonicalize(entry.dir).ok())
        .filter(|folder| folder.starts_with(&root))
        .collect();
    let mut refusals = tree::inspect(&root);
    let mut rules = Rules::fetched(root.clone(), declared);
    read_modules(&mut rules, folders);
    refusals.extend(rules.take_refusals());
    verdict(refusals, rules.report).map(|_| ())
}

/// Reads modules and those they call, each once; says whether the first declares a backend.
fn read_modules(rules: &mut Rules<'_>, mut open: Vec<PathBuf>) -> bool {
    let mut seen = BTreeSet::new();
    let mut first_has_backend = false;
    while let Some(folder) = open.pop() {
        if !seen.insert(folder.clone()) {
            continue;
        }
        if seen.len() > MODULES_MAX {
            rules.refuse_folder(&folder, format!("more than {MODULES_MAX} modules are called"));
            break;
        }
        let Some(files) = ModuleFiles::read(&folder, rules) else { continue };
        let module = rules.module(&folder, &files);
        first_has_backend |= seen.len() == 1 && module.has_backend;
        open.extend(module.calls);
    }
    first_has_backend
}

fn one(file: &str, reason: &str) -> Refusals {
    Refusals(vec![Refusal { file: file.to_owned(), line: None, reason: reason.to_owned() }])
}

fn verdict(mut refusals: Vec<Refusal>, report: GateReport) -> Result<GateReport, Refusals> {
    if refusals.is_empty() {
        return Ok(report);
    }
    refusals.sort();
    refusals.dedup();
    refusals.truncate(REFUSALS_MAX);
    Err(Refusals(refusals))
}

#[cfg(test)]
mod tests;
