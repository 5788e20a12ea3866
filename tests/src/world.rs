//! Two gateways, a provider, a mail server, a Git repository and a daemon that keeps them together.

use moorline_api::ClientError;
use moorline_api::endpoints::Action;
use moorline_api::views::{Accepted, DriftView, EnvironmentView, IntentRequest};
use moorline_model::CommitId;
use moorline_model::rollout::Phase;
use serde::Serialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::daemon::{Daemon, ROWS_MAX};
use crate::declared::{self, CALLER_KEY};
use crate::gateway::{ADMIN_TOKEN, Gateway};
use crate::hcl;
use crate::mail;
use crate::process::tail;
use crate::provider::Provider;
use crate::repository::{Files, Repository};
use crate::shown::Shown as _;
use crate::traffic::Traffic;
use crate::wait::{DEADLINE, before};

/// What opens the document endpoint for Terraform.
pub const DOCUMENT_TOKEN: &str = "document-token-of-tests";

/// The arrangement. The daemon is not started.
pub struct World {
    /// The provider that documents aim at.
    pub provider: Provider,
    /// Where mails go.
    pub mail: mail::Server,
    pub gateways: Vec<Gateway>,
    /// The watched repository.
    pub repository: Repository,
    pub daemon: Daemon,
    /// `moorline.yaml` of the next push.
    pub declaration: Value,
    /// `gateway.yaml` of the next push; null when Terraform declares the document.
    pub document: Value,
    /// Further files of the next push.
    pub files: Files,
    /// Where all of it lives. Last, so that it is removed after everything that writes to it.
    pub folder: TempDir,
}

