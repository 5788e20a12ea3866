//! The folders in which Terraform runs: `runs/ENV/RUN`, with the checkout in `tree` and the saved plan in `run`.
//!
//! An apply outlives a daemon that is killed, and leaves a state that it could not write in its checkout. So a folder
//! is never removed before that state was looked for, and never taken from under an apply that may still run.

use std::io;
use std::path::{Path, PathBuf};

use moorline_model::{EnvironmentName, declaration};
use moorline_terraform::embedded::rescue_state;
use uuid::Uuid;

/// One environment's runs.
pub(super) struct Runs {
    folder: PathBuf,
    data_dir: PathBuf,
    directory: String,
}

impl Runs {
    /// The runs of an environment.
    #[must_use]
    pub(super) fn of(work_dir: &Path, name: &EnvironmentName, terraform: &declaration::Terraform) -> Self {
        Self {
            folder: work_dir.join("runs").join(name.as_str()),
            data_dir: data_dir(work_dir, name),
            directory: terraform.directory.clone(),
        }
    }

    /// The folder of one run.
    #[must_use]
    pub(super) fn folder(&self, run: &str) -> PathBuf {
        self.folder.join(run)
    }

    /// Makes room for a run: a folder of that name is moved aside, where an apply that still runs in it goes on.
    ///
    /// # Errors
    /// The operating system's.
    pub(super) fn make_room(&self, run: &str) -> io::Result<()> {
        let folder = self.folder(run);
        match std::fs::rename(&folder, self.folder.join(format!("left-{}", Uuid::now_v7()))) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Removes the folder of one run.
    pub(super) fn remove(&self, run: &str) {
        self.remove_folder(&self.folder(run));
    }

    /// Removes the folders of all runs. Only when no rollout is under way: its plan would be gone.
    pub(super) fn remove_all(&self) {
        for folder in self.folders() {
            self.remove_folder(&folder);
        }
    }

    /// Takes the states that applies left in any of the folders: one that we did not see the end of may have ended
    /// since, and nothing may be planned without knowing of it.
    pub(super) fn rescue_all(&self) {
        for folder in self.folders() {
            self.rescue(&folder);
        }
    }

    /// The folders of all runs.
    #[must_use]
    pub(super) fn folders(&self) -> Vec<PathBuf> {
        match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                tracing::warn!(folder = %self.folder.display(), %error, "the folder of Terraform's runs cannot be read");
                Vec::new()
            }
        }
    }

    /// Whether nothing is left in the folder that must be kept.
    fn rescue(&self, folder: &Path) -> bool {
        match rescue_state(&folder.join("tree"), &self.directory, &self.data_dir) {
            Ok(None) => true,
            Ok(Some(kept)) => {
                tracing::error!(
                    kept = %kept.display(),
                    "Terraform could not write its state: push the kept one with `terraform state push`, then remove it"
                );
                true
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(
                    folder = %folder.display(),
                    error,
                    "the state that Terraform left in this folder cannot be kept; the folder stays"
                );
                false
            }
        }
    }

    fn remove_folder(&self, folder: &Path) {
        if !self.rescue(folder) {
            return;
        }
        if let Err(error) = std::fs::remove_dir_all(folder)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(folder = %folder.display(), %error, "the folder of a run that is over cannot be removed");
        }
    }
}

/// The folder that outlives an environment's runs.
#[must_use]
pub(super) fn data_dir(work_dir: &Path, name: &EnvironmentName) -> PathBuf {
    work_dir.join("terraform").join(name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(work_dir: &Path) -> Runs {
        let declaration = "version: 1\nenvironments: [{name: prod, gateway: {document: [g.yaml], endpoints: ['http://a'], \
            admin_token: 'env:A'}, terraform: {directory: infra}}]";
        let declared = declaration::Declaration::parse("moorline.yaml", declaration).unwrap();
        let environment = &declared.environments[0];
        Runs::of(work_dir, &environment.name, environment.terraform.as_ref().unwrap())
    }

    #[test]
    fn a_state_that_an_apply_left_is_kept_before_its_folder_goes() {
        let work_dir = tempfile::tempdir().unwrap();
        let runs = runs(work_dir.path());
        let infra = runs.folder("one").join("tree/infra");
        std::fs::create_dir_all(&infra).unwrap();
        runs.make_room("one").unwrap();
        assert!(!runs.folder("one").exists(), "moved aside");
        let left =
            std::fs::read_dir(work_dir.path().join("runs/prod")).unwrap().next().unwrap().unwrap().path();
        std::fs::write(left.join("tree/infra/errored.tfstate"), "{}").unwrap();
        runs.rescue_all();
        let kept = moorline_terraform::unwritten_state(&work_dir.path().join("terraform/prod"));
        assert!(kept.is_some_and(|kept| kept.is_file()), "it blocks while the folder is still there");
        runs.remove_all();
        assert!(!left.exists());
    }

    #[test]
    fn what_is_not_there_is_no_error() {
        let work_dir = tempfile::tempdir().unwrap();
        let runs = runs(work_dir.path());
        runs.make_room("one").unwrap();
        runs.remove("one");
        runs.remove_all();
    }
}
