//! Effects of Terraform, behind the runner's seam: which tree, which folder, which secrets.
//!
//! A rollout's plan and its apply are two cycles apart, perhaps with a restart between them, so everything between
//! them is found again by the rollout's id: the checkout and the saved plan in `runs/ENV/ID`, what the plan is bound
//! to in the record.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use moorline_model::plan::{PlanBinding, PlanSummary};
use moorline_model::rollout::Rollout;
use moorline_model::{CommitId, EnvironmentName, declaration};
use moorline_plan::advance::Acted;
use moorline_source::{CheckoutError, CheckoutLimits, Repository};
use moorline_terraform::{Event, Job, Progress, RunError, Runner, SavedPlan};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::runs::{Runs, data_dir};
use crate::clock;
use crate::secrets::{ResolveError, Secrets};

/// Why a run could not even begin.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The folder for the run cannot be made.
    #[error("the folder {} cannot be made", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The commit cannot be checked out.
    #[error("commit {} cannot be checked out", commit.short())]
    Checkout {
        /// The commit.
        commit: CommitId,
        /// Why.
        #[source]
        source: CheckoutError,
    },
    /// A variable of the child's environment has no value.
    #[error("terraform.environment.{name} cannot be resolved")]
    Variable {
        /// The variable.
        name: String,
        /// Why.
        #[source]
        source: ResolveError,
    },
}

/// One environment's Terraform at one commit, ready to run.
pub struct Terraform<'a> {
    /// Who runs it.
    pub runner: &'a dyn Runner,
    /// Where the commit comes from.
    pub repository: &'a Repository,
    /// Who resolves the child's variables.
    pub secrets: &'a Secrets,
    /// The environment's name.
    pub name: &'a EnvironmentName,
    /// Its Terraform as declared at the commit.
    pub declared: declaration::Terraform,
    /// The commit.
    pub commit: CommitId,
    /// The daemon's working folder.
    pub work_dir: &'a Path,
    /// What tells this run from others of the environment: a rollout's id, or `scheduled`.
    pub run: String,
    /// A provider mirror on disk.
    pub mirror: Option<PathBuf>,
    /// Stops the child in order when the daemon stops.
    pub cancel: &'a CancellationToken,
}

impl Terraform<'_> {
    /// Plans at the commit.
    pub async fn plan(&self) -> Result<PlanSummary, RunFailed> {
        let job = self.job(Tree::Fresh).await?;
        let planned = self.runner.plan(&job, self.cancel, &Told(self.name)).await?;
        Ok(planned.summary)
    }

    /// Applies the plan that an earlier call of [`Terraform::plan`] saved.
    pub async fn apply(&self, binding: &PlanBinding) -> Result<(), RunFailed> {
        let job = self.job(Tree::AsPlanned).await?;
        let plan = SavedPlan { path: moorline_terraform::plan_path(&job.run_dir), binding: binding.clone() };
        self.runner.apply(&job, &plan, self.cancel, &Told(self.name)).await?;
        Ok(())
    }

    /// The state, as `terraform show -json` writes it, redacted.
    pub async fn state(&self) -> Result<Option<Value>, RunFailed> {
        let job = self.job(Tree::Fresh).await?;
        Ok(self.runner.state(&job, self.cancel).await?)
    }

    /// Removes the run's folder: its checkout and whatever plan is in it.
    pub fn tidy(&self) {
        self.runs().remove(&self.run);
    }

    fn runs(&self) -> Runs {
        Runs::of(self.work_dir, self.name, &self.declared)
    }

    async fn job(&self, tree: Tree) -> Result<Job, JobError> {
        let folder = self.runs().folder(&self.run);
        let checkout = folder.join("tree");
        if tree == Tree::Fresh || !checkout.is_dir() {
            let failed = |source| JobError::Folder { path: folder.clone(), source };
            self.runs().make_room(&self.run).map_err(failed)?;
            private_folder(&folder)?;
            let limits = CheckoutLimits::default();
            self.repository
                .checkout(&self.commit, &checkout, limits)
                .await
                .map_err(|source| JobError::Checkout { commit: self.commit.clone(), source })?;
        }
        let mut variables = BTreeMap::new();
        for (name, reference) in &self.declared.environment {
            let value = self.secrets.declared(reference);
            let value = value.map_err(|source| JobError::Variable { name: name.clone(), source })?;
            variables.insert(name.clone(), value);
        }
        let data_dir = data_dir(self.work_dir, self.name);
        private_folder(&data_dir)?;
        Ok(Job {
            tree: checkout,
            commit: self.commit.clone(),
            environment: self.declared.clone(),
            variables,
            run_dir: folder.join("run"),
            data_dir,
            mirror: self.mirror.clone(),
            now: clock::now(),
        })
    }
}

/// Which checkout a run works in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tree {
    /// A new one.
    Fresh,
    /// The one the plan was made in.
    AsPlanned,
}

/// A run that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum RunFailed {
    /// It could not begin.
    #[error(transparent)]
    Job(#[from] JobError),
    /// It failed.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl RunFailed {
    /// Whether it was stopped because the daemon stops. That says nothing about the commit.
    #[must_use]
    pub const fn is_interrupted(&self) -> bool {
        matches!(self, Self::Run(RunError::Cancelled { .. }))
    }

    fn may_have_changed(&self) -> bool {
        matches!(self, Self::Run(error) if error.may_have_changed())
    }

    fn is_transient(&self) -> bool {
        matches!(self, Self::Run(error) if error.is_transient())
    }
}