impl World {
    /// A document in a file, brought in all at once.
    ///
    /// # Panics
    /// When a part does not start; this holds for all of this type.
    pub async fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("moorline-test-").tempdir().unwrap();
        let here = folder.path();
        let provider = Provider::start().await;
        let mail = mail::Server::start().await;
        let gateways = vec![Gateway::start(here, "gateway-a").await, Gateway::start(here, "gateway-b").await];
        let repository = Repository::init(&here.join("deploy.git"));
        let mut daemon = Daemon::new(here, "moorlined", repository.path());
        daemon.set("GATEWAY_TOKEN", ADMIN_TOKEN);
        daemon.set("CALLER_KEY", CALLER_KEY);
        daemon.set("SMTP_URL", &mail.url());
        let endpoints: Vec<&str> = gateways.iter().map(|gateway| gateway.admin.as_str()).collect();
        let declaration = declared::declaration(&endpoints);
        let document = declared::document(&provider.base_url());
        Self {
            provider,
            mail,
            gateways,
            repository,
            daemon,
            declaration,
            document,
            files: Files::new(),
            folder,
        }
    }

    /// A document in a file, brought in by a canary of two steps that probes decide.
    pub async fn with_canary() -> Self {
        let mut world = Self::new().await;
        declared::canary(&mut world.declaration);
        world
    }

    /// A document that Terraform hands over, brought in by a canary.
    pub async fn with_terraform() -> Self {
        let mut world = Self::with_canary().await;
        let mirror = hcl::mirror().await;
        let here = world.folder.path().display().to_string();
        let environment = &mut world.declaration["environments"][0];
        environment["gateway"]["document"] = json!({"terraform": "module.gateway.openai_gateway.this"});
        environment["gateway"]["document_token"] = json!("env:DOCUMENT_TOKEN");
        environment["terraform"] = json!({
            "directory": "infra",
            "backend_config": {"path": format!("{here}/terraform.tfstate")},
            "environment": {
                "MOORLINE_ENDPOINT": format!("file:{here}/document-endpoint"),
                "MOORLINE_TOKEN": "env:DOCUMENT_TOKEN",
            },
        });
        environment["schedule"]["plan"] = json!("1h");
        world.daemon.set("DOCUMENT_TOKEN", DOCUMENT_TOKEN);
        world.daemon.settings["terraform"] = json!({"mirror": mirror.path.display().to_string()});
        world.document = Value::Null;
        world.files = mirror.files(&world.provider.base_url(), "first");
        world
    }

    /// What the repository holds after the next push.
    #[must_use]
    pub fn tree(&self) -> Files {
        let mut files = self.files.clone();
        files.insert("moorline.yaml".to_owned(), pretty(&self.declaration));
        if !self.document.is_null() {
            files.insert("gateway.yaml".to_owned(), pretty(&self.document));
        }
        files
    }

    /// Pushes the declared documents as they are now. Answers with the commit.
    pub fn push(&self, message: &str) -> CommitId {
        self.repository.push(&self.tree(), message)
    }

    /// Aims the document at another model, and pushes.
    pub fn push_model(&mut self, model: &str) -> CommitId {
        if self.document.is_null() {
            self.files = hcl_files(&self.provider.base_url(), model);
        } else {
            declared::aim(&mut self.document, model);
        }
        self.push(&format!("aim at {model}"))
    }

    /// Points the document at a provider that nobody reaches, and pushes.
    pub fn push_broken(&mut self) -> CommitId {
        if self.document.is_null() {
            self.files = hcl_files("http://127.0.0.1:1/v1", "broken");
        } else {
            declared::break_provider(&mut self.document);
        }
        self.push("aim at a dead provider")
    }

    /// Points the document at the provider again, and pushes.
    pub fn push_repaired(&mut self, model: &str) -> CommitId {
        if !self.document.is_null() {
            self.document["providers"]["local"]["base_url"] = json!(self.provider.base_url());
        }
        self.push_model(model)
    }

    /// Pushes what there is, starts the daemon, and waits until it is verified. Answers with the commit.
    pub async fn settle(&mut self) -> CommitId {
        let commit = self.push("the first one");
        self.daemon.start().await;
        self.verified(&commit).await;
        commit
    }

    /// The environment as the API shows it.
    pub async fn environment(&self) -> Option<EnvironmentView> {
        self.daemon.environment().await
    }

    /// Its drift as the API shows it.
    pub async fn drift(&self) -> DriftView {
        self.daemon.client().drift(&declared::environment()).await.expect("drift can be read")
    }

    /// Requests an operation.
    ///
    /// # Errors
    /// What the daemon refuses.
    pub async fn submit(&self, action: &Action, request: &IntentRequest) -> Result<Accepted, ClientError> {
        self.daemon.client().submit(action, &declared::environment(), request).await
    }

    /// Waits until the environment is like this. Answers with it.
    pub async fn when(&self, what: &str, is: impl Fn(&EnvironmentView) -> bool) -> EnvironmentView {
        let seen =
            before(DEADLINE, || async { self.environment().await.filter(|environment| is(environment)) });
        if let Some(environment) = seen.await {
            return environment;
        }
        let last = self.environment().await;
        let drift = self.daemon.client().drift(&declared::environment()).await.ok();
        let (last, drift) = (pretty(&last), pretty(&drift));
        panic!("not within {DEADLINE:?}: {what}\n{last}\n{drift}\n{}", tail(&self.daemon.log()));
    }

    /// Waits until a commit is applied and verified.
    pub async fn verified(&self, commit: &CommitId) -> EnvironmentView {
        let is = |environment: &EnvironmentView| {
            environment.verified_commit() == Some(commit) && environment.rollout_under_way().is_none()
        };
        self.when(&format!("{} is verified", commit.short()), is).await
    }

    /// Waits until the rollout of a commit is in this phase.
    pub async fn ends(&self, commit: &CommitId, phase: &Phase) -> EnvironmentView {
        let is = |environment: &EnvironmentView| {
            environment.rollout_of(commit).is_some_and(|rollout| rollout.phase == *phase)
        };
        self.when(&format!("the rollout of {} is {phase}", commit.short()), is).await
    }

    /// What every gateway serves.
    pub async fn digests(&self) -> Vec<String> {
        let mut digests = Vec::new();
        for gateway in &self.gateways {
            digests.push(gateway.digest().await.unwrap_or_default());
        }
        digests
    }

    /// The messages of the history, oldest first.
    pub async fn history(&self) -> Vec<String> {
        let read = self.daemon.client().history(&declared::environment(), ROWS_MAX).await;
        let events = read.expect("the history can be read").events;
        events.into_iter().rev().map(|row| row.event.message).collect()
    }

    /// The audit's actions, oldest first.
    pub async fn audit(&self) -> Vec<String> {
        self.daemon.audit().await.entries.into_iter().rev().map(|row| row.entry.action).collect()
    }

    /// Waits until somebody was mailed this. Answers with the mails that hold it.
    pub async fn mailed(&self, text: &str) -> Vec<mail::Mail> {
        let look = || async {
            let mails = self.mail.holding(text);
            (!mails.is_empty()).then_some(mails)
        };
        match before(DEADLINE, look).await {
            Some(mails) => mails,
            None => panic!("no mail says `{text}`: {:#?}\n{}", self.mail.mails(), tail(&self.daemon.log())),
        }
    }

    /// Callers on every gateway.
    #[must_use]
    pub fn traffic(&self, each: usize) -> Traffic {
        let data: Vec<&str> = self.gateways.iter().map(|gateway| gateway.data.as_str()).collect();
        Traffic::start(&data, each)
    }
}

fn hcl_files(base_url: &str, model: &str) -> Files {
    hcl::made().files(base_url, model)
}

fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap()
}
