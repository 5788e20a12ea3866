//! Starts the demo's parts: folders, secrets, the provider mirror, the repository, and the processes.

mod declared;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use moorline_config::Secret;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::narrator::Narrator;
use super::process::{Process, Start, StartError};
use super::repository::{Files, Remote};
use super::smtp::Mail;
use super::{provider, smtp};
use moorline_daemon::random::{self, NoRandomBytes};

/// Why the parts could not be started.
#[derive(Debug, thiserror::Error)]
pub(super) enum SetupError {
    /// A program is missing.
    #[error("{name} was not found beside this program or on PATH")]
    Program { name: String },
    /// A file or folder could not be written.
    #[error("{} cannot be written", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// A process did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A process started, and printed something unexpected.
    #[error("{program} did not say where it listens, but: {output}")]
    NotListening {
        program: &'static str,
        /// What it printed.
        output: String,
    },
    /// A command did not succeed.
    #[error("{command} failed: {output}")]
    Command {
        command: String,
        /// What it printed.
        output: String,
    },
    #[error("the repository cannot be made")]
    Git(#[from] git2::Error),
    /// No port could be had.
    #[error("{0}")]
    Machine(String),
    /// No secret could be made up.
    #[error(transparent)]
    Random(#[from] NoRandomBytes),
}

/// The demo's secrets. Made anew each time; known to nobody else.
pub(super) struct Secrets {
    pub(super) gateway: Secret,
    pub(super) document: Secret,
    pub(super) operator: Secret,
    pub(super) caller: Secret,
    provider: Secret,
}

/// A gateway replica.
pub(super) struct Gateway {
    process: Process,
    /// Where callers reach it.
    pub(super) data: String,
    /// Where its admin API is.
    pub(super) admin: String,
}

pub(super) struct Setup {
    pub(super) directory: PathBuf,
    pub(super) console: String,
    pub(super) secrets: Secrets,
    pub(super) gateways: Vec<Gateway>,
    pub(super) remote: Remote,
    pub(super) files: Files,
    pub(super) mails: Arc<Mutex<mpsc::Receiver<Mail>>>,
    daemon: Process,
}

impl Setup {
    /// Starts all parts.
    pub(super) async fn make(
        narrator: &Narrator,
        directory: PathBuf,
        tasks: &TaskTracker,
        cancel: &CancellationToken,
    ) -> Result<Self, SetupError> {
        narrator.step("Starting the parts");
        let logs = directory.join("logs");
        make_folder(&logs)?;
        let secrets = Secrets::make()?;
        let machine = |error: std::io::Error| SetupError::Machine(error.to_string());
        let provider = provider::start(tasks, cancel.clone()).await.map_err(machine)?;
        let (mail, mails) = smtp::start(tasks, cancel.clone()).await.map_err(machine)?;
        narrator.happened(&format!("a provider at http://{provider}, a mail server at {mail}"));

        let mut gateways = Vec::new();
        for number in 1..=2 {
            let gateway = start_gateway(&directory, &secrets, number).await?;
            narrator
                .happened(&format!("gateway {number}: callers {}, admin {}", gateway.data, gateway.admin));
            gateways.push(gateway);
        }
        let mirror = install_provider(&directory).await?;
        let caller = hex::encode(Sha256::digest(secrets.caller.expose().as_bytes()));
        let mut files = declared::files(&declared::Addresses {
            gateways: gateways.iter().map(|gateway| gateway.admin.clone()).collect(),
            provider: provider.to_string(),
            state: directory.join("terraform.tfstate").display().to_string(),
            caller_sha256: caller,
        });
        let lock = lock_file(&directory, &mirror, &files).await?;
        files.insert("infra/.terraform.lock.hcl".to_owned(), lock);
        let remote = Remote::init(&directory.join("deploy.git"))?;
        narrator.happened(&format!("a bare repository at {}", directory.join("deploy.git").display()));

        let (daemon, console) = start_daemon(&directory, &mirror.folder, &secrets, mail).await?;
        narrator.happened(&format!("the daemon; console at {console}"));
        Ok(Self {
            directory,
            console,
            secrets,
            gateways,
            remote,
            files,
            mails: Arc::new(Mutex::new(mails)),
            daemon,
        })
    }

    /// Stops the processes.
    pub(super) async fn stop(self) {
        self.daemon.stop().await;
        for gateway in self.gateways {
            gateway.process.stop().await;
        }
    }

    /// Prints the end of each log, for whoever has only the terminal.
    pub(super) fn print_logs(&self, narrator: &Narrator) {
        for name in ["daemon", "gateway-1", "gateway-2"] {
            let path = self.directory.join("logs").join(format!("{name}.log"));
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            narrator
                .say(&format!("{name}, last lines:\n{}", lines[lines.len().saturating_sub(25)..].join("\n")));
        }
    }
}

impl Secrets {
    fn make() -> Result<Self, SetupError> {
        Ok(Self {
            gateway: random::secret()?,
            document: random::secret()?,
            operator: random::secret()?,
            caller: random::secret()?,
            provider: random::secret()?,
        })
    }
}

fn make_folder(path: &Path) -> Result<(), SetupError> {
    std::fs::create_dir_all(path).map_err(|source| SetupError::File { path: path.to_owned(), source })
}

/// A program of ours: it stands beside this one.
fn beside(name: &str) -> Result<PathBuf, SetupError> {
    let own = std::env::current_exe().ok().and_then(|path| path.parent().map(|folder| folder.join(name)));
    own.filter(|path| path.is_file()).ok_or_else(|| SetupError::Program { name: name.to_owned() })
}

async fn start_gateway(directory: &Path, secrets: &Secrets, number: usize) -> Result<Gateway, SetupError> {
    let program = beside("moorline-gateway")?;
    let state = directory.join(format!("gateway-{number}"));
    let arguments = [
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--workers",
        "1",
        "--admin-token",
        "env:DEMO_GATEWAY_TOKEN",
        "--state",
    ];
    let mut arguments: Vec<String> = arguments.map(str::to_owned).into();
    arguments.push(state.display().to_string());
    let environment = [
        ("DEMO_GATEWAY_TOKEN", secrets.gateway.expose().to_owned()),
        ("DEMO_PROVIDER_KEY", secrets.provider.expose().to_owned()),
    ];
    let log = directory.join("logs").join(format!("gateway-{number}.log"));
    let (process, output) = Process::start(Start {
        program: &program,
        arguments: &arguments,
        environment: &environment,
        log: &log,
    })
    .await?;
    let address = |which: &str| {
        let listening: serde_json::Value = serde_json::from_str(&output).unwrap_or_default();
        listening
            .pointer(&format!("/listening/{which}"))
            .and_then(|address| address.as_str())
            .map(|address| format!("http://{address}"))
    };
    match (address("data"), address("admin")) {
        (Some(data), Some(admin)) => Ok(Gateway { process, data, admin }),
        _ => Err(SetupError::NotListening { program: "moorline-gateway", output }),
    }
}

async fn start_daemon(
    directory: &Path,
    mirror: &Path,
    secrets: &Secrets,
    mail: std::net::SocketAddr,
) -> Result<(Process, String), SetupError> {
    let program = std::env::current_exe().map_err(|_| SetupError::Program { name: "moorline".to_owned() })?;
    // The daemon's own address is needed by the declaration before the daemon runs: a free port is taken first.
    let listen = free_port()?;
    let settings = serde_json::json!({
        "repository": {"url": directory.join("deploy.git"), "poll": "5s"},
        "store": format!("sqlite:{}", directory.join("moorline.db").display()),
        "work_dir": directory.join("work"),
        "listen": listen.to_string(),
        "tokens": {"operator": "env:DEMO_OPERATOR_TOKEN"},
        "terraform": {"mirror": mirror},
    });
    let config = directory.join("moorlined.yaml");
    std::fs::write(&config, settings.to_string())
        .map_err(|source| SetupError::File { path: config.clone(), source })?;
    let arguments = ["daemon".to_owned(), "--config".to_owned(), config.display().to_string()];
    let endpoint = format!("http://{listen}/api/v1/environments/demo/document");
    let environment = [
        ("PATH", std::env::var("PATH").unwrap_or_default()),
        ("RUST_LOG", std::env::var("RUST_LOG").unwrap_or_else(|_| "info".to_owned())),
        ("DEMO_OPERATOR_TOKEN", secrets.operator.expose().to_owned()),
        ("DEMO_GATEWAY_TOKEN", secrets.gateway.expose().to_owned()),
        ("DEMO_DOCUMENT_TOKEN", secrets.document.expose().to_owned()),
        ("DEMO_DOCUMENT_ENDPOINT", endpoint),
        ("DEMO_CALLER_KEY", secrets.caller.expose().to_owned()),
        ("DEMO_SMTP_URL", format!("smtp://{mail}")),
    ];
    let log = directory.join("logs").join("daemon.log");
    let (process, _) = Process::start(Start {
        program: &program,
        arguments: &arguments,
        environment: &environment,
        log: &log,
    })
    .await?;
    Ok((process, format!("http://{listen}")))
}

fn free_port() -> Result<std::net::SocketAddr, SetupError> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0));
    listener
        .and_then(|listener| listener.local_addr())
        .map_err(|error| SetupError::Machine(error.to_string()))
}

