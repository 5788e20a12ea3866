//! What a repository is opened with: [`RepositoryConfig`], its options for each transport, and its limits.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use moorline_model::Secret;

use crate::remote::RemoteUrl;

/// All that is needed to watch one repository.
#[derive(Debug, Clone)]
pub struct RepositoryConfig {
    pub url: RemoteUrl,
    /// The branch that is followed.
    pub branch: String,
    /// Sent to an `https` remote, and to nothing else.
    pub token: Option<Secret>,
    /// For `https` remotes.
    pub https: HttpsOptions,
    /// For `ssh` remotes.
    pub ssh: SshOptions,
    /// The mirror is kept in `repository.git` below it.
    pub work_dir: PathBuf,
    /// What one fetch and one read may cost.
    pub limits: Limits,
}

/// Options of the `https` transport.
#[derive(Debug, Clone, Default)]
pub struct HttpsOptions {
    /// A PEM file of certificate authorities to trust instead of the system's.
    pub authorities: Option<PathBuf>,
}

/// Options of the `ssh` transport.
#[derive(Debug, Clone, Default)]
pub struct SshOptions {
    /// The private key to use, and no other. Absent: what `ssh` finds by itself.
    pub identity: Option<SshFile>,
    /// The file of known hosts. Absent: what `ssh` uses by itself. An unknown host is always refused.
    pub known_hosts: Option<SshFile>,
    /// All that the `ssh` process sees of the environment.
    pub environment: SshEnvironment,
}

/// The environment of the `ssh` process. Nothing else is handed on, so `GIT_SSH_COMMAND` and its like have no say.
#[derive(Debug, Clone, Default)]
pub struct SshEnvironment {
    /// `PATH`, where `ssh` is looked for.
    pub path: OsString,
    /// `HOME`.
    pub home: Option<OsString>,
    /// `SSH_AUTH_SOCK`, the socket of an agent.
    pub agent: Option<OsString>,
}

impl SshEnvironment {
    /// Takes the three variables from this process's environment.
    #[must_use]
    pub fn inherited() -> Self {
        Self {
            path: std::env::var_os("PATH").unwrap_or_default(),
            home: std::env::var_os("HOME"),
            agent: std::env::var_os("SSH_AUTH_SOCK"),
        }
    }
}

/// A file named to `ssh`. `ssh` expands `%` and `~` and splits at spaces in file names, so a path that holds any of
/// these, or that is not absolute, is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshFile(PathBuf);

/// Says that a path cannot be handed to `ssh`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` cannot be handed to ssh: expected an absolute path of letters, digits and / . _ - + @",
    path.display()
)]
pub struct InvalidSshFile {
    pub path: PathBuf,
}

impl TryFrom<PathBuf> for SshFile {
    type Error = InvalidSshFile;

    fn try_from(path: PathBuf) -> Result<Self, Self::Error> {
        let is_plain = |text: &str| {
            text.starts_with('/')
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | '@'))
        };
        if path.to_str().is_some_and(is_plain) { Ok(Self(path)) } else { Err(InvalidSshFile { path }) }
    }
}

impl SshFile {
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for SshFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(formatter)
    }
}

/// What one fetch and one read may cost. The defaults hold a repository of declarations with a long history, and
/// stop a hostile one while the process is still small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How long one fetch may take, from connecting to the last check.
    pub fetch: Duration,
    /// How long a remote may stay silent.
    pub stall: Duration,
    /// How long one read of the mirror may take.
    pub read: Duration,
    /// Bytes of the list of branches.
    pub advertisement_bytes: u64,
    /// Bytes of one pack, as it travels.
    pub pack_bytes: u64,
    /// Objects in one pack.
    pub pack_objects: u32,
    /// Bytes of one object, inflated and with its deltas applied.
    pub object_bytes: u64,
    /// Bytes of all objects of one pack together, inflated and with their deltas applied.
    pub expanded_bytes: u64,
    /// Bytes of one file that is read.
    pub file_bytes: u64,
}

const MIB: u64 = 1024 * 1024;

impl Default for Limits {
    fn default() -> Self {
        Self {
            fetch: Duration::from_secs(120),
            stall: Duration::from_secs(30),
            read: Duration::from_secs(30),
            advertisement_bytes: 64 * MIB,
            pack_bytes: 512 * MIB,
            pack_objects: 1_000_000,
            object_bytes: 64 * MIB,
            expanded_bytes: 16 * 1024 * MIB,
            file_bytes: 8 * MIB,
        }
    }
}

impl Limits {
    /// The defaults with another size of a pack, and what a pack may unfold to in proportion.
    #[must_use]
    pub fn with_pack_bytes(pack_bytes: u64) -> Self {
        let default = Self::default();
        let times = (pack_bytes / default.pack_bytes).max(1);
        Self {
            pack_bytes,
            pack_objects: default.pack_objects.saturating_mul(u32::try_from(times).unwrap_or(u32::MAX)),
            expanded_bytes: default.expanded_bytes.saturating_mul(times),
            ..default
        }
    }
}

/// What one checkout may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckoutLimits {
    /// How long it may take.
    pub time: Duration,
    /// Files, links and directories.
    pub entries: usize,
    /// Bytes of all files together.
    pub bytes: u64,
    /// Directories inside directories.
    pub depth: usize,
}

impl Default for CheckoutLimits {
    fn default() -> Self {
        Self { time: Duration::from_secs(60), entries: 50_000, bytes: 512 * MIB, depth: 64 }
    }
}
