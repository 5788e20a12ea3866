//! The embedded runner: Terraform as a child of this process, with an empty environment and folders of its own.
//!
//! What it cannot do is keep a provider from reading what this process' user may read. Where providers are not
//! trusted that far, a runner with an identity of its own belongs behind the same seam.

mod memory;
mod session;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use moorline_model::plan::PlanBinding;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use crate::error::{RunError, Stale, Step};
use crate::plan_json;
use crate::private::{KeptStates, failed, private_file, remove};
use crate::redact::redact_state;
use crate::runner::{Applied, Job, Planned, Progress, Runner, SavedPlan, Silent, StateIdentity, StateRead};
use memory::Memory;
use session::{Gate, Prepared, Session};

/// The oldest plan that is applied. A saved plan is applied without looking at what is live again.
pub const PLAN_AGE_SECONDS_MAX: i64 = 600;
/// Runs Terraform as a child process.
#[derive(Debug, Clone)]
pub struct EmbeddedRunner {
    grace: Duration,
    lock_timeout: &'static str,
    gate: Gate,
    memory: Arc<Memory>,
}

impl Default for EmbeddedRunner {
    fn default() -> Self {
        Self {
            grace: Self::GRACE,
            lock_timeout: Self::LOCK_TIMEOUT,
            gate: Gate::Closed,
            memory: Arc::default(),
        }
    }
}

impl EmbeddedRunner {
    /// How long an interrupted Terraform may take to write its state and let go of its lock.
    pub const GRACE: Duration = Duration::from_secs(90);

    /// How long Terraform waits for the state's lock, in its own words.
    pub const LOCK_TIMEOUT: &str = "30s";

    /// With another time between the interrupt and the kill.
    #[must_use]
    pub fn with_grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// With another time to wait for the state's lock, as Terraform reads it (`0s`, `2m`).
    #[must_use]
    pub fn with_lock_timeout(self, lock_timeout: &'static str) -> Self {
        Self { lock_timeout, ..self }
    }

    fn lock_timeout(&self) -> std::ffi::OsString {
        format!("-lock-timeout={}", self.lock_timeout).into()
    }

    async fn plan_in(&self, session: &Session<'_>) -> Result<Planned, RunError> {
        let file = session.folder.plan_file();
        // Terraform keeps the mode of a file that is there already.
        private_file(&file, b"")?;
        let mut out = std::ffi::OsString::from("-out=");
        out.push(&file);
        let mut arguments = vec!["-json".into(), "-input=false".into(), self.lock_timeout(), out];
        arguments.extend(session.var_files());
        let prepared = session.prepare().await?;
        let state = match session.plan(arguments.clone()).await {
            Err(error) if prepared == Prepared::Before && error.asks_for_init() => {
                session.initialise().await?;
                session.plan(arguments).await?
            }
            other => other?,
        };
        let json = session.document(Step::Show, vec!["-json".into(), file.clone().into()]).await?;
        let binding = PlanBinding {
            commit: session.job.commit.clone(),
            plan_sha256: sha256(&file).map_err(failed("read the plan", &file))?,
            state_serial: state.as_ref().map(|state| state.serial),
            state_lineage: state.map(|state| state.lineage),
            made_at: session.job.now,
        };
        let summary = plan_json::read(&json, binding.clone(), &session.known())
            .map_err(|reason| RunError::Unreadable { step: Step::Show, reason })?;
        Ok(Planned { summary, saved: SavedPlan { path: file, binding } })
    }

    async fn apply_in(&self, session: &Session<'_>, plan: &SavedPlan) -> Result<Applied, RunError> {
        session.prepare().await?;
        match self.memory.take_plan(&plan.path) {
            Some(known) => session.learn(known),
            // Made before a restart: what the state marks as secret is not known any more.
            None => drop(session.state_identity().await?),
        }
        // Whether the state is still the one that was planned on, Terraform asks itself, under its lock.
        let arguments =
            vec!["-json".into(), "-input=false".into(), self.lock_timeout(), plan.path.clone().into()];
        let applied = session.events(Step::Apply, arguments, Some(session.folder.apply_output())).await;
        // However it ended: changes may have been made that the backend does not know of.
        if let Some(path) = session.take_errored_state()? {
            return Err(RunError::StateNotWritten { path });
        }
        applied?.ok_or_else(|| RunError::Unreadable {
            step: Step::Apply,
            reason: "it ended well, but wrote no summary".to_owned(),
        })
    }
}

