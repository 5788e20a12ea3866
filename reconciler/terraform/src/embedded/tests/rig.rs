//! A checkout, an environment and folders for one test.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use moorline_model::{Secret, declaration};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::embedded::{EmbeddedRunner, Gate};
use crate::error::RunError;
use crate::runner::{Applied, Event, Job, Planned, Progress, Runner as _, SavedPlan, Silent};

pub(super) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// The backend of every test: a local file, whose path the environment declares.
pub(super) const BACKEND: &str = "terraform {\n  backend \"local\" {}\n}\n";

pub(super) struct Rig {
    pub(super) dir: tempfile::TempDir,
    pub(super) job: Job,
    pub(super) runner: EmbeddedRunner,
    pub(super) cancel: CancellationToken,
}

impl Rig {
    /// A rig whose root module is `main.tf`, beside the backend.
    pub(super) fn new(main: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        fs::create_dir_all(tree.join("infra")).unwrap();
        fs::write(tree.join("infra/backend.tf"), BACKEND).unwrap();
        fs::write(tree.join("infra/main.tf"), main).unwrap();
        let state = dir.path().join("state/terraform.tfstate");
        let environment: declaration::Terraform = serde_json::from_value(serde_json::json!({
            "directory": "infra",
            "backend_config": {"path": state},
            "timeout": "1m",
        }))
        .unwrap();
        let job = Job {
            tree,
            commit: COMMIT.parse().unwrap(),
            environment,
            variables: BTreeMap::new(),
            run_dir: dir.path().join("run"),
            data_dir: dir.path().join("data"),
            mirror: Some(dir.path().join("mirror")),
            now: "2026-11-21T06:00:00Z".parse().unwrap(),
        };
        fs::create_dir(dir.path().join("mirror")).unwrap();
        Self { dir, job, runner: EmbeddedRunner::default(), cancel: CancellationToken::new() }
    }

    /// A rig whose terraform is a shell script; `init` and `state pull` answer at once unless the script does.
    pub(super) fn fake(script: &str) -> Self {
        let mut rig = Self::new("");
        rig.program(&format!("{script}\nexit 0"));
        rig.runner = rig.runner.with_grace(Duration::from_millis(200));
        rig
    }

    /// A rig whose real terraform writes down each command that it is asked for.
    pub(super) fn counting(main: &str) -> Self {
        let mut rig = Self::new(main);
        let real = crate::locate::locate("terraform").unwrap();
        rig.program(&format!(
            "echo \"$1 $2\" >>'{}'\nexec '{}' \"$@\"",
            rig.path("ran").display(),
            real.display()
        ));
        rig
    }

    /// The commands since the last look, by their names, sorted.
    pub(super) fn ran(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("ran")).unwrap_or_default();
        drop(fs::remove_file(self.path("ran")));
        let name = |line: &str| line.split(" -").next().unwrap_or_default().to_owned();
        let mut ran: Vec<String> = text.lines().map(name).collect();
        ran.sort();
        ran
    }

    fn program(&mut self, script: &str) {
        let program = self.dir.path().join("terraform");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        self.job.environment.binary = program.display().to_string();
    }

    pub(super) fn without_gate(mut self) -> Self {
        self.runner.gate = Gate::Open;
        self
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        fs::write(self.job.tree.join(path), text).unwrap();
    }

    pub(super) fn variable(&mut self, name: &str, value: &str) {
        self.job.variables.insert(name.to_owned(), Secret::new(value.to_owned()));
    }

    pub(super) fn timeout(&mut self, text: &str) {
        self.job.environment.timeout = text.parse().unwrap();
    }

    /// A pipe of that name beside the checkout; the child writes a byte into it.
    pub(super) fn fifo(&self, name: &str) -> Fifo {
        let path = self.path(name);
        let mode = Mode::RUSR | Mode::WUSR;
        mknodat(CWD, &path, FileType::Fifo, mode, 0).unwrap();
        // Open for both, so that it has no end before the child has opened it.
        Fifo(pipe::OpenOptions::new().read_write(true).open_receiver(path).unwrap())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) async fn plan(&self) -> Result<Planned, RunError> {
        self.plan_telling(&Silent).await
    }

    pub(super) async fn plan_telling(&self, progress: &dyn Progress) -> Result<Planned, RunError> {
        within(self.runner.plan(&self.job, &self.cancel, progress)).await
    }

    pub(super) async fn apply(&self, plan: &SavedPlan) -> Result<Applied, RunError> {
        within(self.runner.apply(&self.job, plan, &self.cancel, &Silent)).await
    }
}

/// No test may hang, whatever it tests.
pub(super) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("the run ends in time")
}

/// A named pipe through which a child says that it has come so far.
pub(super) struct Fifo(pipe::Receiver);

impl Fifo {
    pub(super) async fn opened(self) {
        let Self(mut receiver) = self;
        let mut byte = [0];
        within(receiver.read_exact(&mut byte)).await.unwrap();
    }
}

/// Keeps events, and wakes whoever waits for one.
#[derive(Clone, Default)]
pub(super) struct Events {
    pub(super) seen: Arc<Mutex<Vec<Event>>>,
    changed: Arc<Notify>,
}

impl Progress for Events {
    fn report(&self, event: Event) {
        self.seen.lock().unwrap().push(event);
        self.changed.notify_one();
    }
}

impl Events {
    pub(super) async fn until(&self, wanted: impl Fn(&Event) -> bool) {
        within(async {
            while !self.seen.lock().unwrap().iter().any(&wanted) {
                self.changed.notified().await;
            }
        })
        .await;
    }
}
