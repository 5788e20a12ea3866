//! Why a run failed: what was attempted, on what, and what follows from it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use moorline_model::{CommitId, FailureClass};

use crate::diagnostic::Diagnostic;
use crate::gate::Refusals;
use crate::locate::LocateError;

/// A command that a run consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Fetch the modules that are not in the repository.
    Modules,
    /// `init`: backend and providers.
    Init,
    /// `workspace select`.
    Workspace,
    /// `state pull`: the state's serial and lineage.
    State,
    /// `plan`.
    Plan,
    /// `show`: a plan or state as JSON.
    Show,
    /// `apply` of a saved plan.
    Apply,
}

impl Step {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Modules => "get",
            Self::Init => "init",
            Self::Workspace => "workspace select",
            Self::State => "state pull",
            Self::Plan => "plan",
            Self::Show => "show",
            Self::Apply => "apply",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Why a saved plan may not be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stale {
    /// It was made from another commit.
    #[error("it was made from commit {}, not {}", planned.short(), wanted.short())]
    OtherCommit {
        /// The plan's commit.
        planned: CommitId,
        /// The commit to apply.
        wanted: CommitId,
    },
    #[error("it is {age_seconds}s old, and more than {max_seconds}s is too old")]
    TooOld {
        /// Its age; negative when it was made in the future.
        age_seconds: i64,
        /// The oldest that is applied.
        max_seconds: i64,
    },
    /// The state has changed since, as Terraform found when it had its lock.
    #[error("the state has changed since it was made")]
    StateChanged,
    /// The file is not the one that was made.
    #[error("the plan file is not the one that was made")]
    OtherFile,
    #[error("the plan file is gone")]
    NoFile,
}

/// Who holds a state's lock, as Terraform reports it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LockHolder {
    /// The lock's id, for `force-unlock`.
    pub id: Option<String>,
    /// Who took it.
    pub who: Option<String>,
    /// For what.
    pub operation: Option<String>,
    pub created: Option<String>,
}

impl fmt::Display for LockHolder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.who.as_deref().unwrap_or("somebody"))?;
        if let Some(operation) = &self.operation {
            write!(formatter, " for {operation}")?;
        }
        if let Some(created) = &self.created {
            write!(formatter, " since {created}")?;
        }
        if let Some(id) = &self.id {
            write!(formatter, " (lock {id})")?;
        }
        Ok(())
    }
}

/// What a command that exited with an error said. Secrets known to the run are already taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Its exit code; `None` when a signal ended it.
    pub exit_code: Option<i32>,
    /// Its errors, at most fifty.
    pub diagnostics: Vec<Diagnostic>,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.diagnostics.first(), self.exit_code) {
            (Some(first), _) => write!(formatter, "{first}")?,
            (None, Some(code)) => write!(formatter, "it exited with {code} and gave no reason")?,
            (None, None) => write!(formatter, "a signal ended it")?,
        }
        match self.diagnostics.len() {
            0 | 1 => Ok(()),
            more => write!(formatter, " (and {} more)", more - 1),
        }
    }
}

