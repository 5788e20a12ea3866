//! One gateway process and everything a test asks of it.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use moorline_admin::{AdminError, Client, Origin, Status, WriteOptions};
use moorline_config::{Digest, Secret};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// No wait in these tests is longer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
/// The admin token.
pub(crate) const TOKEN: &str = "marker-admin-token-4711";
/// The value behind `env:UPSTREAM_KEY`.
pub(crate) const UPSTREAM_KEY: &str = "marker-upstream-key-4712";

/// A running gateway.
pub(crate) struct Gateway {
    pub(crate) client: Client,
    /// `http://` and the admin address.
    pub(crate) admin: String,
    /// `http://` and the data address.
    pub(crate) data: String,
    child: Child,
    log: PathBuf,
}

/// A place for one gateway's files, over restarts.
pub(crate) struct Home(tempfile::TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Replaces a file the way deployments do.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path("beside"), text).unwrap();
        std::fs::rename(self.path("beside"), self.path(name)).unwrap();
    }

    /// A gateway with this home's state directory.
    pub(crate) async fn start(&self, arguments: &[&str]) -> Gateway {
        self.start_in(&[], arguments).await
    }

    /// The same, with more in its environment.
    pub(crate) async fn start_in(&self, environment: &[(&str, String)], arguments: &[&str]) -> Gateway {
        let state = self.path("state");
        let mut command = command(arguments);
        command.arg("--state").arg(state).envs(environment.iter().map(|(name, value)| (*name, value)));
        Gateway::start(&self.path("log"), command).await
    }
}

/// A gateway command with an environment of its own.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_moorline-gateway"));
    command.env_clear().env("TOKEN", TOKEN).env("UPSTREAM_KEY", UPSTREAM_KEY).env("RUST_LOG", "debug");
    let workers: &[&str] = if arguments.contains(&"--workers") { &[] } else { &["--workers", "1"] };
    command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]).args(workers).args(arguments);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

impl Gateway {
    async fn start(log: &Path, mut command: Command) -> Self {
        let errors = std::fs::File::options().create(true).append(true).open(log).unwrap();
        let mut child = command
            .args(["--admin-token", "env:TOKEN"])
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = in_time(lines.next_line()).await.unwrap();
        let line = line
            .unwrap_or_else(|| panic!("no announcement; log:\n{}", std::fs::read_to_string(log).unwrap()));
        let announced: Value = serde_json::from_str(&line).unwrap();
        let url = |port: &str| format!("http://{}", announced["listening"][port].as_str().unwrap());
        let client = Client::new(&url("admin"), Some(Secret::new(TOKEN.to_owned()))).unwrap();
        Self { client, admin: url("admin"), data: url("data"), child, log: log.to_owned() }
    }

    /// A call below the admin API's own client: path and everything as given, with the token.
    pub(crate) fn raw(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        reqwest::Client::new()
            .request(method.parse().unwrap(), format!("{}{path}", self.admin))
            .bearer_auth(TOKEN)
            .timeout(DEADLINE)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id().unwrap()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    /// Waits for the process to end.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        in_time(self.child.wait()).await.unwrap()
    }

    /// kill -9.
    pub(crate) async fn killed(self) {
        self.signal(Signal::KILL);
        self.ended().await;
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

/// Waits with the deadline.
pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("done in time")
}

/// Waits until the status says so.
pub(crate) async fn until(gateway: &Gateway, what: impl Fn(&Status) -> bool) -> Status {
    in_time(async {
        loop {
            let status = gateway.client.status().await.unwrap();
            if what(&status) {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

/// The status of `/readyz`.
pub(crate) async fn ready(gateway: &Gateway) -> u16 {
    let request = reqwest::Client::new().get(format!("{}/readyz", gateway.data)).timeout(DEADLINE);
    request.send().await.unwrap().status().as_u16()
}

/// A document that differs from others by its name, with a provider whose key is a secret.
pub(crate) fn document(name: &str) -> Value {
    json!({
        "version": 1,
        "name": name,
        "providers": {"up": {"kind": "openai_compatible", "base_url": "http://127.0.0.1:9/v1", "api_key": "env:UPSTREAM_KEY"}},
        "models": {"m": {"targets": [{"provider": "up", "model": "m"}]}},
        "routes": [{"path": "/v1/chat/*", "models": ["m"]}],
        "keys": [{"name": "team", "sha256": "ab".repeat(32)}],
    })
}

pub(crate) fn digest(document: &Value) -> Digest {
    Digest::of(document)
}

/// A write of the reconciler's.
pub(crate) fn git(commit: &str) -> WriteOptions {
    WriteOptions { origin: Some(Origin::Git), commit: Some(commit.to_owned()), ..WriteOptions::default() }
}

/// The kind of problem a call was refused with.
pub(crate) fn problem<T: std::fmt::Debug>(result: Result<T, AdminError>) -> (u16, String, String) {
    let error = result.expect_err("a refusal");
    let problem = error.problem().unwrap_or_else(|| panic!("no problem document: {error}"));
    let kind = problem.kind.strip_prefix("urn:moorline:problem:").unwrap().to_owned();
    (problem.status, kind, problem.detail.clone())
}
