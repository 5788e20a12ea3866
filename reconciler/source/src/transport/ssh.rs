//! SSH: the system's `ssh` runs `git-upload-pack` at the other end, and we speak to it through pipes.
//!
//! The arguments are a fixed list in which the remote's parts stand behind `--`; the environment holds three
//! variables; there is no shell on this side. Unknown hosts are refused, and nothing is ever asked of a terminal.

use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;

use git2::Oid;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::runtime::Handle;

use super::Upstream;
use crate::budget::Budget;
use crate::config::{Limits, SshOptions};
use crate::fetch::{FetchError, Limit};
use crate::pack::PackWriter;
use crate::remote::SshRemote;
use crate::text;
use crate::wire::{
    Advertisement, ByteSource, Heads, PacketReader, nothing_wanted, pack_request, receive_pack,
};

/// The program, found through `PATH`.
const PROGRAM: &str = "ssh";

/// Bytes of stderr that are kept.
const STDERR_MAX: usize = 4096;

/// How long a process that closed its output may take to end.
const END: Duration = Duration::from_secs(5);

/// Bytes of progress and framing that a pack may bring with it.
const FRAMING: u64 = 16 * 1024 * 1024;

/// The argument vector after the program's name.
pub(crate) fn arguments(remote: &SshRemote, options: &SshOptions) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = Vec::new();
    let mut option = |text: String| arguments.extend([OsString::from("-o"), OsString::from(text)]);
    option("BatchMode=yes".to_owned());
    option("StrictHostKeyChecking=yes".to_owned());
    option("ForwardAgent=no".to_owned());
    option("ClearAllForwardings=yes".to_owned());
    option("PermitLocalCommand=no".to_owned());
    if let Some(file) = &options.known_hosts {
        option(format!("UserKnownHostsFile={file}"));
    }
    if let Some(file) = &options.identity {
        option("IdentitiesOnly=yes".to_owned());
        arguments.extend([OsString::from("-i"), file.as_path().as_os_str().to_owned()]);
    }
    arguments
        .extend(["-T", "-p", &remote.port().to_string(), "--", &remote.destination()].map(OsString::from));
    arguments.push(OsString::from(format!("git-upload-pack {}", quoted(remote.path()))));
    arguments
}

/// Quotes a path for the shell at the other end, as Git does: in single quotes, with `'` and `!` outside of them.
fn quoted(path: &str) -> String {
    let inner: String = path
        .chars()
        .map(|c| match c {
            '\'' => "'\\''".to_owned(),
            '!' => "'\\!'".to_owned(),
            other => other.to_string(),
        })
        .collect();
    format!("'{inner}'")
}

/// One fetch over SSH.
pub(super) struct SshUpstream {
    remote: SshRemote,
    options: SshOptions,
    limits: Limits,
    runtime: Handle,
    budget: Budget,
    session: Option<Session>,
}

/// A process that has listed its branches and waits for a request.
struct Session {
    packets: PacketReader<'static>,
    stdin: ChildStdin,
    capabilities: Vec<String>,
}

impl SshUpstream {
    pub(super) fn new(
        remote: SshRemote,
        options: &SshOptions,
        limits: &Limits,
        runtime: Handle,
        budget: Budget,
    ) -> Self {
        Self { remote, options: options.clone(), limits: limits.clone(), runtime, budget, session: None }
    }

    fn start(&self) -> Result<(ChildStdin, SshSource), FetchError> {
        FetchError::check(&self.budget)?;
        // Registering the pipes needs the runtime that drives them.
        let _inside = self.runtime.enter();
        let environment = &self.options.environment;
        let mut command = Command::new(PROGRAM);
        command
            .args(arguments(&self.remote, &self.options))
            .env_clear()
            .env("PATH", &environment.path)
            .envs(environment.home.iter().map(|value| ("HOME", value)))
            .envs(environment.agent.iter().map(|value| ("SSH_AUTH_SOCK", value)))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let remote = self.remote.to_string();
        let missing = |source| FetchError::SshMissing { remote: remote.clone(), source };
        let mut child = command.spawn().map_err(missing)?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(missing(std::io::Error::other("a pipe is missing")));
        };
        let source = SshSource {
            child,
            stdout,
            stderr: Some(stderr),
            stderr_text: Vec::new(),
            remote: remote.clone(),
            stall: self.limits.stall,
            runtime: self.runtime.clone(),
            budget: self.budget.clone(),
        };
        Ok((stdin, source))
    }

    fn write(&self, stdin: &mut ChildStdin, bytes: &[u8]) -> Result<(), FetchError> {
        let write = async {
            stdin.write_all(bytes).await?;
            stdin.flush().await
        };
        match wait(&self.runtime, &self.budget, self.limits.stall, write)? {
            // A process that is gone says why when its output is read.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            Err(source) => Err(FetchError::Unreachable { remote: self.remote.to_string(), source }),
            Ok(()) => Ok(()),
        }
    }
}