/// The daemon stops in the middle of a step. Its journal line stays open, as after a crash, and the next life of the
/// daemon goes on from there.
#[derive(Debug, thiserror::Error)]
#[error("interrupted: the daemon is stopping")]
pub struct Interrupted;

fn private_folder(path: &Path) -> Result<(), JobError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| JobError::Folder { path: path.to_owned(), source })
}

/// Progress goes to the log: addresses and actions, never values.
struct Told<'a>(&'a EnvironmentName);

impl Progress for Told<'_> {
    fn report(&self, event: Event) {
        match event {
            Event::Errored { address } => {
                tracing::warn!(environment = %self.0, address, "Terraform could not change this resource");
            }
            Event::Step(step) => tracing::info!(environment = %self.0, "Terraform: {step}"),
            Event::Planned { address, action } => {
                tracing::info!(environment = %self.0, address, "Terraform would {} this", action.as_str());
            }
            Event::Started { address, action } => {
                tracing::info!(environment = %self.0, address, "Terraform begins to {} this", action.as_str());
            }
            Event::Progress { address, elapsed_seconds } => {
                tracing::info!(environment = %self.0, address, "Terraform is at it for {elapsed_seconds} s");
            }
            Event::Complete { address, elapsed_seconds } => {
                tracing::info!(environment = %self.0, address, "Terraform is done with it, after {elapsed_seconds} s");
            }
        }
    }
}

/// Plans for a rollout.
pub(super) async fn plan(terraform: Option<&Terraform<'_>>) -> Result<Acted, Interrupted> {
    let Some(terraform) = terraform else { return Ok(no_terraform()) };
    match terraform.plan().await {
        Ok(summary) => Ok(Acted::Planned(summary)),
        Err(error) if error.is_interrupted() => Err(Interrupted),
        Err(error) => {
            Ok(Acted::PlanFailed { reason: crate::chain::of(&error), transient: error.is_transient() })
        }
    }
}

/// Applies a rollout's plan. One that could not even begin has changed nothing: it is planned anew.
pub(super) async fn apply(
    terraform: Option<&Terraform<'_>>,
    rollout: Option<&Rollout>,
) -> Result<Acted, Interrupted> {
    let Some(terraform) = terraform else { return Ok(no_terraform()) };
    let Some(plan) = rollout.and_then(|rollout| rollout.terraform.as_ref()) else {
        return Ok(Acted::PlanStale { reason: "there is no plan".to_owned() });
    };
    applied(terraform.apply(&plan.binding).await)
}

fn applied(result: Result<(), RunFailed>) -> Result<Acted, Interrupted> {
    match result {
        Ok(()) => Ok(Acted::Applied { digest: None }),
        Err(error) if error.is_interrupted() => Err(Interrupted),
        Err(error) if error.may_have_changed() => Ok(Acted::ApplyFailed { reason: crate::chain::of(&error) }),
        Err(error) => Ok(Acted::PlanStale { reason: crate::chain::of(&error) }),
    }
}

/// Plans the way back.
pub(super) async fn plan_back(terraform: Option<&Terraform<'_>>) -> Result<Acted, Interrupted> {
    let Some(terraform) = terraform else { return Ok(no_terraform()) };
    match terraform.plan().await {
        Ok(summary) => Ok(Acted::UndoPlanned(summary)),
        Err(error) if error.is_interrupted() => Err(Interrupted),
        Err(error) => Ok(Acted::ActFailed { reason: crate::chain::of(&error) }),
    }
}

/// Applies the plan of the way back.
pub(super) async fn apply_back(
    terraform: Option<&Terraform<'_>>,
    rollout: Option<&Rollout>,
) -> Result<Acted, Interrupted> {
    match apply(terraform, rollout).await? {
        Acted::Applied { .. } => Ok(Acted::UndoApplied),
        other => Ok(other),
    }
}

fn no_terraform() -> Acted {
    Acted::ActFailed { reason: "the environment declares no Terraform at this commit".to_owned() }
}

#[cfg(test)]
mod tests {
    use moorline_terraform::error::{Failure, LockHolder, Stale, Step};

    use super::*;

    fn acted(error: RunError) -> Result<Acted, Interrupted> {
        applied(Err(error.into()))
    }

    #[test]
    fn an_apply_that_the_daemons_stop_cut_short_is_no_failed_one() {
        for step in [Step::Init, Step::Apply] {
            assert!(matches!(acted(RunError::Cancelled { step }), Err(Interrupted)), "{step}");
        }
    }

    #[test]
    fn an_apply_that_could_not_begin_has_changed_nothing() {
        let failure = || Failure { exit_code: Some(1), diagnostics: Vec::new() };
        let unset = ResolveError::Unset("env:KEY".parse().unwrap());
        let nothing: [RunFailed; 4] = [
            RunError::PlanStale(Stale::StateChanged).into(),
            RunError::Locked { step: Step::Apply, holder: LockHolder::default() }.into(),
            RunError::Failed { step: Step::Init, failure: failure() }.into(),
            JobError::Variable { name: "KEY".to_owned(), source: unset }.into(),
        ];
        for error in nothing {
            let text = error.to_string();
            assert!(matches!(applied(Err(error)), Ok(Acted::PlanStale { .. })), "{text}");
        }
        let failed = acted(RunError::Failed { step: Step::Apply, failure: failure() });
        assert!(matches!(failed, Ok(Acted::ApplyFailed { .. })));
    }
}