impl std::error::Error for Failure {}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The static gate does not let the code through. Nothing was run.
    #[error("the Terraform code at {} was refused before it ran", commit.short())]
    Refused {
        commit: CommitId,
        /// What it was refused for.
        #[source]
        refusals: Refusals,
    },
    /// There is no binary to run.
    #[error("could not find the Terraform binary")]
    BinaryMissing(#[source] LocateError),
    /// Providers are used, but no lock file says which builds of them.
    #[error(
        "`{directory}/.terraform.lock.hcl` is missing: run `{program} providers lock -platform=linux_amd64 -platform=linux_arm64` in `{directory}` and commit the file"
    )]
    LockFileMissing {
        /// The root module's folder, relative to the repository's root.
        directory: String,
        /// `terraform` or `tofu`.
        program: String,
    },
    /// The private folder of the run could not be prepared.
    #[error("could not {attempt} `{}`", path.display())]
    Private {
        attempt: &'static str,
        /// On which path.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The child process could not be started or watched.
    #[error("could not run `{} {step}`", program.display())]
    Child {
        step: Step,
        program: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A command exited with an error.
    #[error("`terraform {step}` failed")]
    Failed {
        step: Step,
        /// What it said.
        #[source]
        failure: Failure,
    },
    /// Another holds the state's lock.
    #[error("`terraform {step}` did not get the state's lock: held by {holder}")]
    Locked {
        step: Step,
        /// Who holds it.
        holder: LockHolder,
    },
    /// The saved plan may not be applied. Nothing was changed.
    #[error("the saved plan is stale")]
    PlanStale(#[source] Stale),
    /// It took longer than the environment's `timeout`.
    #[error("`terraform {step}` was stopped after {}s, the longest that is allowed", after.as_secs())]
    TimedOut {
        step: Step,
        /// The longest that is allowed.
        after: Duration,
    },
    #[error("`terraform {step}` was cancelled")]
    Cancelled { step: Step },
    /// It wrote more than is read.
    #[error("`terraform {step}` was stopped: it wrote more than {max_bytes} bytes")]
    TooMuchOutput {
        step: Step,
        /// The most that is read.
        max_bytes: u64,
    },
    /// Its JSON could not be read. The reason names a place, never a value.
    #[error("could not read the JSON that `terraform {step}` wrote: {reason}")]
    Unreadable {
        step: Step,
        /// What kind of mistake, and where.
        reason: String,
    },
    /// Changes were made, but the state could not be written. The environment is blocked while the file is there.
    #[error(
        "a state could not be written to its backend and is kept in `{}`: push it with `terraform state push`, then remove the file",
        path.display()
    )]
    StateNotWritten {
        /// Where the state is kept.
        path: PathBuf,
    },
}

impl RunError {
    /// Whether the same run may succeed a little later, without anyone changing anything.
    #[must_use]
    pub fn class(&self) -> FailureClass {
        let may_pass = match self {
            Self::Locked { holder, .. } => return FailureClass::Waiting { on: holder.to_string() },
            Self::TimedOut { .. } | Self::PlanStale(_) => true,
            Self::Failed { failure, .. } => failure.diagnostics.iter().any(Diagnostic::is_transient),
            Self::Child { source, .. } | Self::Private { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory
            ),
            Self::Refused { .. }
            | Self::BinaryMissing(_)
            | Self::LockFileMissing { .. }
            | Self::Cancelled { .. }
            | Self::TooMuchOutput { .. }
            | Self::Unreadable { .. }
            | Self::StateNotWritten { .. } => false,
        };
        if may_pass { FailureClass::Transient } else { FailureClass::Stalled }
    }

    /// Whether Terraform wants `init` to run first. It says so before it has done anything.
    pub(crate) fn asks_for_init(&self) -> bool {
        match self {
            Self::Failed { failure, .. } => failure.diagnostics.iter().any(Diagnostic::asks_for_init),
            _ => false,
        }
    }

    /// Whether live resources may differ from before: an apply had begun.
    #[must_use]
    pub const fn may_have_changed(&self) -> bool {
        match self {
            Self::Failed { step, .. }
            | Self::TimedOut { step, .. }
            | Self::Cancelled { step }
            | Self::TooMuchOutput { step, .. }
            | Self::Child { step, .. }
            | Self::Unreadable { step, .. } => matches!(step, Step::Apply),
            Self::StateNotWritten { .. } => true,
            Self::Refused { .. }
            | Self::BinaryMissing(_)
            | Self::LockFileMissing { .. }
            | Self::Private { .. }
            | Self::Locked { .. }
            | Self::PlanStale(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_waits_for_its_holder_and_what_the_code_lacks_for_a_person() {
        let holder = LockHolder { who: Some("ann@laptop".to_owned()), ..LockHolder::default() };
        let locked = RunError::Locked { step: Step::Plan, holder };
        assert_eq!(locked.class(), FailureClass::Waiting { on: "ann@laptop".to_owned() });
        let slow = RunError::TimedOut { step: Step::Plan, after: Duration::from_secs(1) };
        assert_eq!(slow.class(), FailureClass::Transient);
        let missing = RunError::LockFileMissing { directory: "infra".to_owned(), program: "tofu".to_owned() };
        let failure = Failure { exit_code: Some(1), diagnostics: Vec::new() };
        for error in [missing, RunError::Failed { step: Step::Plan, failure }] {
            assert_eq!(error.class(), FailureClass::Stalled, "{error}");
        }
    }
}
