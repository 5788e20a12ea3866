//! One command as a child process: an empty environment, no standard input, a process group of its own, bounded
//! output, a deadline, and an end in order.
//!
//! In: a [`Command`]. Out: how it ended and what it wrote. Stopping is gentle first, because Terraform needs time to
//! write its state and let go of its lock: one interrupt to it alone, then a wait, then the whole group is killed.
//!
//! An apply writes to files that are read along, not to pipes: should this process die, a pipe would end Terraform at
//! its next line, before it has written its state.

mod group;
mod lines;
mod output;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use group::{Group, OnDrop};
use output::{Tail, Written};

pub(crate) use lines::Lines;

/// Most of standard error that is kept.
const STDERR_BYTES_MAX: usize = 32 * 1024;
/// Most that a file read along may grow to.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// How long output is still read after the process has ended: a process that left the group may hold the pipe.
const DRAIN: Duration = Duration::from_secs(2);

/// A command to run.
pub(crate) struct Command<'a> {
    pub(crate) program: &'a Path,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: &'a BTreeMap<OsString, OsString>,
    pub(crate) directory: &'a Path,
    /// Files for standard output and error; absent: pipes.
    pub(crate) output_files: Option<[PathBuf; 2]>,
}

/// When and how a command is stopped.
pub(crate) struct Limits<'a> {
    pub(crate) deadline: Instant,
    pub(crate) cancel: &'a CancellationToken,
    /// How long an interrupted command may take to end in order.
    pub(crate) grace: Duration,
}

/// What takes standard output.
pub(crate) trait Sink: Send {
    /// Takes some bytes; an error says that it was too much, and the command is stopped.
    fn take(&mut self, bytes: &[u8]) -> Result<(), TooMuch>;
}

/// More was written than is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TooMuch {
    pub(crate) max_bytes: u64,
}

/// How a command ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    /// The end of what it wrote to standard error.
    pub(crate) stderr: String,
    /// Why it was stopped, if it was.
    pub(crate) stopped: Option<Stop>,
}

/// Why a command was stopped.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stop {
    Cancelled,
    TimedOut,
    TooMuch(TooMuch),
}

/// Runs a command to its end.
///
/// # Errors
/// When it could not be started or watched.
pub(crate) async fn run(command: Command<'_>, limits: &Limits<'_>, sink: &mut dyn Sink) -> io::Result<Ended> {
    let [out, err] = match &command.output_files {
        Some([out, err]) => [Some(output::file(out)?), Some(output::file(err)?)],
        None => [None, None],
    };
    let on_drop = if out.is_some() { OnDrop::Interrupt } else { OnDrop::Kill };
    let (stdout_to, stdout_file) = output::ends(out);
    let (stderr_to, stderr_file) = output::ends(err);
    let mut child = tokio::process::Command::new(command.program)
        .args(&command.arguments)
        .env_clear()
        .envs(command.environment)
        .current_dir(command.directory)
        .stdin(Stdio::null())
        .stdout(stdout_to)
        .stderr(stderr_to)
        .process_group(0)
        .spawn()?;
    let mut watch = Watch {
        group: Group::new(child.id(), on_drop),
        stdout: stdout_file.map_or_else(|| Written::pipe(child.stdout.take()), Written::file),
        stderr: stderr_file.map_or_else(|| Written::pipe(child.stderr.take()), Written::file),
        tail: Tail::new(STDERR_BYTES_MAX),
        stopping: Stopping::No,
        stopped: None,
    };
    let status = watch.until_ended(&mut child, limits, sink).await?;
    watch.drain(sink).await;
    Ok(Ended { status, stderr: watch.tail.into_text(), stopped: watch.stopped })
}

/// How far a stop has come, and when the next, harder step is due.
#[derive(Clone, Copy)]
enum Stopping {
    No,
    Interrupted { until: Instant },
    Terminated { until: Instant },
    Killed,
}

struct Watch {
    group: Group,
    stdout: Written,
    stderr: Written,
    tail: Tail,
    stopping: Stopping,
    stopped: Option<Stop>,
}

impl Watch {
    async fn until_ended(
        &mut self,
        child: &mut tokio::process::Child,
        limits: &Limits<'_>,
        sink: &mut dyn Sink,
    ) -> io::Result<ExitStatus> {
        let mut buffer = vec![0; 64 * 1024];
        let mut errors = vec![0; 16 * 1024];
        loop {
            let next = match self.stopping {
                Stopping::No => Some(limits.deadline),
                Stopping::Interrupted { until } | Stopping::Terminated { until } => Some(until),
                Stopping::Killed => None,
            };
            tokio::select! {
                // The end of the process. Cancel safe: it is asked again.
                status = child.wait() => {
                    self.group.leader_ended();
                    return status;
                }
                // Its output. Cancel safe: nothing is read until it is returned.
                read = self.stdout.read(&mut buffer) => {
                    let taken = sink.take(&buffer[..read?]).and_then(|()| self.stdout.check_size(FILE_BYTES_MAX));
                    if let Err(too_much) = taken {
                        self.stop(Stop::TooMuch(too_much), limits.grace);
                    }
                }
                // Its complaints; only their end is kept. Cancel safe likewise.
                read = self.stderr.read(&mut errors) => {
                    self.tail.push(&errors[..read?]);
                    if let Err(too_much) = self.stderr.check_size(FILE_BYTES_MAX) {
                        self.stop(Stop::TooMuch(too_much), limits.grace);
                    }
                }
                // A person or the daemon's shutdown.
                () = limits.cancel.cancelled(), if matches!(self.stopping, Stopping::No) => {
                    self.stop(Stop::Cancelled, limits.grace);
                }
                // The deadline, or the end of the patience with a stop under way.
                () = sleep_until(next) => match self.stopping {
                    Stopping::No => self.stop(Stop::TimedOut, limits.grace),
                    _ => self.stop_harder(),
                },
            }
        }
    }

    /// Interrupts, once: Terraform takes a second interrupt as leave to lose the state.
    fn stop(&mut self, why: Stop, grace: Duration) {
        if matches!(self.stopping, Stopping::No) {
            self.stopped = Some(why);
            self.group.interrupt_leader();
            self.stopping = Stopping::Interrupted { until: Instant::now() + grace };
        }
    }

    fn stop_harder(&mut self) {
        self.stopping = match self.stopping {
            Stopping::No | Stopping::Killed => return,
            Stopping::Interrupted { .. } => {
                self.group.terminate();
                Stopping::Terminated { until: Instant::now() + Duration::from_secs(2) }
            }
            Stopping::Terminated { .. } => {
                self.group.kill();
                Stopping::Killed
            }
        };
    }

    /// Reads what is left; what is too much now is simply not read.
    async fn drain(&mut self, sink: &mut dyn Sink) {
        let mut buffer = vec![0; 64 * 1024];
        let all = async {
            while let Ok(read @ 1..) = self.stdout.read_rest(&mut buffer).await {
                if let Err(too_much) = sink.take(&buffer[..read]) {
                    self.stopped.get_or_insert(Stop::TooMuch(too_much));
                    break;
                }
            }
            while let Ok(read @ 1..) = self.stderr.read_rest(&mut buffer).await {
                self.tail.push(&buffer[..read]);
            }
        };
        // A deadline reached here loses only words of a process that is gone.
        if tokio::time::timeout(DRAIN, all).await.is_err() {
            tracing::debug!("a process that left its group still holds the output of terraform");
        }
    }
}

async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
