//! Terraform, behind the runner's seam: which tree, which folder, which secrets.
//!
//! A rollout's plan and its apply are two cycles apart, perhaps with a restart between them, so everything between
//! them is found again by the rollout's id: the checkout and the saved plan in `runs/ENV/ID`, what the plan is bound
//! to in the record.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use moorline_config::{Reference, Secret};
use moorline_cycle::facilities::{ResolveError, Run, RunFailed, TerraformRunner};
use moorline_model::plan::{PlanBinding, PlanSummary};
use moorline_model::{CheckFailed, CommitId, EnvironmentName, FailureClass, declaration};
use moorline_source::CheckoutError;
use moorline_terraform::{Event, Job, Progress, RunError, SavedPlan, StateIdentity, StateRead};

use super::checkouts::{InUse, Request, cached_in};
use super::runs::{Runs, data_dir};
use crate::shared::Shared;
use crate::{chain, clock};

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

impl JobError {
    /// Whether another try may begin. A folder that cannot be made is a disk that is full or not ours.
    fn class(&self) -> FailureClass {
        match self {
            Self::Checkout { source, .. } => source.class(),
            Self::Folder { .. } | Self::Variable { .. } => FailureClass::Stalled,
        }
    }
}

impl TerraformRunner for Shared {
    async fn plan(&self, run: &Run<'_>) -> Result<PlanSummary, RunFailed> {
        let (job, in_use) = self.job(run, Tree::Fresh).await?;
        let progress = Told(run.name);
        let planned = self.runner.plan(&job, &self.stopping, &progress);
        let planned = self.turns.terraform(planned).await;
        self.checkouts.release(in_use);
        Ok(planned.map_err(failed)?.summary)
    }

    async fn apply(&self, run: &Run<'_>, plan: &PlanBinding) -> Result<(), RunFailed> {
        let (job, in_use) = self.job(run, Tree::AsPlanned).await?;
        let plan = SavedPlan { path: moorline_terraform::plan_path(&job.run_dir), binding: plan.clone() };
        let progress = Told(run.name);
        let applied = self.runner.apply(&job, &plan, &self.stopping, &progress);
        let applied = self.turns.terraform(applied).await;
        self.checkouts.release(in_use);
        applied.map(drop).map_err(failed)
    }

    fn clean_up(&self, run: &Run<'_>) {
        let runs = self.runs(run);
        self.cache(run.name, &runs.folder(&run.id));
        runs.remove(&run.id);
    }

    fn clean_up_all(&self, name: &EnvironmentName, terraform: &declaration::Terraform) {
        let runs = Runs::of(&self.work_dir, name, terraform);
        for folder in runs.folders() {
            self.cache(name, &folder);
        }
        runs.remove_all();
    }

    fn blocked(&self, name: &EnvironmentName, terraform: Option<&declaration::Terraform>) -> Option<String> {
        if let Some(terraform) = terraform {
            Runs::of(&self.work_dir, name, terraform).rescue_all();
        }
        let kept = moorline_terraform::unwritten_state(&data_dir(&self.work_dir, name))?;
        Some(format!(
            "a state could not be written and is kept at {}: push it with `terraform state push`, then remove it",
            kept.display()
        ))
    }
}

impl Shared {
    fn runs(&self, run: &Run<'_>) -> Runs {
        Runs::of(&self.work_dir, run.name, &run.declared)
    }

    /// Reads the state of a run's Terraform, unless it is the one that is known.
    pub(super) async fn state(
        &self,
        run: &Run<'_>,
        known: Option<&StateIdentity>,
    ) -> Result<StateRead, RunFailed> {
        let (job, in_use) = self.job(run, Tree::Fresh).await?;
        let state = self.turns.terraform(self.runner.state(&job, known, &self.stopping)).await;
        self.checkouts.release(in_use);
        state.map_err(failed)
    }

    fn cache(&self, name: &EnvironmentName, folder: &Path) {
        self.checkouts.cache(&tree(folder), &cached_in(&self.work_dir, name));
    }

    /// The resolved variables of Terraform's environment.
    pub(super) fn variables(
        &self,
        declared: &declaration::Terraform,
    ) -> Result<BTreeMap<String, Secret>, JobError> {
        let resolve = |(name, reference): (&String, &Reference)| {
            let value = self.secrets.declared(reference);
            let value = value.map_err(|source| JobError::Variable { name: name.clone(), source })?;
            Ok((name.clone(), value))
        };
        declared.environment.iter().map(resolve).collect()
    }

