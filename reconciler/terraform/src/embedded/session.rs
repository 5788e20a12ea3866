//! One run: the checks before it, its folders, and the commands it consists of, each with the run's deadline.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::child::{self, Command, Ended, Limits, Lines, Sink, Stop, TooMuch};
use crate::diagnostic::Diagnostic;
use crate::error::{Failure, RunError, Stale, Step};
use crate::event::{Line, Reader};
use crate::gate::{self, GateReport};
use crate::locate::{locate, outside};
use crate::private::{KeptStates, RunFolder, private_folder};
use crate::redact::{Known, learn_raw_state};
use crate::runner::{Applied, Event, Job, Progress, StateIdentity};

use super::EmbeddedRunner;
use super::memory::{InitKey, Memory};

/// Most bytes of a plan or state as JSON; fewer in tests, which go to the end of it.
const DOCUMENT_BYTES_MAX: usize = if cfg!(test) { 8 } else { 256 } * 1024 * 1024;

/// Whether the static gate is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// It is; what it does not know is refused.
    Closed,
    /// It is not: to show that what it would refuse is held by the rest as well.
    #[cfg(test)]
    Open,
}

/// Whether `init` ran for this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prepared {
    Now,
    /// An earlier run's serves.
    Before,
}

pub(super) struct Session<'a> {
    pub(super) job: &'a Job,
    pub(super) folder: RunFolder,
    program: PathBuf,
    directory: PathBuf,
    terraform_data: PathBuf,
    limits: Limits<'a>,
    timeout: Duration,
    progress: &'a dyn Progress,
    // Grows as the run sees more: what the state marks as sensitive is known from then on.
    known: Mutex<Known>,
    environment: OnceLock<BTreeMap<OsString, OsString>>,
    // What the gate saw, and what `init` goes by.
    report: OnceLock<(GateReport, Option<InitKey>)>,
    gate: Gate,
    memory: &'a Memory,
}

impl<'a> Session<'a> {
    pub(super) fn open(
        runner: &'a EmbeddedRunner,
        job: &'a Job,
        cancel: &'a CancellationToken,
        progress: &'a dyn Progress,
    ) -> Result<Self, RunError> {
        let program = locate(&job.environment.binary)
            .and_then(|path| outside(path, &job.tree))
            .map_err(RunError::BinaryMissing)?;
        let directory = job.tree.join(&job.environment.directory);
        let kept = KeptStates::of(&job.data_dir);
        // Left behind by an apply that we did not see the end of.
        kept.take_from(&directory)?;
        if let Some(path) = kept.first()? {
            return Err(RunError::StateNotWritten { path });
        }
        let terraform_data = job.data_dir.join("terraform");
        private_folder(&job.data_dir)?;
        private_folder(&terraform_data)?;
        let timeout = job.environment.timeout.get();
        Ok(Self {
            job,
            folder: RunFolder::make(&job.run_dir, job.mirror.as_deref())?,
            program,
            directory,
            terraform_data,
            limits: Limits { deadline: Instant::now() + timeout, cancel, grace: runner.grace },
            timeout,
            progress,
            known: Mutex::new(Known::from_variables(&job.variables)),
            environment: OnceLock::new(),
            report: OnceLock::new(),
            gate: runner.gate,
            memory: &runner.memory,
        })
    }

