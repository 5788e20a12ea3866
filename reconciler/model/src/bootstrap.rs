//! What the daemon is started with: `moorlined.yaml`, each key also as an environment variable
//! (`MOORLINE_REPOSITORY__URL`).

use moorline_config::check::Problem;
use moorline_config::{ByteSize, Duration, Mistakes, Reference, Source, schema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::declaration::{only_supported, unsupported};

/// The daemon's own settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    /// The watched repository.
    pub repository: Repository,
    /// Where the record is kept: `sqlite:PATH`. Default: `sqlite:/var/lib/moorline/moorline.db`.
    #[serde(default = "Bootstrap::default_store")]
    #[schemars(regex(pattern = "^sqlite:."))]
    pub store: String,
    /// Working folder: clones, Terraform runs. Default: `/var/lib/moorline`.
    #[serde(default = "Bootstrap::default_work_dir")]
    #[schemars(length(min = 1))]
    pub work_dir: String,
    /// Where the console, API, hooks and metrics listen. Default: `127.0.0.1:8080`.
    #[serde(default = "Bootstrap::default_listen")]
    #[schemars(regex(pattern = "^.+:[0-9]{1,5}$"))]
    pub listen: String,
    /// The console's address as people reach it, for links in messages. Absent: `http://` and `listen`.
    #[serde(default)]
    #[schemars(regex(pattern = "^https?://[^/?#@\\s]"))]
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
        moorline_config::decode_checked(sources, check).map(|decoded| decoded.document)
    }

    /// Its JSON Schema, for editors.
    #[must_use]
    pub fn schema() -> Value {
        let example = json!({
            "repository": {"url": "https://github.com/acme/deploy.git", "token": "env:GIT_TOKEN"},
            "listen": "127.0.0.1:8080",
            "tokens": {"admin": "env:MOORLINE_ADMIN_TOKEN", "viewer": "env:MOORLINE_VIEWER_TOKEN"},
        });
        let about = schema::About { name: "daemon", applies: schema::Applies::Restart, example };
        only_supported(schema::schema::<Self>(&about))
    }

    /// Every reference the settings hold. A repository may not name any of these: they are the daemon's own.
    #[must_use]
    pub fn references(&self) -> Vec<&Reference> {
        self.named_references().into_iter().map(|(_, reference)| reference).collect()
    }

    fn named_references(&self) -> Vec<(&'static str, &Reference)> {
        let named = [
            ("repository.token", &self.repository.token),
            ("repository.webhook_secret", &self.repository.webhook_secret),
            ("tokens.admin", &self.tokens.admin),
            ("tokens.operator", &self.tokens.operator),
            ("tokens.viewer", &self.tokens.viewer),
        ];
        named.into_iter().filter_map(|(path, reference)| Some((path, reference.as_ref()?))).collect()
    }
}

/// The rules that the settings' types cannot say.
fn check(settings: &Bootstrap) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut add = |path: &str, problem: &str| {
        problems.push(Problem { path: path.to_owned(), problem: problem.to_owned() });
    };
    for (path, reference) in settings.named_references() {
        if let Some(problem) = unsupported(reference) {
            add(path, &problem);
        }
    }
    if settings.store.strip_prefix("sqlite:").is_none_or(str::is_empty) {
        add("store", "expected sqlite:PATH");
    }
    if settings.work_dir.is_empty() {
        add("work_dir", "expected a folder");
    }
    let port = settings.listen.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
    if port.is_none_or(|port| port.starts_with('+') || port.len() > 5 || port.parse::<u16>().is_err()) {
        add("listen", "expected an address and a port, such as 127.0.0.1:8080");
    }
    if let Some(text) = &settings.public_url {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let begins_well = rest.is_some_and(|rest| {
            !rest.is_empty()
                && !rest.starts_with(['/', '?', '#', '@'])
                && !rest.starts_with(char::is_whitespace)
        });
        if !begins_well {
            add("public_url", "expected an http:// or https:// URL, as people reach the console");
        }
    }
    let url = &settings.repository.url;
    let is_known = match url.split_once("://") {
        Some((scheme, _)) => ["https", "http", "ssh", "file"].contains(&scheme),
        None => url.starts_with('/') || url.split_once(':').is_some_and(|(host, _)| is_host(host)),
    };
    if !is_known {
        add(
            "repository.url",
            "expected https://host/path, ssh://user@host/path, user@host:path or /absolute/path",
        );
    }
    problems
}

fn is_host(text: &str) -> bool {
    !text.is_empty() && !text.contains('/') && !text.contains(char::is_whitespace)
}

/// Addresses of repositories, for editors.
const ADDRESSES: [&str; 4] = [
    "https://github.com/acme/deploy.git",
    "ssh://git@git.example.com/deploy.git",
    "git@github.com:acme/deploy.git",
    "/srv/git/deploy.git",
];

/// The watched repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// `https://`, `ssh://` (or `git@host:path`), `file://` or a path.
    #[schemars(regex(pattern = r"^(/|(https?|ssh|file)://|[^/:\s]+:(?!//))"), extend("examples" = ADDRESSES))]
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
    /// How large a fetch may be, as it travels or lies on the disk. Default: 512MiB.
    #[serde(default = "Repository::default_max_size")]
    pub max_size: ByteSize,
    /// How long a fetch may take, from connecting to the last check. Default: 2m.
    #[serde(default = "Repository::default_fetch_timeout")]
    pub fetch_timeout: Duration,
    /// A token for https.
    #[serde(default)]
    pub token: Option<Reference>,
    /// Secret of webhooks. Absent: hooks are refused.
    #[serde(default)]
    pub webhook_secret: Option<Reference>,
    /// Which commit signatures are required. Default: none.
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
    const fn default_max_size() -> ByteSize {
        ByteSize::from_bytes(512 * 1024 * 1024)
    }
    const fn default_fetch_timeout() -> Duration {
        Duration::from_seconds(120)
    }
}

/// Which commit signatures are required.
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
