//! The demo's processes: started with what they need and nothing else, stopped when the demo ends.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Longest wait for a process to say that it listens.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait for a process to end after SIGTERM.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a process could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The program or its log file cannot be opened.
    #[error("{} cannot be started", program.display())]
    Spawn {
        program: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// It ended, or printed nothing, before it listened.
    #[error("{} did not start; its log is {}", program.display(), log.display())]
    Silent {
        program: PathBuf,
        /// Where it wrote.
        log: PathBuf,
    },
}

pub struct Process {
    child: Child,
}

/// How a process is started.
pub struct Start<'a> {
    pub program: &'a Path,
    pub arguments: &'a [String],
    /// Its whole environment.
    pub environment: &'a [(&'static str, String)],
    /// Where its stderr goes.
    pub log: &'a Path,
}

impl Process {
    /// Starts a process and waits for the first line on its stdout, which says where it listens.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(start: Start<'_>) -> Result<(Self, String), StartError> {
        let failed = |source| StartError::Spawn { program: start.program.to_owned(), source };
        let log = std::fs::File::create(start.log).map_err(failed)?;
        let mut child = Command::new(start.program)
            .args(start.arguments)
            .env_clear()
            .envs(start.environment.iter().map(|(name, value)| (*name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let silent = || StartError::Silent { program: start.program.to_owned(), log: start.log.to_owned() };
        let stdout = child.stdout.take().ok_or_else(silent)?;
        let mut lines = BufReader::new(stdout).lines();
        let line = tokio::time::timeout(START_TIMEOUT, lines.next_line()).await;
        let line = line.ok().and_then(Result::ok).flatten().ok_or_else(silent)?;
        Ok((Self { child }, line))
    }

    /// Asks the process to end, and kills it when it does not.
    pub async fn stop(mut self) {
        let id =
            self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        let signalled = id.map(|id| rustix::process::kill_process(id, rustix::process::Signal::TERM));
        if matches!(signalled, Some(Err(_))) {
            tracing::debug!("the process had ended");
        }
        if tokio::time::timeout(STOP_TIMEOUT, self.child.wait()).await.is_err() {
            drop(self.child.kill().await);
        }
    }
}