impl Upstream for SshUpstream {
    fn heads(&mut self) -> Result<Heads, FetchError> {
        let (stdin, source) = self.start()?;
        let bytes = self.limits.advertisement_bytes;
        let limit = Limit::AdvertisementBytes(bytes);
        let mut packets = PacketReader::new(Box::new(source), self.remote.to_string(), bytes, limit);
        let advertisement = Advertisement::read(&mut packets)?;
        self.session = Some(Session { packets, stdin, capabilities: advertisement.capabilities });
        Ok(advertisement.heads)
    }

    fn send(
        &mut self,
        wanted: Oid,
        known: &[Oid],
        _has: &dyn Fn(Oid) -> bool,
        pack: &mut PackWriter<'_>,
    ) -> Result<(), FetchError> {
        let remote = self.remote.to_string();
        let Some(mut session) = self.session.take() else {
            return Err(FetchError::Protocol {
                remote,
                problem: "the branches were not listed yet".to_owned(),
            });
        };
        let request = pack_request(&remote, &session.capabilities, wanted, known)?;
        self.write(&mut session.stdin, &request)?;
        session.packets.allow(self.limits.pack_bytes + FRAMING, Limit::PackBytes(self.limits.pack_bytes));
        receive_pack(&mut session.packets, pack)
    }

    fn leave(&mut self) {
        if let Some(mut session) = self.session.take()
            && let Err(error) = self.write(&mut session.stdin, nothing_wanted())
        {
            tracing::debug!(%error, "ending the ssh session");
        }
    }
}

/// The output of the process. It is killed when this is dropped.
struct SshSource {
    child: Child,
    stdout: ChildStdout,
    stderr: Option<ChildStderr>,
    stderr_text: Vec<u8>,
    remote: String,
    stall: Duration,
    runtime: Handle,
    budget: Budget,
}

impl ByteSource for SshSource {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FetchError> {
        let (runtime, budget, stall) = (self.runtime.clone(), self.budget.clone(), self.stall);
        let read = wait(&runtime, &budget, stall, self.read_either(buffer))?;
        match read {
            // We read no further than the last packet, so an end is always too early.
            Ok(0) => Err(self.ended()),
            Ok(count) => Ok(count),
            Err(source) => Err(FetchError::Unreachable { remote: self.remote.clone(), source }),
        }
    }
}

impl SshSource {
    /// Reads output, and takes stderr in meanwhile so that the process never waits for us to do so.
    async fn read_either(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let mut words = [0; 512];
        loop {
            let Some(stderr) = &mut self.stderr else { return self.stdout.read(buffer).await };
            tokio::select! {
                biased;
                // Both reads are cancel safe: a read that is dropped has taken nothing.
                read = self.stdout.read(buffer) => return read,
                read = stderr.read(&mut words) => match read {
                    Ok(0) | Err(_) => self.stderr = None,
                    Ok(count) => keep(&mut self.stderr_text, &words[..count]),
                },
            }
        }
    }

    /// Waits for the process to end and makes an error of its last lines.
    fn ended(&mut self) -> FetchError {
        let (runtime, budget) = (self.runtime.clone(), self.budget.clone());
        let end = async {
            let mut words = [0; 512];
            while let Some(stderr) = &mut self.stderr {
                match stderr.read(&mut words).await {
                    Ok(0) | Err(_) => self.stderr = None,
                    Ok(count) => keep(&mut self.stderr_text, &words[..count]),
                }
            }
            self.child.wait().await
        };
        let status = match wait(&runtime, &budget, END, end) {
            Ok(Ok(status)) => status.code(),
            Ok(Err(_)) | Err(_) => None,
        };
        let message = last_lines(&self.stderr_text);
        FetchError::Ssh { remote: self.remote.clone(), status, message }
    }
}

/// Adds to what was read of stderr and keeps its end, where `ssh` says why.
fn keep(stderr_text: &mut Vec<u8>, words: &[u8]) {
    stderr_text.extend_from_slice(words);
    let excess = stderr_text.len().saturating_sub(STDERR_MAX);
    stderr_text.drain(..excess);
}

/// The last lines of stderr, as one.
fn last_lines(stderr_text: &[u8]) -> String {
    let stderr_text = String::from_utf8_lossy(stderr_text);
    let lines: Vec<String> =
        stderr_text.lines().map(|line| text::line(line, 200)).filter(|line| !line.is_empty()).collect();
    match lines.as_slice() {
        [] => "it printed nothing".to_owned(),
        lines => lines[lines.len().saturating_sub(4)..].join("; "),
    }
}

/// Waits on a blocking thread for something asynchronous, no longer than the budget and `stall` allow.
fn wait<T>(
    runtime: &Handle,
    budget: &Budget,
    stall: Duration,
    work: impl Future<Output = std::io::Result<T>>,
) -> Result<std::io::Result<T>, FetchError> {
    FetchError::check(budget)?;
    let limit = budget.left().min(stall);
    let waited = runtime.block_on(async {
        tokio::select! {
            biased;
            // Nobody waits any more.
            () = budget.cancelled().cancelled() => Err(FetchError::Cancelled),
            // The work itself, with its deadline; what it had not finished is dropped.
            done = tokio::time::timeout(limit, work) => Ok(done),
        }
    })?;
    if waited.is_err() {
        FetchError::check(budget)?;
    }
    Ok(waited.unwrap_or_else(|_| {
        Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "no data arrived for too long"))
    }))
}

#[cfg(test)]
mod tests;
