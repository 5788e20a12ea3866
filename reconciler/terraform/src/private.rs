//! The private folder of a run: mode 0700, with its own home, temporary files and CLI configuration, removed after
//! use; and the states that could not be written, which are kept.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use moorline_model::Secret;
use sha2::{Digest as _, Sha256};

use crate::error::RunError;

/// What Terraform calls a state it could not write.
pub(crate) const ERRORED_STATE: &str = "errored.tfstate";
/// Longest path under which plugins can still open their sockets (108 bytes, less what they append).
const SOCKET_FOLDER_BYTES_MAX: usize = 64;

/// The folder of one run. Removed when dropped, unless it is kept for the apply that follows a plan.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
    // Where plugins open their sockets; elsewhere only when our own path is too long for that.
    short: Option<tempfile::TempDir>,
    is_kept: bool,
}

impl RunFolder {
    /// Makes the folder and what a child needs in it.
    pub(crate) fn make(path: &Path, mirror: Option<&Path>) -> Result<Self, RunError> {
        private_folder(path)?;
        // From here on every failure removes it again.
        let mut folder = Self { path: path.to_owned(), short: None, is_kept: false };
        private_folder(&folder.home())?;
        private_folder(&path.join("tmp"))?;
        if path.as_os_str().len() + "/tmp".len() > SOCKET_FOLDER_BYTES_MAX {
            let made = tempfile::Builder::new().prefix("moorline-").tempdir();
            folder.short = Some(made.map_err(failed("make a temporary folder for", path))?);
        }
        private_file(&folder.cli_config(), cli_config(mirror).as_bytes())?;
        Ok(folder)
    }

    /// Leaves the folder where it is: the plan in it will be applied.
    pub(crate) fn keep(mut self) {
        self.is_kept = true;
        // The home and temporary files are of no more use, and may hold what a provider put there.
        for path in [self.home(), self.path.join("tmp"), self.cli_config()] {
            remove(&path);
        }
    }

    pub(crate) fn plan_file(&self) -> PathBuf {
        plan_path(&self.path)
    }

    /// Where an apply writes its events and its complaints.
    pub(crate) fn apply_output(&self) -> [PathBuf; 2] {
        [self.path.join("apply.jsonl"), self.path.join("apply.stderr")]
    }

    fn home(&self) -> PathBuf {
        self.path.join("home")
    }

    fn cli_config(&self) -> PathBuf {
        self.path.join("cli.tfrc")
    }

    /// All that a child sees of an environment: what is declared, and over it what we set ourselves.
    pub(crate) fn environment(
        &self,
        variables: &BTreeMap<String, Secret>,
        terraform_data: &Path,
        needs_programs: bool,
    ) -> BTreeMap<OsString, OsString> {
        let mut environment: BTreeMap<OsString, OsString> = variables
            .iter()
            .map(|(name, secret)| (OsString::from(name), OsString::from(secret.expose())))
            .collect();
        let temporary =
            self.short.as_ref().map_or_else(|| self.path.join("tmp"), |short| short.path().to_owned());
        let paths = [
            ("HOME", self.home()),
            ("TMPDIR", temporary),
            ("TF_DATA_DIR", terraform_data.to_owned()),
            ("TF_CLI_CONFIG_FILE", self.cli_config()),
        ];
        environment.extend(paths.map(|(name, path)| (name.into(), path.into_os_string())));
        let texts =
            [("TF_IN_AUTOMATION", "1"), ("TF_INPUT", "0"), ("CHECKPOINT_DISABLE", "1"), ("LANG", "C.UTF-8")];
        environment.extend(texts.map(|(name, text)| (name.into(), text.into())));
        // Only to fetch modules over git; providers need no programs.
        if needs_programs {
            environment.insert("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into());
        } else {
            environment.remove(&OsString::from("PATH"));
        }
        environment
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        if !self.is_kept {
            remove(&self.path);
        }
    }
}

/// Removes a saved plan and the folder it is in, as after an apply.
pub(crate) fn remove(path: &Path) {
    let result = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    if let Err(error) = result
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %path.display(), "could not remove what a run left behind");
    }
}