/// The provider, laid out as a mirror, and the CLI configuration that goes with it.
struct Mirror {
    folder: PathBuf,
    cli_config: PathBuf,
}

async fn install_provider(directory: &Path) -> Result<Mirror, SetupError> {
    let folder = directory.join("mirror");
    let provider = beside("terraform-provider-moorline")?;
    let mirror = folder.display().to_string();
    let config = command(&provider, &["install", "--mirror", &mirror], directory, &[]).await?;
    let cli_config = directory.join("cli.tfrc");
    std::fs::write(&cli_config, config)
        .map_err(|source| SetupError::File { path: cli_config.clone(), source })?;
    Ok(Mirror { folder, cli_config })
}

/// The lock file, as a person makes it with `terraform init` before the first commit.
async fn lock_file(directory: &Path, mirror: &Mirror, files: &Files) -> Result<String, SetupError> {
    let checkout = directory.join("checkout");
    for (path, text) in files {
        let path = checkout.join(path);
        if let Some(folder) = path.parent() {
            make_folder(folder)?;
        }
        std::fs::write(&path, text).map_err(|source| SetupError::File { path: path.clone(), source })?;
    }
    let terraform = moorline_terraform::locate("terraform")
        .or_else(|_| moorline_terraform::locate("tofu"))
        .map_err(|error| SetupError::Machine(crate::chain::of(&error)))?;
    let infra = checkout.join("infra");
    let environment = [("TF_CLI_CONFIG_FILE", mirror.cli_config.as_path()), ("HOME", directory)];
    command(&terraform, &["init", "-backend=false", "-input=false"], &infra, &environment).await?;
    let path = infra.join(".terraform.lock.hcl");
    std::fs::read_to_string(&path).map_err(|source| SetupError::File { path, source })
}

async fn command(
    program: &Path,
    arguments: &[&str],
    directory: &Path,
    environment: &[(&str, &Path)],
) -> Result<String, SetupError> {
    let name = format!("{} {}", program.display(), arguments.join(" "));
    let failed = |text: String| SetupError::Command { command: name.clone(), output: text };
    let output = tokio::process::Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .envs(environment.iter().copied())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()))
    }
}
