//! A program of this workspace as a process: its own environment, its log in a file, killed when dropped.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::wait::in_time;

/// What Linux counts processor time in, whatever its own clock does.
const TICKS_A_SECOND: u64 = 100;

/// A program of this workspace, built beside the running test.
///
/// # Panics
/// When it is not built.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let here = std::env::current_exe().unwrap();
    // Tests are in `deps`, beside the binaries' folder; other binaries are right there.
    let folder = here.parent().unwrap();
    let folder = if folder.ends_with("deps") { folder.parent().unwrap() } else { folder };
    let path = folder.join(name);
    assert!(path.exists(), "{} is not there: run `make build` first", path.display());
    path
}

/// A running program that said where it listens.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pid: Pid,
    log: PathBuf,
    /// Kept: a closed pipe would end a program that writes to it.
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts a program. Its log is appended to `log`, so that a restart keeps what was there.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(program: &Path, arguments: &[String], variables: &[(String, String)], log: &Path) -> Self {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", log.parent().unwrap())
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{} cannot be started: {error}", program.display()));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed())).unwrap();
        Self { child, pid, log: log.to_owned(), lines }
    }

    /// The JSON of its first line, which says where it listens.
    ///
    /// # Panics
    /// When it ends before it says so.
    pub async fn listening(&mut self) -> Value {
        let line = in_time("a process says where it listens", self.lines.next_line()).await.unwrap();
        let Some(line) = line else { panic!("it ended before it listened:\n{}", self.log()) };
        serde_json::from_str::<Value>(&line).unwrap()["listening"].clone()
    }

    /// Its log so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its process id.
    #[must_use]
    pub const fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it is gone.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).unwrap();
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    /// When it does not.
    pub async fn ended(&mut self) -> ExitStatus {
        match tokio::time::timeout(crate::wait::DEADLINE, self.child.wait()).await {
            Ok(status) => status.unwrap(),
            Err(_) => panic!("it does not end:\n{}", tail(&self.log())),
        }
    }

    /// Asks it to end, and waits until it has.
    pub async fn stop(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended().await
    }

    /// SIGKILL, and waits until it is gone.
    pub async fn kill(mut self) {
        self.signal(Signal::KILL);
        self.ended().await;
    }

    /// Processor time it has used, in microseconds, of all its threads.
    ///
    /// # Panics
    /// When it is gone.
    #[must_use]
    pub fn cpu_micros(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid.as_raw_nonzero())).unwrap();
        // The name in parentheses may hold spaces; utime and stime are the 12th and 13th field after it.
        let after_name = stat.rsplit_once(") ").unwrap().1;
        let ticks = after_name.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap());
        ticks.sum::<u64>() * 1_000_000 / TICKS_A_SECOND
    }
}

/// The end of a log, for a test's report.
#[must_use]
pub fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}
