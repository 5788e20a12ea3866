//! The seam: what the daemon asks of whoever runs Terraform, and what it gets back.
//!
//! A runner is given a tree at a commit, inputs and secrets, and answers with events and a plan. The daemon never
//! sees a plan file's content, a state's secrets or the child process.

use std::collections::BTreeMap;
use std::path::PathBuf;

use async_trait::async_trait;
use jiff::Timestamp;
use moorline_model::plan::{Action, PlanBinding, PlanSummary};
use moorline_model::{CommitId, Secret, declaration};
use serde::Deserialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::error::{RunError, Step};

/// One environment's Terraform at one commit.
#[derive(Debug, Clone)]
pub struct Job {
    /// A private checkout of the commit: nobody else writes there while the job runs.
    pub tree: PathBuf,
    /// The commit checked out in `tree`.
    pub commit: CommitId,
    /// What the environment declares.
    pub environment: declaration::Terraform,
    /// The resolved `environment` of the declaration: all that the child sees beside what the runner itself sets.
    pub variables: BTreeMap<String, Secret>,
    /// A folder for this run alone; made by the runner with mode 0700. It holds the saved plan between
    /// [`Runner::plan`] and [`Runner::apply`] and is removed when either fails, and after the apply.
    pub run_dir: PathBuf,
    /// A folder that outlives runs, one for each environment: Terraform's data directory and states that could not
    /// be written.
    pub data_dir: PathBuf,
    /// A provider mirror on disk. With it, nothing is fetched from a registry.
    pub mirror: Option<PathBuf>,
    /// The time at which the job starts. A plan counts as made then.
    pub now: Timestamp,
}

/// A plan that may be applied: where its file is, and what it is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedPlan {
    /// The plan file. It holds secrets in clear: mode 0600, in a folder of mode 0700.
    pub path: PathBuf,
    /// What must still hold when it is applied.
    pub binding: PlanBinding,
}

/// What a plan found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Redacted; safe to store and show.
    pub summary: PlanSummary,
    pub saved: SavedPlan,
}

/// What an apply did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// Resources made.
    pub added: u64,
    /// Resources changed in place.
    pub changed: u64,
    /// Resources destroyed.
    pub destroyed: u64,
}

/// Something that happened during a run. It carries addresses and never values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A command begins.
    Step(Step),
    /// The plan would change this resource.
    Planned {
        address: String,
        /// What would happen.
        action: Action,
    },
    /// A resource's change begins.
    Started {
        address: String,
        /// What is being done.
        action: Action,
    },
    /// A resource's change goes on; reported every ten seconds.
    Progress {
        address: String,
        /// For how long.
        elapsed_seconds: u64,
    },
    /// A resource's change is done.
    Complete {
        address: String,
        /// How long it took.
        elapsed_seconds: u64,
    },
    /// A resource's change failed.
    Errored { address: String },
}

/// Receives events. Called from the task that reads the child's output: it must not block.
pub trait Progress: Send + Sync {
    fn report(&self, event: Event);
}

/// Drops every event.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn report(&self, _event: Event) {}
}

/// Which state it is. A serial counts within its lineage only.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StateIdentity {
    /// Grows with every change of the state.
    pub serial: u64,
    /// Made anew with every new state.
    pub lineage: String,
}

/// What a read of the state came to.
#[derive(Debug, Clone, PartialEq)]
pub enum StateRead {
    /// There is none.
    Absent,
    /// It is the one that is known already.
    Unmoved,
    /// It is another one.
    Moved {
        /// Which; when it moved during the read, the older.
        identity: StateIdentity,
        /// As `terraform show -json` writes it, redacted.
        state: Value,
    },
}

/// Runs Terraform.
///
/// Guarantees: nothing that a runner returns, reports or logs holds a secret value. A cancelled call stops the child in
/// order, so that its state is saved and its lock released, before it returns.
#[async_trait]
pub trait Runner: Send + Sync {
    /// Plans.
    ///
    /// # Errors
    /// [`RunError`], by what was attempted.
    async fn plan(
        &self,
        job: &Job,
        cancel: &CancellationToken,
        progress: &dyn Progress,
    ) -> Result<Planned, RunError>;

    /// Applies a saved plan if all that it is bound to still holds.
    ///
    /// # Errors
    /// [`RunError::PlanStale`] when it does not, and then nothing was changed; else by what was attempted.
    async fn apply(
        &self,
        job: &Job,
        plan: &SavedPlan,
        cancel: &CancellationToken,
        progress: &dyn Progress,
    ) -> Result<Applied, RunError>;

    /// Reads the state, unless it is the one that is known: which one it is costs less to learn than what it holds, for
    /// which `terraform show` starts the providers.
    ///
    /// # Errors
    /// [`RunError`], by what was attempted.
    async fn state(
        &self,
        job: &Job,
        known: Option<&StateIdentity>,
        cancel: &CancellationToken,
    ) -> Result<StateRead, RunError>;
}