#[async_trait]
impl Runner for EmbeddedRunner {
    async fn plan(
        &self,
        job: &Job,
        cancel: &CancellationToken,
        progress: &dyn Progress,
    ) -> Result<Planned, RunError> {
        let session = Session::open(self, job, cancel, progress)?;
        // An error drops the session, and with it the folder.
        let planned = self.plan_in(&session).await?;
        self.memory.planned(&planned.saved.path, job.now, session.known());
        session.folder.keep();
        Ok(planned)
    }

    async fn apply(
        &self,
        job: &Job,
        plan: &SavedPlan,
        cancel: &CancellationToken,
        progress: &dyn Progress,
    ) -> Result<Applied, RunError> {
        let result = match check_binding(job, plan) {
            Ok(()) => {
                let session = Session::open(self, job, cancel, progress)?;
                self.apply_in(&session, plan).await
            }
            Err(stale) => Err(RunError::PlanStale(stale)),
        };
        // A saved plan is applied at most once, whatever came of it.
        remove(&plan.path);
        remove(&job.run_dir);
        result
    }

    async fn state(
        &self,
        job: &Job,
        known: Option<&StateIdentity>,
        cancel: &CancellationToken,
    ) -> Result<StateRead, RunError> {
        let session = Session::open(self, job, cancel, &Silent)?;
        let prepared = session.prepare().await?;
        match read_state(&session, known).await {
            Err(error) if prepared == Prepared::Before && error.asks_for_init() => {
                session.initialise().await?;
                read_state(&session, known).await
            }
            other => other,
        }
    }
}

async fn read_state(session: &Session<'_>, known: Option<&StateIdentity>) -> Result<StateRead, RunError> {
    // Read before the state is: if it moves in between, the next read sees that, and none is ever missed.
    let Some(identity) = session.state_identity().await? else { return Ok(StateRead::Absent) };
    if known == Some(&identity) {
        return Ok(StateRead::Unmoved);
    }
    let json = session.document(Step::Show, vec!["-json".into()]).await?;
    let state: Value =
        plan_json::parse(&json).map_err(|reason| RunError::Unreadable { step: Step::Show, reason })?;
    if state.get("values").is_none() {
        return Ok(StateRead::Absent);
    }
    Ok(StateRead::Moved { identity, state: redact_state(&state, &session.known()) })
}

/// Removes the folder of a saved plan that will not be applied.
pub fn discard(plan: &SavedPlan) {
    remove(&plan.path);
    if let Some(folder) = plan.path.parent() {
        remove(folder);
    }
}

/// After a crash: takes the state that an apply in this checkout could not write, before the checkout is removed. It is
/// kept, and blocks the environment, as if the apply had been seen to its end.
///
/// # Errors
/// When it is there and cannot be kept.
pub fn rescue_state(tree: &Path, directory: &str, data_dir: &Path) -> Result<Option<PathBuf>, RunError> {
    KeptStates::of(data_dir).take_from(&tree.join(directory))
}

/// What can be checked without running anything.
fn check_binding(job: &Job, plan: &SavedPlan) -> Result<(), Stale> {
    let binding = &plan.binding;
    if binding.commit != job.commit {
        return Err(Stale::OtherCommit { planned: binding.commit.clone(), wanted: job.commit.clone() });
    }
    let age_seconds = job.now.as_second() - binding.made_at.as_second();
    // A clock that went back says nothing about the age.
    if !(0..=PLAN_AGE_SECONDS_MAX).contains(&age_seconds) {
        return Err(Stale::TooOld { age_seconds, max_seconds: PLAN_AGE_SECONDS_MAX });
    }
    match sha256(&plan.path) {
        Ok(sha256) if sha256 == binding.plan_sha256 => Ok(()),
        Ok(_) => Err(Stale::OtherFile),
        Err(_) => Err(Stale::NoFile),
    }
}

fn sha256(path: &Path) -> io::Result<String> {
    let (mut file, mut hash, mut buffer) = (File::open(path)?, Sha256::new(), vec![0; 64 * 1024]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex::encode(hash.finalize())),
            read => hash.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests;
