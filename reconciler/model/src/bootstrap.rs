//! What the daemon is started with: `moorlined.yaml`, each key also as an environment variable
//! (`MOORLINE_REPOSITORY__URL`).

use moorline_config::{Duration, Mistakes, Reference, Source};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The daemon's own settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    /// The watched repository.
    pub repository: Repository,
    /// Where the record is kept: `sqlite:PATH`. Default: `sqlite:/var/lib/moorline/moorline.db`.
    #[serde(default = "Bootstrap::default_store")]
    pub store: String,
    /// Working folder: clones, Terraform runs. Default: `/var/lib/moorline`.
    #[serde(default = "Bootstrap::default_work_dir")]
    pub work_dir: String,
    /// Where the console, API, hooks and metrics listen. Default: `127.0.0.1:8080`.
    #[serde(default = "Bootstrap::default_listen")]
    pub listen: String,
    /// The console's address as people reach it, for links in messages. Absent: `http://` and `listen`.
    #[serde(default)]
    pub public_url: Option<String>,
    /// Who may do what. Absent roles are closed.
    #[serde(default)]
    pub tokens: Tokens,
    /// Terraform CLI configuration shared by all environments.
    #[serde(default)]
    pub terraform: TerraformSettings,
}

impl Bootstrap {
    fn default_store() -> String {
        "sqlite:/var/lib/moorline/moorline.db".to_owned()
    }
    fn default_work_dir() -> String {
        "/var/lib/moorline".to_owned()
    }
    fn default_listen() -> String {
        "127.0.0.1:8080".to_owned()
    }

    /// Reads the settings from layered sources (the file, then the environment laid over it).
    ///
    /// # Errors
    /// Every mistake in the text, with file, line and path.
    pub fn parse(sources: &[Source<'_>]) -> Result<Self, Mistakes> {
        moorline_config::decode(sources).map(|decoded| decoded.document)
    }

    /// Every reference the settings hold. A repository may not name any of these: they are the daemon's own.
    #[must_use]
    pub fn references(&self) -> Vec<&Reference> {
        [
            &self.repository.token,
            &self.repository.webhook_secret,
            &self.tokens.admin,
            &self.tokens.operator,
            &self.tokens.viewer,
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// The watched repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// `https://`, `ssh://` (or `git@host:path`), `file://` or a path.
    pub url: String,
    /// The branch that is deployed. Default: main.
    #[serde(default = "Repository::default_branch")]
    pub branch: String,
    /// The declaration's path. Default: moorline.yaml.
    #[serde(default = "Repository::default_path")]
    pub path: String,
    /// How often to look, beside hooks and file events. Default: 30s.
    #[serde(default = "Repository::default_poll")]
    pub poll: Duration,
    /// A token for https.
    #[serde(default)]
    pub token: Option<Reference>,
    /// Secret of webhooks. Absent: hooks are refused.
    #[serde(default)]
    pub webhook_secret: Option<Reference>,
    /// Which commit signatures are asked for. Default: none.
    #[serde(default)]
    pub signatures: Signatures,
    /// For ssh: a private key file.
    #[serde(default)]
    pub ssh_identity: Option<String>,
    /// For ssh: a known_hosts file. Absent: the user's own.
    #[serde(default)]
    pub ssh_known_hosts: Option<String>,
}

impl Repository {
    fn default_branch() -> String {
        "main".to_owned()
    }
    fn default_path() -> String {
        "moorline.yaml".to_owned()
    }
    const fn default_poll() -> Duration {
        Duration::from_seconds(30)
    }
}

/// Which commit signatures are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Signatures {
    /// None; the branch is trusted.
    #[default]
    None,
}

/// The three roles' tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tokens {
    /// May do everything.
    pub admin: Option<Reference>,
    /// May sync, approve, roll back, hold and release.
    pub operator: Option<Reference>,
    /// May look.
    pub viewer: Option<Reference>,
}

/// Terraform CLI configuration shared by all environments.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TerraformSettings {
    /// A provider mirror on disk. With it, nothing is fetched from a registry.
    pub mirror: Option<String>,
}