    /// The secrets known so far.
    pub(super) fn known(&self) -> Known {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds secrets that an earlier run knew of.
    pub(super) fn learn(&self, known: Known) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).add(known);
    }

    /// The gate; then `init` and the workspace, unless they were done for the same before and nobody has touched what
    /// they made. Nothing runs before the gate has let the code through.
    pub(super) async fn prepare(&self) -> Result<Prepared, RunError> {
        let report = self.inspect()?;
        let has_remote_modules = !report.remote_modules.is_empty();
        let environment =
            self.folder.environment(&self.job.variables, &self.terraform_data, has_remote_modules);
        self.environment.get_or_init(|| environment);
        let key = InitKey::of(self.job, &self.program, &report);
        self.report.get_or_init(|| (report, key));
        if key.is_some_and(|key| self.memory.is_initialised(&self.terraform_data, key)) {
            // Read again: which modules are allowed is no part of what is remembered.
            if has_remote_modules {
                self.inspect_modules()?;
            }
            return Ok(Prepared::Before);
        }
        self.initialise().await?;
        Ok(Prepared::Now)
    }

    /// `init`, then the workspace. Only after the gate.
    pub(super) async fn initialise(&self) -> Result<(), RunError> {
        self.memory.forget(&self.terraform_data);
        let Some((report, key)) = self.report.get() else { return Ok(()) };
        if !report.remote_modules.is_empty() {
            self.document(Step::Modules, vec!["-no-color".into()]).await?;
            self.inspect_modules()?;
        }
        let lock_file = self.directory.join(".terraform.lock.hcl");
        if report.uses_plugins && !lock_file.is_file() {
            return Err(RunError::LockFileMissing {
                directory: self.job.environment.directory.clone(),
                program: self.program_name().to_owned(),
            });
        }
        // The workspace of an earlier run may be gone, and `init` would ask for another.
        crate::private::remove(&self.terraform_data.join("environment"));
        let mut arguments: Vec<OsString> =
            ["-json", "-input=false", "-lockfile=readonly", "-reconfigure", "-get=true"]
                .map(OsString::from)
                .into();
        arguments.extend(
            self.job
                .environment
                .backend_config
                .iter()
                .map(|(name, value)| format!("-backend-config={name}={value}").into()),
        );
        self.events(Step::Init, arguments, None).await?;
        if self.job.environment.workspace != "default" {
            let workspace = self.job.environment.workspace.clone();
            let arguments = vec!["-no-color".into(), "-or-create=true".into(), workspace.into()];
            self.document(Step::Workspace, arguments).await?;
        }
        if let Some(key) = key {
            self.memory.initialised(&self.terraform_data, *key);
        }
        Ok(())
    }

    fn program_name(&self) -> &str {
        let binary = &self.job.environment.binary;
        binary.rsplit('/').next().unwrap_or(binary)
    }

    fn inspect(&self) -> Result<GateReport, RunError> {
        #[cfg(test)]
        if self.gate == Gate::Open {
            return Ok(GateReport { read_by_init: vec![None], ..GateReport::default() });
        }
        debug_assert_eq!(self.gate, Gate::Closed);
        gate::inspect(&self.job.tree, &self.job.environment)
            .map_err(|refusals| RunError::Refused { commit: self.job.commit.clone(), refusals })
    }

    /// Modules from elsewhere are fetched alone first, and read like the repository's own, before `init` fetches
    /// what they ask for.
    fn inspect_modules(&self) -> Result<(), RunError> {
        gate::inspect_fetched(&self.terraform_data.join("modules"), &self.job.environment)
            .map_err(|refusals| RunError::Refused { commit: self.job.commit.clone(), refusals })
    }

    pub(super) fn var_files(&self) -> impl Iterator<Item = OsString> {
        self.job.environment.var_files.iter().map(|file| format!("-var-file={file}").into())
    }

    /// Plans, and reads beside it which state there is. If the state moves in between, Terraform refuses the plan when
    /// it is applied.
    ///
    /// The plan's words are held back until the state's secrets are known: an error may repeat one of them.
    pub(super) async fn plan(&self, arguments: Vec<OsString>) -> Result<Option<StateIdentity>, RunError> {
        let mut held = Held::default();
        let (state, ended) =
            tokio::join!(self.state_identity(), self.run(Step::Plan, arguments, None, &mut held));
        let known = self.known();
        let mut reader = Reader::new(&known, self.progress);
        held.finish().into_iter().for_each(|line| reader.take(line));
        match (state, ended.and_then(|ended| self.judge(Step::Plan, &ended, reader.errors))) {
            (Ok(state), planned) => planned.map(|()| state),
            // These say nothing that the plan said.
            (Err(_), Err(stopped @ (RunError::Cancelled { .. } | RunError::TimedOut { .. }))) => Err(stopped),
            (Err(error), _) => Err(error),
        }
    }

    /// The state's serial and lineage; `None` when there is no state yet.
    pub(super) async fn state_identity(&self) -> Result<Option<StateIdentity>, RunError> {
        let json = self.document(Step::State, Vec::new()).await?;
        if json.trim_ascii().is_empty() {
            return Ok(None);
        }
        let unreadable = |reason| RunError::Unreadable { step: Step::State, reason };
        let state: Value = crate::plan_json::parse(&json).map_err(unreadable)?;
        learn_raw_state(&state, &mut self.known.lock().unwrap_or_else(PoisonError::into_inner));
        StateIdentity::deserialize(&state)
            .map(Some)
            .map_err(|_| unreadable("the state has no serial or no lineage".to_owned()))
    }

    pub(super) fn take_errored_state(&self) -> Result<Option<PathBuf>, RunError> {
        KeptStates::of(&self.job.data_dir).take_from(&self.directory)
    }

    /// Runs a command that writes events, and answers with its last count.
    pub(super) async fn events(
        &self,
        step: Step,
        arguments: Vec<OsString>,
        output_files: Option<[PathBuf; 2]>,
    ) -> Result<Option<Applied>, RunError> {
        let known = self.known();
        let mut events = Events { lines: Lines::default(), reader: Reader::new(&known, self.progress) };
        let ended = self.run(step, arguments, output_files, &mut events).await?;
        let Events { lines, mut reader } = events;
        let mut lines = lines;
        lines.finish(|line| reader.line(line));
        let summary = reader.summary;
        self.judge(step, &ended, reader.errors)?;
        Ok(summary)
    }

    /// Runs a command that writes one document.
    pub(super) async fn document(&self, step: Step, arguments: Vec<OsString>) -> Result<Vec<u8>, RunError> {
        let mut document = Document(Vec::new());
        let ended = self.run(step, arguments, None, &mut document).await?;
        self.judge(step, &ended, Vec::new())?;
        Ok(document.0)
    }

    async fn run(
        &self,
        step: Step,
        arguments: Vec<OsString>,
        output_files: Option<[PathBuf; 2]>,
        sink: &mut dyn Sink,
    ) -> Result<Ended, RunError> {
        if self.limits.cancel.is_cancelled() {
            return Err(RunError::Cancelled { step });
        }
        self.progress.report(Event::Step(step));
        let empty = BTreeMap::new();
        let command = Command {
            program: &self.program,
            arguments: step.as_str().split(' ').map(OsString::from).chain(arguments).collect(),
            environment: self.environment.get().unwrap_or(&empty),
            directory: Path::new(&self.directory),
            output_files,
        };
        child::run(command, &self.limits, sink).await.map_err(|source| RunError::Child {
            step,
            program: self.program.clone(),
            source,
        })
    }

    /// Says what the end of a command means.
    fn judge(&self, step: Step, ended: &Ended, mut errors: Vec<Diagnostic>) -> Result<(), RunError> {
        match ended.stopped {
            Some(Stop::Cancelled) => return Err(RunError::Cancelled { step }),
            Some(Stop::TimedOut) => return Err(RunError::TimedOut { step, after: self.timeout }),
            Some(Stop::TooMuch(TooMuch { max_bytes })) => {
                return Err(RunError::TooMuchOutput { step, max_bytes });
            }
            None if ended.status.success() => return Ok(()),
            None => {}
        }
        if errors.is_empty() {
            errors = Diagnostic::read_text(&ended.stderr, &self.known());
        }
        if let Some(holder) = errors.iter().find_map(Diagnostic::lock_holder) {
            return Err(RunError::Locked { step, holder });
        }
        if errors.iter().any(Diagnostic::is_stale_plan) {
            return Err(RunError::PlanStale(Stale::StateChanged));
        }
        Err(RunError::Failed {
            step,
            failure: Failure { exit_code: ended.status.code(), diagnostics: errors },
        })
    }
}

