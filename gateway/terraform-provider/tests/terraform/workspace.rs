//! A Terraform working directory of its own for each test, with the provider installed through a filesystem mirror.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// Longest single Terraform command.
const DEADLINE: Duration = Duration::from_secs(180);

/// What a command said.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Asserts that the command succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self}");
        self
    }

    /// Asserts that the command failed and said all of this.
    #[track_caller]
    pub(crate) fn failed_saying(self, words: &[&str]) -> Self {
        assert_ne!(self.code, 0, "{self}");
        // Terraform wraps lines and draws a bar beside them.
        let said: Vec<&str> = self.stderr.split_whitespace().filter(|word| !"│╷╵".contains(word)).collect();
        let said = said.join(" ");
        for each in words {
            assert!(said.contains(each), "`{each}` is not in:\n{self}");
        }
        self
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "exit {}\n{}\n{}", self.code, self.stdout, self.stderr)
    }
}

/// The mirror and the CLI configuration file beside it; made once.
fn cli_configuration() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let base = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let made = Command::new(env!("CARGO_BIN_EXE_terraform-provider-moorline"))
            .args(["install", "--mirror"])
            .arg(base.join("mirror"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let file = base.join("terraform.tfrc");
        std::fs::write(&file, made.stdout).unwrap();
        file
    })
}

/// A working directory.
pub(crate) struct Workspace {
    pub(crate) directory: TempDir,
    endpoint: String,
    token: String,
}

impl Workspace {
    /// A directory with one `main.tf`, initialised, for the given endpoint.
    pub(crate) fn new(endpoint: &str, token: &str, main: &str) -> Self {
        Self::made(TempDir::new().unwrap(), endpoint, token, main)
    }

    /// The same, with a module linked in as `./module`.
    pub(crate) fn around_module(endpoint: &str, token: &str, main: &str, module: &str) -> Self {
        let directory = TempDir::new().unwrap();
        std::os::unix::fs::symlink(module, directory.path().join("module")).unwrap();
        Self::made(directory, endpoint, token, main)
    }

    fn made(directory: TempDir, endpoint: &str, token: &str, main: &str) -> Self {
        let workspace = Self { directory, endpoint: endpoint.to_owned(), token: token.to_owned() };
        workspace.write(main);
        workspace.run(&["init", "-input=false"]).ok();
        workspace
    }

    /// Replaces `main.tf`.
    pub(crate) fn write(&self, main: &str) {
        std::fs::write(self.directory.path().join("main.tf"), main).unwrap();
    }

    /// Runs Terraform.
    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        self.run_with(arguments, &[])
    }

    /// Runs Terraform with more environment. Its own has nothing of the test's but the path.
    pub(crate) fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Outcome {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut command = tokio::process::Command::new("terraform");
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.directory.path())
            .env("TF_CLI_CONFIG_FILE", cli_configuration())
            .env("TF_DATA_DIR", self.directory.path().join(".data"))
            .env("TF_CLI_ARGS", "-no-color")
            .env("TF_IN_AUTOMATION", "1")
            .env("CHECKPOINT_DISABLE", "1")
            .env("MOORLINE_ENDPOINT", &self.endpoint)
            .env("MOORLINE_TOKEN", &self.token)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = runtime
            .block_on(async { tokio::time::timeout(DEADLINE, command.output()).await })
            .expect("terraform did not end in time")
            .expect("terraform must be on PATH");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Outcome {
            code: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Applies.
    #[track_caller]
    pub(crate) fn apply(&self) -> Outcome {
        self.run(&["apply", "-auto-approve", "-input=false"])
    }

    /// Asserts that a plan finds nothing to do.
    #[track_caller]
    pub(crate) fn assert_nothing_to_do(&self) {
        let plan = self.run(&["plan", "-detailed-exitcode", "-input=false"]);
        assert_eq!(plan.code, 0, "the plan is not empty: {plan}");
    }

    /// A plan as JSON.
    #[track_caller]
    pub(crate) fn plan(&self) -> Value {
        self.run(&["plan", "-input=false", "-out=plan"]).ok();
        serde_json::from_str(&self.run(&["show", "-json", "plan"]).ok().stdout).unwrap()
    }

    /// A resource's attributes in the state.
    #[track_caller]
    pub(crate) fn state(&self, address: &str) -> Value {
        let shown: Value = serde_json::from_str(&self.run(&["show", "-json"]).ok().stdout).unwrap();
        let resources = shown["values"]["root_module"]["resources"].as_array().unwrap();
        resources.iter().find(|each| each["address"] == address).unwrap()["values"].clone()
    }
}
