//! A checkout on disk, read as the daemon would read it from Git.

use std::path::{Path, PathBuf};

use moorline_config::check::Problem;
use moorline_config::{Config, Decoded, Mistakes, Source};
use moorline_model::declaration::{Declaration, Document, Environment};

/// A checkout whose declaration is valid.
#[derive(Debug)]
pub(super) struct Checkout {
    pub(super) root: PathBuf,
    pub(super) declaration: Declaration,
    /// Where each part of it stands.
    places: Decoded<Declaration>,
}

impl Checkout {
    /// Reads the declaration, or says every mistake in it.
    pub(super) fn open(root: &Path, file: &str) -> Result<Self, Vec<String>> {
        let text = std::fs::read_to_string(root.join(file)).map_err(|error| {
            vec![format!(
                "{} cannot be read: {error}. `moorline init` writes one.",
                root.join(file).display()
            )]
        })?;
        let places = Declaration::decode(file, &text, &moorline_notify::KINDS)
            .map_err(|mistakes| mistakes.0.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        Ok(Self { root: root.to_owned(), declaration: places.document.clone(), places })
    }

    /// Gives problems of the declaration their file and line.
    pub(super) fn locate(&self, problems: Vec<Problem>) -> Mistakes {
        self.places.locate(problems)
    }

    /// The gateway document of an environment; `None` when Terraform hands it over.
    pub(super) fn document(&self, environment: &Environment) -> Result<Option<Config>, Vec<String>> {
        let Document::Files(files) = &environment.gateway.document else { return Ok(None) };
        let mut texts = Vec::new();
        for file in files {
            let text = std::fs::read_to_string(self.root.join(file))
                .map_err(|error| vec![format!("{file}: cannot be read: {error}")])?;
            texts.push((file.as_str(), text));
        }
        let sources: Vec<Source<'_>> = texts.iter().map(|(name, text)| Source { name, text }).collect();
        let config = Config::parse_new(&sources)
            .map_err(|mistakes| mistakes.0.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        Ok(Some(config))
    }

    /// Every mistake in what the declaration names.
    pub(super) fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        for environment in &self.declaration.environments {
            if let Err(more) = self.document(environment) {
                mistakes.extend(more);
            }
            let Some(terraform) = &environment.terraform else { continue };
            let directory = self.root.join(&terraform.directory);
            if !directory.is_dir() {
                mistakes.push(format!("{}: terraform.directory is no folder", terraform.directory));
                continue;
            }
            for file in &terraform.var_files {
                if !directory.join(file).is_file() {
                    mistakes
                        .push(format!("{}/{file}: terraform.var_files names no file", terraform.directory));
                }
            }
            if let Err(refusals) = moorline_terraform::gate::inspect(&self.root, terraform) {
                mistakes.extend(refusals.to_string().lines().map(str::to_owned));
            }
        }
        for folder in &self.declaration.policies {
            match read_policies(&self.root.join(folder)) {
                Ok(files) => {
                    if let Err(error) = moorline_plan::policy::Policies::compile(&files) {
                        mistakes.push(crate::chain::of(&error));
                    }
                }
                Err(error) => mistakes.push(error),
            }
        }
        mistakes.sort();
        mistakes.dedup();
        mistakes
    }
}

/// Every `.rego` file below a folder, by name.
pub(super) fn read_policies(folder: &Path) -> Result<Vec<(String, String)>, String> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder)
            .map_err(|error| format!("{} cannot be read: {error}", folder.display()))?;
        for entry in entries {
            let entry = entry.map_err(|error| format!("{} cannot be read: {error}", folder.display()))?;
            let path = entry.path();
            let kind =
                entry.file_type().map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "rego") {
                let text = std::fs::read_to_string(&path)
                    .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
                files.push((path.display().to_string(), text));
            }
        }
    }
    files.sort();
    Ok(files)
}