struct Events<'a> {
    lines: Lines,
    reader: Reader<'a>,
}

impl Sink for Events<'_> {
    fn take(&mut self, bytes: &[u8]) -> Result<(), TooMuch> {
        self.lines.push(bytes, |line| self.reader.line(line));
        Ok(())
    }
}

/// Keeps the lines that are reported, until they can be.
#[derive(Default)]
struct Held {
    lines: Lines,
    kept: Kept,
}

#[derive(Default)]
struct Kept {
    lines: Vec<Line>,
    bytes: usize,
}

impl Kept {
    fn line(&mut self, text: &str) {
        if let Some(line) = Line::read(text) {
            self.lines.push(line);
            self.bytes += text.len();
        }
    }
}

impl Held {
    fn finish(mut self) -> Vec<Line> {
        self.lines.finish(|line| self.kept.line(line));
        self.kept.lines
    }
}

impl Sink for Held {
    fn take(&mut self, bytes: &[u8]) -> Result<(), TooMuch> {
        self.lines.push(bytes, |line| self.kept.line(line));
        if self.kept.bytes > DOCUMENT_BYTES_MAX {
            return Err(TooMuch { max_bytes: DOCUMENT_BYTES_MAX as u64 });
        }
        Ok(())
    }
}

struct Document(Vec<u8>);

impl Sink for Document {
    fn take(&mut self, bytes: &[u8]) -> Result<(), TooMuch> {
        if self.0.len() + bytes.len() > DOCUMENT_BYTES_MAX {
            return Err(TooMuch { max_bytes: DOCUMENT_BYTES_MAX as u64 });
        }
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}
