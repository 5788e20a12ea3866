//! The daemon: the real `moorline daemon`, with its settings in a file, started again as often as a test likes.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use moorline_api::Client;
use moorline_api::views::{Audit, EnvironmentView};
use moorline_config::Secret;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::api::{Api, answered};
use crate::declared;
use crate::process::{Process, program};

/// May do everything.
pub const ADMIN_TOKEN: &str = "daemon-admin-token-of-tests";
/// May act, but not read the audit.
pub const OPERATOR_TOKEN: &str = "daemon-operator-token-of-tests";
/// May look.
pub const VIEWER_TOKEN: &str = "daemon-viewer-token-of-tests";
/// What webhooks are signed with.
pub const HOOK_SECRET: &str = "hook-secret-of-tests";

/// Most rows that the API gives at once: more than a test makes.
pub(crate) const ROWS_MAX: usize = 1_000;

/// A daemon and what it needs to be started again.
#[derive(Debug)]
pub struct Daemon {
    folder: PathBuf,
    /// `moorlined.yaml`, written at each start.
    pub settings: Value,
    variables: Vec<(String, String)>,
    name: String,
    process: Option<Process>,
    base: String,
}

impl Daemon {
    /// A daemon of this repository, whose files are in `folder` under its name. It is not started.
    #[must_use]
    pub fn new(folder: &Path, name: &str, repository: &Path) -> Self {
        let at = |path: &str| folder.join(path).display().to_string();
        let settings = json!({
            "repository": {
                "url": repository.display().to_string(),
                "poll": "1s",
                "webhook_secret": "env:HOOK_SECRET",
            },
            "store": format!("sqlite:{}", at("moorline.db")),
            "work_dir": at(&format!("{name}.work")),
            "listen": "127.0.0.1:0",
            "tokens": {"admin": "env:ADMIN_TOKEN", "operator": "env:OPERATOR_TOKEN", "viewer": "env:VIEWER_TOKEN"},
        });
        let own = [
            ("ADMIN_TOKEN", ADMIN_TOKEN),
            ("OPERATOR_TOKEN", OPERATOR_TOKEN),
            ("VIEWER_TOKEN", VIEWER_TOKEN),
            ("HOOK_SECRET", HOOK_SECRET),
            ("RUST_LOG", "info,moorline=debug"),
            ("NO_COLOR", "1"),
        ];
        let variables = own.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let (folder, name) = (folder.to_owned(), name.to_owned());
        Self { folder, settings, variables, name, process: None, base: String::new() }
    }

    /// Adds a variable of its environment.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    pub async fn start(&mut self) {
        self.start_with(&[]).await;
    }

    /// Starts it so that it kills itself when it gets to `STEP:MOMENT` (debug builds only).
    pub async fn start_to_be_killed_at(&mut self, moment: &str) {
        self.start_with(&[("MOORLINE_KILL_AT", moment)]).await;
    }

    async fn start_with(&mut self, more: &[(&str, &str)]) {
        let file = self.folder.join(format!("{}.yaml", self.name));
        std::fs::write(&file, self.settings.to_string()).unwrap();
        let arguments = ["daemon".to_owned(), "--config".to_owned(), file.display().to_string()];
        let mut variables = self.variables.clone();
        variables.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let log = self.folder.join(format!("{}.log", self.name));
        let mut process = Process::start(&program("moorline"), &arguments, &variables, &log);
        let address = process.listening().await;
        self.base = format!("http://{}", address.as_str().unwrap());
        // A daemon keeps its address: Terraform's state holds the document endpoint, and another one would be drift.
        self.settings["listen"] = address;
        self.process = Some(process);
        // Terraform's provider is told by this file where the document endpoint is.
        std::fs::write(self.folder.join("document-endpoint"), self.document_url()).unwrap();
    }

    /// Where Terraform hands the document over.
    #[must_use]
    pub fn document_url(&self) -> String {
        format!("{}/api/v1/environments/{}/document", self.base, declared::ENVIRONMENT)
    }

    /// A typed client of its API, with everything allowed.
    ///
    /// # Panics
    /// When it was never started; this holds for all that reads.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(&self.base, Some(Secret::new(ADMIN_TOKEN.to_owned()))).unwrap()
    }

    /// The tests' environment as the API shows it. `None`: nobody answers, or there is none yet.
    pub async fn environment(&self) -> Option<EnvironmentView> {
        answered(self.client().environment(&declared::environment()).await)
    }

    /// The whole audit, newest first.
    pub async fn audit(&self) -> Audit {
        self.client().audit(ROWS_MAX).await.unwrap()
    }

    /// Its API as it is on the wire, with everything allowed.
    #[must_use]
    pub fn api(&self) -> Api {
        Api::new(&self.base, Some(ADMIN_TOKEN))
    }

    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Everything it logged, in all its lives.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join(format!("{}.log", self.name))).unwrap_or_default()
    }

    /// The process.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("the daemon runs")
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    /// When it does not.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("the daemon runs");
        process.ended().await
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn stop(&mut self) -> ExitStatus {
        self.process.take().expect("the daemon runs").stop().await
    }

    /// Stops it where it stands: it answers nothing, and its sockets stay open.
    pub fn freeze(&self) {
        self.process().signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.process().signal(Signal::CONT);
    }

    /// SIGKILL.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn kill(&mut self) {
        self.process.take().expect("the daemon runs").kill().await;
    }

    /// Stops it, and starts it again.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.start().await;
    }
}
