//! The README's first hour, command by command: from an empty folder to "in sync" and to a first merged change.
//!
//! In: README.md, and of everything else only what a person's machine would give: programs on PATH, a home, a provider's
//! address and key, free ports. What the README says is what is run.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use moorline_api::Client;
use moorline_model::status::StatusWord;
use moorline_model::{EnvironmentName, Secret};
use moorline_tests::process::program;
use moorline_tests::{Provider, Shown as _, in_time};
use rustix::process::{Pid, Signal, kill_process_group};

const README: &str = include_str!("../../../README.md");
/// What stands before a block of commands that this test runs.
const MARK: &str = "<!-- first-hour -->";
/// How long all of it may take, for a machine that does much else.
const TIME_MAX: Duration = Duration::from_mins(5);

/// The commands of the README's marked blocks, as they stand there.
fn commands() -> String {
    let blocks = README.split(MARK).skip(1).map(|rest| {
        let (fence, rest) = rest.trim_start().split_once('\n').unwrap();
        assert_eq!(fence.trim(), "```sh", "a mark stands before a block of commands");
        let lines = rest.lines().take_while(|line| line.trim() != "```");
        lines.map(str::trim).collect::<Vec<_>>().join("\n")
    });
    blocks.collect::<Vec<_>>().join("\n")
}

fn free_address() -> SocketAddr {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap()
}

/// Ends everything that the session started, also when the test fails.
struct Session(std::process::Child);

