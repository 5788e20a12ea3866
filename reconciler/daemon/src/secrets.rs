//! Resolves secret references for the daemon.
//!
//! A repository may name secrets of the daemon's environment, but never the daemon's own: a variable or file that
//! `moorlined.yaml` itself uses is refused when `moorline.yaml` names it, by whatever path, and so are the daemon's
//! working folder, its record, and what the kernel shows of processes (`/proc/self/environ` holds every variable).
//! Otherwise a merged line could hand the daemon's tokens to Terraform code, or to an address of its own choice.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use moorline_config::{Reference, Secret};
use moorline_cycle::facilities::ResolveError;
use moorline_model::bootstrap::Bootstrap;

/// Most bytes read of a secret's file.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Resolves references, with the daemon's own kept apart.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    reserved: BTreeSet<Reference>,
    reserved_files: Vec<PathBuf>,
}

/// Folders of the kernel: what is in them is no secret that somebody put there for us.
const KERNEL: [&str; 2] = ["/proc", "/sys"];

impl Secrets {
    /// Reserves every reference the daemon's settings hold, and the files and folders that are its own.
    #[must_use]
    pub fn new(bootstrap: &Bootstrap) -> Self {
        let reserved: BTreeSet<_> = bootstrap.references().into_iter().cloned().collect();
        let files = reserved.iter().filter_map(|reference| match reference {
            Reference::File(path) => Some(path.as_str()),
            _ => None,
        });
        let store =
            bootstrap.store.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path));
        let own = files
            .chain(bootstrap.repository.ssh_identity.as_deref())
            .chain(store)
            .chain([bootstrap.work_dir.as_str()]);
        let reserved_files = own.map(|path| real(Path::new(path))).collect();
        Self { reserved, reserved_files }
    }

    /// Resolves one of the daemon's own references.
    ///
    /// # Errors
    /// See [`ResolveError`].
    pub fn own(reference: &Reference) -> Result<Secret, ResolveError> {
        match reference {
            Reference::Env(name) => match std::env::var(name) {
                Ok(value) if !value.is_empty() => Ok(Secret::new(value)),
                _ => Err(ResolveError::Unset(reference.clone())),
            },
            Reference::File(path) => {
                let unreadable = |source| ResolveError::File { reference: reference.clone(), source };
                let mut text = String::new();
                // A pipe would be waited for without end.
                if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
                    return Err(unreadable(std::io::Error::other("it is no regular file")));
                }
                let file = std::fs::File::open(path).map_err(unreadable)?;
                file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
                Ok(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned()))
            }
            Reference::SecretsManager { .. } | Reference::Ssm(_) | Reference::Vault { .. } => {
                Err(ResolveError::Kind(reference.clone()))
            }
        }
    }

    /// Resolves a reference that the repository declares.
    ///
    /// # Errors
    /// See [`ResolveError`]; `Reserved` for the daemon's own.
    pub fn declared(&self, reference: &Reference) -> Result<Secret, ResolveError> {
        let is_own = self.reserved.contains(reference)
            || match reference {
                Reference::Env(name) => crate::settings::is_setting(name),
                Reference::File(path) => self.is_own_file(Path::new(path)),
                Reference::SecretsManager { .. } | Reference::Ssm(_) | Reference::Vault { .. } => false,
            };
        if is_own { Err(ResolveError::Reserved(reference.clone())) } else { Self::own(reference) }
    }

    fn is_own_file(&self, path: &Path) -> bool {
        let path = real(path);
        let kernel = KERNEL.iter().map(Path::new);
        self.reserved_files.iter().map(PathBuf::as_path).chain(kernel).any(|own| path.starts_with(own))
    }
}

/// The path without links and `..`, as far as there is such a file.
fn real(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_cannot_name_the_daemons_own_secrets() {
        let own: Reference = "env:PATH".parse().unwrap();
        let secrets = Secrets { reserved: BTreeSet::from([own.clone()]), reserved_files: Vec::new() };
        assert!(Secrets::own(&own).is_ok());
        assert!(matches!(secrets.declared(&own), Err(ResolveError::Reserved(_))));
    }

    #[test]
    fn a_repository_cannot_reach_the_daemons_own_files_by_another_path() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path).to_str().unwrap().to_owned();
        std::fs::create_dir_all(at("work/runs")).unwrap();
        for file in ["token", "key", "work/runs/apply.jsonl", "theirs"] {
            std::fs::write(at(file), "hunter2").unwrap();
        }
        std::os::unix::fs::symlink(at("token"), at("link")).unwrap();
        let text = format!(
            "{{repository: {{url: /srv/x.git, token: 'file:{}', ssh_identity: '{}'}}, work_dir: '{}'}}",
            at("token"),
            at("key"),
            at("work"),
        );
        let source = moorline_config::Source { name: "moorlined.yaml", text: &text };
        let secrets = Secrets::new(&Bootstrap::parse(&[source]).unwrap());
        let declared = |path: &str| secrets.declared(&format!("file:{path}").parse().unwrap());
        for path in [
            at("token"),
            at("link"),
            at("work/../token"),
            at("key"),
            at("work/runs/apply.jsonl"),
            "/proc/self/environ".to_owned(),
        ] {
            assert!(matches!(declared(&path), Err(ResolveError::Reserved(_))), "{path}");
        }
        assert!(declared(&at("theirs")).is_ok());
        let store = secrets.declared(&"env:MOORLINE_STORE".parse().unwrap());
        assert!(matches!(store, Err(ResolveError::Reserved(_))), "a setting by itself: {store:?}");
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let reference = format!("file:{}", pipe.display()).parse().unwrap();
        assert!(matches!(Secrets::default().declared(&reference), Err(ResolveError::File { .. })));
    }

    #[test]
    fn what_is_unset_is_named() {
        let reference: Reference = "env:MOORLINE_NO_SUCH_VARIABLE".parse().unwrap();
        let error = Secrets::own(&reference).unwrap_err();
        let said = "env:MOORLINE_NO_SUCH_VARIABLE is not set in the daemon's environment: set it there, and start \
                    the daemon again";
        assert_eq!(error.to_string(), said);
    }
}
