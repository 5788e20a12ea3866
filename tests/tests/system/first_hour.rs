//! The README's first hour, command by command: from an empty folder to "in sync" and to a first merged change.
//!
//! In: README.md, and of everything else only what a person's machine would give: programs on PATH, a home, a provider's
//! address and key, free ports. What the README says is what is run.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use moorline_tests::process::program;
use moorline_tests::{Api, Provider, in_time};
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
    let script =
        format!("set -euo pipefail; set -x\n{}\nenv | grep '^MOORLINE_TOKEN=' > ../session\n", commands());
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
            log(here, "daemon.log")
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let told = || format!("{}\n{}\n{}", log(here, "said"), log(here, "daemon.log"), log(here, "gateway.log"));
    assert!(status.success(), "the README's commands fail ({status}):\n{}", told());

    // What the README promises at its end: the merged commit is verified, and serves.
    let head = git2::Repository::open_bare(here.join("deploy.git")).unwrap();
    let head = head.find_branch("main", git2::BranchType::Local).unwrap().get().target().unwrap().to_string();
    let session_said = log(here, "session");
    let token = session_said.trim().strip_prefix("MOORLINE_TOKEN=").expect("the session has a token");
    let api = Api::new(&format!("http://{listen}"), Some(token));
    let environment = in_time("the daemon answers", api.read("/environments/dev")).await.unwrap();
    assert_eq!(environment["verified"]["revision"]["commit"], head, "{environment}\n{}", told());
    assert_eq!(environment["status"]["word"], "in sync", "{environment}");
    assert!(provider.requests() > 2, "probes and a caller reached the provider");
    // No file that a person commits holds a secret.
    for file in ["deploy/moorline.yaml", "deploy/gateway.yaml", "deploy/moorlined.yaml"] {
        assert!(!log(here, file).contains(token), "{file}");
    }
    session.end();
}

#[test]
fn the_readme_s_commands_are_found() {
    let commands = commands();
    for command in ["git clone", "moorline init", "moorline daemon", "moorline sync dev --wait", "git merge"]
    {
        assert!(commands.contains(command), "{command} is not among:\n{commands}");
    }
}