impl Session {
    fn end(&self) {
        let group = Pid::from_child(&self.0);
        if kill_process_group(group, Signal::KILL).is_err() {
            // All of them have ended.
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end();
    }
}

fn log(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap_or_default()
}

/// The folder that `init` chose for the state and the logs of the checkout `deploy`.
fn work(home: &Path) -> PathBuf {
    let all = std::fs::read_dir(home.join(".local/state/moorline"));
    let mut all = all.into_iter().flatten().flatten().map(|entry| entry.path());
    all.next().unwrap_or_else(|| home.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_leads_to_in_sync_and_to_a_first_merged_change() {
    let folder = tempfile::Builder::new().prefix("moorline-first-hour-").tempdir().unwrap();
    let here = folder.path();
    let provider = Provider::start().await;
    let (callers, admin, listen) = (free_address(), free_address(), free_address());
    let programs = program("moorline").parent().unwrap().display().to_string();
    assert!(program("moorline-gateway").is_file());
    let path = std::env::var("PATH").unwrap();
    let began = Instant::now();
    // Each command is printed before it is run; the first that fails ends the session.
    let script = format!("set -euo pipefail; set -x\n{}\nenv | grep '_TOKEN=' > ../session\n", commands());
    std::fs::write(here.join("script"), script).unwrap();
    let said = std::fs::File::create(here.join("said")).unwrap();
    let started = Command::new("bash")
        .arg(here.join("script"))
        .current_dir(here)
        .env_clear()
        .envs([("PATH", format!("{programs}:{path}")), ("HOME", here.display().to_string())])
        .envs([
            ("OPENAI_BASE_URL", provider.base_url()),
            ("OPENAI_API_KEY", "a provider's key".replace(' ', "-")),
        ])
        // Git asks who commits.
        .envs([("GIT_AUTHOR_NAME", "Ann"), ("GIT_AUTHOR_EMAIL", "ann@example.com")])
        .envs([("GIT_COMMITTER_NAME", "Ann"), ("GIT_COMMITTER_EMAIL", "ann@example.com")])
        // The ports of a machine where others run the same.
        .envs(
            [
                ("MOORLINE_GATEWAY_LISTEN", callers),
                ("MOORLINE_GATEWAY_ADMIN", admin),
                ("MOORLINE_LISTEN", listen),
            ]
            .map(|(name, address)| (name, address.to_string())),
        )
        .envs(
            [("MOORLINE_SERVER", listen), ("GATEWAY", callers)]
                .map(|(name, address)| (name, format!("http://{address}"))),
        )
        .stdin(Stdio::null())
        .stdout(said.try_clone().unwrap())
        .stderr(said)
        .process_group(0)
        .spawn();
    let mut session = Session(started.unwrap());
    let status = loop {
        if let Some(status) = session.0.try_wait().unwrap() {
            break status;
        }
        assert!(
            began.elapsed() < TIME_MAX,
            "it does not end:\n{}\n{}",
            log(here, "said"),
            log(&work(here), "daemon.log")
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let work = work(here);
    let told =
        || format!("{}\n{}\n{}", log(here, "said"), log(&work, "daemon.log"), log(&work, "gateway.log"));
    assert!(status.success(), "the README's commands fail ({status}):\n{}", told());

    // What the README promises at its end: the merged commit is verified, and serves.
    let head = git2::Repository::open_bare(here.join("deploy.git")).unwrap();
    let head = head.find_branch("main", git2::BranchType::Local).unwrap().get().target().unwrap().to_string();
    let session_said = log(here, "session");
    let token = of_session(&session_said, "MOORLINE_TOKEN");
    let client = Client::new(&format!("http://{listen}"), secret(token)).unwrap();
    let dev = "dev".parse().unwrap();
    let environment = in_time("the daemon answers", client.environment(&dev)).await.unwrap();
    let verified = environment.verified_commit().map(ToString::to_string);
    assert_eq!(verified, Some(head), "{environment:#?}\n{}", told());
    assert_eq!(environment.status.word, StatusWord::InSync, "{environment:#?}");
    assert!(provider.requests() > 2, "probes and a caller reached the provider");
    the_edit_by_hand_was_found_and_taken_back(&client, &dev).await;
    the_declared_limit_serves(admin, &session_said).await;
    assert_eq!(started_by_readme(&work), started_by_init(&log(here, "said")));
    // No file that a person commits holds a secret.
    for file in ["deploy/moorline.yaml", "deploy/gateway.yaml", "deploy/moorlined.yaml"] {
        assert!(!log(here, file).contains(token), "{file}");
    }
    session.end();
}

fn secret(text: &str) -> Option<Secret> {
    Some(Secret::new(text.to_owned()))
}

/// What the last step promises: the history tells it with who and why, and the declared limit is back.
async fn the_edit_by_hand_was_found_and_taken_back(client: &Client, dev: &EnvironmentName) {
    let events = client.history(dev, 50).await.unwrap().events;
    for part in [
        "differs in routes[0].limits[0].requests",
        "to see it taken back) (declared 2000, live 5)",
        "restored the document in force",
        "as declared again",
    ] {
        let is_told = events.iter().any(|row| row.event.message.contains(part));
        assert!(is_told, "{part}: {events:#?}");
    }
    let environment = client.environment(dev).await.unwrap();
    assert_eq!(environment.drift.open, 0, "{environment:#?}");
}

async fn the_declared_limit_serves(admin: SocketAddr, session: &str) {
    let token = secret(of_session(session, "GATEWAY_ADMIN_TOKEN"));
    let gateway = moorline_admin::Client::new(&format!("http://{admin}"), token).unwrap();
    let document = gateway.config().await.unwrap().document;
    assert_eq!(document["routes"][0]["limits"][0]["requests"], 2000);
}

/// A variable of the session when it ended.
fn of_session<'a>(session: &'a str, name: &str) -> &'a str {
    let value = session.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    assert!(value.is_some(), "the session has no {name}");
    value.unwrap()
}

/// The lines that start gateway and daemon, as the README has them, with the folder in them.
fn started_by_readme(work: &Path) -> Vec<String> {
    let work = work.display().to_string();
    let line = |line: &str| line.replace('"', "").replace("$work", &work);
    starts(&commands()).map(line).collect()
}

/// The same, as `init` printed them.
fn started_by_init(said: &str) -> Vec<String> {
    let next = said.split("Next:").nth(1).unwrap_or_default();
    starts(next).take(2).map(str::to_owned).collect()
}

fn starts(text: &str) -> impl Iterator<Item = &str> {
    let programs = ["moorline-gateway ", "moorline daemon "];
    text.lines().map(str::trim).filter(move |line| programs.iter().any(|program| line.starts_with(program)))
}

#[test]
fn the_readme_s_commands_are_found() {
    let commands = commands();
    let all = ["git clone", "moorline init", "moorline daemon", "moorline sync dev --wait", "git merge"];
    for command in all.into_iter().chain(["moorline drift dev"]) {
        assert!(commands.contains(command), "{command} is not among:\n{commands}");
    }
}
