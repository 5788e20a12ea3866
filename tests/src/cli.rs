//! The command line as people and scripts use it.

use std::process::Stdio;

use rustix::process::{Pid, Signal};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::process::program;
use crate::wait::in_time;

/// How a command ended and what it result.
#[derive(Debug, Clone)]
pub struct CommandResult {
    /// The exit code.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// Its messages for people.
    pub stderr: String,
}

impl CommandResult {
    /// What it printed, as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Runs `moorline` with these arguments and variables.
///
/// # Panics
/// When it cannot be run or does not end.
pub async fn moorline(arguments: &[&str], variables: &[(&str, &str)]) -> CommandResult {
    run("moorline", arguments, variables).await
}

/// The same for any program of this workspace.
///
/// # Panics
/// As [`moorline`].
pub async fn run(name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> CommandResult {
    let mut command = Command::new(program(name));
    command.args(arguments).env_clear().stdin(Stdio::null()).kill_on_drop(true);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.envs(variables.iter().copied());
    let output = in_time("a command ends", command.output()).await.unwrap();
    CommandResult {
        code: output.status.code().expect("it ended by itself"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A `moorline` that runs on and whose lines are read as they come.
pub struct Watch {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watch {
    /// Starts it with these arguments and variables.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program("moorline"));
        command.args(arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        command.envs(variables.iter().copied());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Its next line.
    ///
    /// # Panics
    /// When there is none.
    pub async fn line(&mut self) -> String {
        in_time("the next line", self.lines.next_line()).await.unwrap().expect("it goes on")
    }

    /// Interrupts it as a person does, and answers with its exit code.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn interrupt(mut self) -> i32 {
        let pid = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())).unwrap();
        rustix::process::kill_process(pid, Signal::INT).unwrap();
        in_time("moorline ends", self.child.wait()).await.unwrap().code().expect("it ended by itself")
    }
}