/// One CLI configuration, ours: where providers come from, and nothing else.
fn cli_config(mirror: Option<&Path>) -> String {
    let installation = match mirror {
        Some(mirror) => {
            let path =
                mirror.display().to_string().replace('\\', "\\\\").replace('"', "\\\"").replace("${", "$${");
            format!("  filesystem_mirror {{\n    path = \"{path}\"\n  }}\n")
        }
        None => "  direct {}\n".to_owned(),
    };
    format!("disable_checkpoint = true\nprovider_installation {{\n{installation}}}\n")
}

/// Makes a folder that only we may enter; one that is there already is closed to others.
pub(crate) fn private_folder(path: &Path) -> Result<(), RunError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o700)))
        .map_err(failed("make the private folder", path))
}

/// Writes a file that only we may read.
pub(crate) fn private_file(path: &Path, content: &[u8]) -> Result<(), RunError> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(content))
        .map_err(failed("write the private file", path))
}

pub(crate) fn failed<'a>(attempt: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> RunError + 'a {
    move |source| RunError::Private { attempt, path: path.to_owned(), source }
}

/// Where a run's folder holds its saved plan.
#[must_use]
pub fn plan_path(run_dir: &Path) -> PathBuf {
    run_dir.join("plan.tfplan")
}

/// A state in an environment's data folder that could not be written to its backend. While there is one, nothing is
/// planned or applied; a folder that cannot be looked into counts as one.
#[must_use]
pub fn unwritten_state(data_dir: &Path) -> Option<PathBuf> {
    let kept = KeptStates::of(data_dir);
    kept.first().unwrap_or_else(|_| Some(kept.0.clone()))
}

/// The states of one environment that could not be written. While there is one, nothing is planned or applied.
pub(crate) struct KeptStates(PathBuf);

impl KeptStates {
    pub(crate) fn of(data_dir: &Path) -> Self {
        Self(data_dir.join("errored-states"))
    }

    /// The first that is kept.
    pub(crate) fn first(&self) -> Result<Option<PathBuf>, RunError> {
        match fs::read_dir(&self.0) {
            Ok(mut entries) => Ok(entries.find_map(Result::ok).map(|entry| entry.path())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("look into", &self.0)(error)),
        }
    }

    /// Takes the state that Terraform left in its working directory, if it left one.
    pub(crate) fn take_from(&self, directory: &Path) -> Result<Option<PathBuf>, RunError> {
        let left = directory.join(ERRORED_STATE);
        let content = match fs::read(&left) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("read", &left)(error)),
        };
        private_folder(&self.0)?;
        // Named by its content: taking it twice keeps one.
        let digest = hex::encode(Sha256::digest(&content));
        let kept = self.0.join(format!("{}.tfstate", &digest[..16]));
        private_file(&kept, &content)?;
        fs::remove_file(&left).map_err(failed("remove", &left))?;
        Ok(Some(kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_shuts_out_every_registry() {
        let config = cli_config(Some(Path::new("/opt/a \"b\"")));
        assert!(config.contains("path = \"/opt/a \\\"b\\\"\""));
        assert!(!config.contains("direct"));
        assert!(cli_config(None).contains("direct {}"));
    }

    #[test]
    fn a_run_folder_is_private_and_goes_away() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        let folder = RunFolder::make(&path, None).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(folder.cli_config()).unwrap().permissions().mode() & 0o777, 0o600);
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn what_we_set_ourselves_wins_over_what_is_declared() {
        let parent = tempfile::tempdir().unwrap();
        let folder = RunFolder::make(&parent.path().join("run"), None).unwrap();
        let declared = ["HOME", "PATH", "TF_CLI_CONFIG_FILE", "OWN"]
            .map(|name| (name.to_owned(), Secret::new("declared".to_owned())));
        let environment = folder.environment(&BTreeMap::from(declared), Path::new("/data"), false);
        let declared: Vec<_> = environment.iter().filter(|(_, value)| *value == "declared").collect();
        assert_eq!(declared.len(), 1);
        assert!(environment.contains_key(&OsString::from("OWN")));
    }

    #[test]
    fn a_state_that_was_left_is_kept_once() {
        let (data, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let kept = KeptStates::of(data.path());
        assert_eq!(kept.take_from(work.path()).unwrap(), None);
        assert_eq!(kept.first().unwrap(), None);
        fs::write(work.path().join(ERRORED_STATE), "{}").unwrap();
        let path = kept.take_from(work.path()).unwrap().unwrap();
        assert_eq!(kept.first().unwrap(), Some(path.clone()));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!work.path().join(ERRORED_STATE).exists());
    }
}