    async fn job(&self, run: &Run<'_>, which: Tree) -> Result<(Job, InUse), JobError> {
        let runs = self.runs(run);
        let folder = runs.folder(&run.id);
        let variables = self.variables(&run.declared)?;
        let data_dir = data_dir(&self.work_dir, run.name);
        private_folder(&data_dir)?;
        let checkout = tree(&folder);
        let in_use = if which == Tree::Fresh || !checkout.is_dir() {
            let failed = |source| JobError::Folder { path: folder.clone(), source };
            runs.make_room(&run.id).map_err(failed)?;
            private_folder(&folder)?;
            let kept = cached_in(&self.work_dir, run.name);
            if let Some(trees) = kept.parent() {
                private_folder(trees)?;
            }
            let request = Request { commit: &run.commit, terraform: &run.declared, variables: &variables };
            self.checkouts
                .acquire(&self.repository, request, &kept, &checkout)
                .await
                .map_err(|source| JobError::Checkout { commit: run.commit.clone(), source })?
        } else {
            self.checkouts.reacquire(&checkout)
        };
        let job = Job {
            tree: checkout,
            commit: run.commit.clone(),
            environment: run.declared.clone(),
            variables,
            run_dir: folder.join("run"),
            data_dir,
            mirror: self.mirror.clone(),
            now: clock::now(),
        };
        Ok((job, in_use))
    }
}

/// The checkout in a run's folder.
fn tree(folder: &Path) -> PathBuf {
    folder.join("tree")
}

/// Which checkout a run works in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tree {
    /// A new one.
    Fresh,
    /// The one the plan was made in.
    AsPlanned,
}

/// What a failure means to whoever decides: only the daemon's own stop says nothing about the commit.
fn failed(error: RunError) -> RunFailed {
    match error {
        RunError::Cancelled { .. } => RunFailed::Interrupted,
        error if error.may_have_changed() => RunFailed::Changed(chain::of(&error)),
        error => RunFailed::Unchanged(CheckFailed::new(error.class(), chain::of(&error))),
    }
}

impl From<JobError> for RunFailed {
    fn from(error: JobError) -> Self {
        Self::Unchanged(CheckFailed::new(error.class(), chain::of(&error)))
    }
}

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

#[cfg(test)]
mod tests {
    use moorline_terraform::error::{Failure, LockHolder, Stale, Step};

    use super::*;

    #[test]
    fn an_apply_that_the_daemons_stop_cut_short_is_no_failed_one() {
        for step in [Step::Init, Step::Apply] {
            assert_eq!(failed(RunError::Cancelled { step }), RunFailed::Interrupted, "{step}");
        }
    }

    #[test]
    fn an_apply_that_could_not_begin_has_changed_nothing() {
        let failure = || Failure { exit_code: Some(1), diagnostics: Vec::new() };
        let unset = ResolveError::Unset("env:KEY".parse().unwrap());
        let nothing: [RunFailed; 4] = [
            failed(RunError::PlanStale(Stale::StateChanged)),
            failed(RunError::Locked { step: Step::Apply, holder: LockHolder::default() }),
            failed(RunError::Failed { step: Step::Init, failure: failure() }),
            JobError::Variable { name: "KEY".to_owned(), source: unset }.into(),
        ];
        for error in nothing {
            assert!(matches!(error, RunFailed::Unchanged(_)), "{error}");
        }
        let changed = failed(RunError::Failed { step: Step::Apply, failure: failure() });
        assert!(matches!(changed, RunFailed::Changed(_)));
    }

    #[test]
    fn a_run_that_could_not_begin_is_tried_again_only_where_that_helps() {
        let commit: CommitId = "1".repeat(40).parse().unwrap();
        let checkout = |source| JobError::Checkout { commit: commit.clone(), source };
        let after = std::time::Duration::from_secs(1);
        let variable = JobError::Variable {
            name: "KEY".to_owned(),
            source: ResolveError::Unset("env:KEY".parse().unwrap()),
        };
        let class = |error: JobError| RunFailed::from(error).failed().map(|failed| failed.class);
        assert_eq!(class(checkout(CheckoutError::Deadline { after })), Some(FailureClass::Transient));
        assert_eq!(class(checkout(CheckoutError::TooMany { limit: 1 })), Some(FailureClass::Stalled));
        assert_eq!(class(variable), Some(FailureClass::Stalled));
        let holder = LockHolder { who: Some("ann".to_owned()), ..LockHolder::default() };
        let locked = failed(RunError::Locked { step: Step::Plan, holder }).failed().unwrap();
        assert_eq!(locked.class, FailureClass::Waiting { on: "ann".to_owned() });
    }
}
