//! What a cycle needs from outside, and nothing else: a few traits. The daemon implements them over Git, gateways,
//! Terraform, AWS and the record; the scripts and properties of `tests/` over a small world of their own, so that they
//! run the cycle that ships.

use std::collections::BTreeSet;
use std::error::Error;
use std::future::Future;
use std::sync::Arc;

use jiff::Timestamp;
use moorline_admin::{
    AdminError, Candidate, CandidateStaged, ConnectionFault, EffectiveConfig, Failure, Generation, Stats,
    Status, Weight, WriteOptions,
};
use moorline_config::{Digest, Reference, Secret};
use moorline_model::declaration::{self, ChannelKind, Environment};
use moorline_model::drift::Finding;
use moorline_model::environment::{EnvironmentState, StoredDocument};
use moorline_model::event::AuditEntry;
use moorline_model::plan::{PlanBinding, PlanSummary};
use moorline_model::{CheckFailed, CommitId, EnvironmentName, FailureClass, Revision, RolloutId};
use moorline_plan::decide::Decision;
use moorline_plan::gates::SituationSnapshot;
use moorline_record::{CommitError, FencedError, JournalId, StoreError, Unfinished, Version, Write};
use serde_json::Value;

use crate::admin_class;

/// Everything that a cycle needs.
pub trait Facilities:
    Source + Fleet + TerraformRunner + AwsReads + Store + Clock + Secrets + Listener + Sync
{
}

impl<T> Facilities for T where
    T: Source + Fleet + TerraformRunner + AwsReads + Store + Clock + Secrets + Listener + Sync
{
}

/// The clock, and ids that sort by it.
pub trait Clock {
    /// The present moment.
    fn now(&self) -> Timestamp;
    /// A new rollout's id.
    fn rollout_id(&self) -> RolloutId;
}

/// Resolves the references that a repository declares.
pub trait Secrets {
    /// The value behind a reference.
    ///
    /// # Errors
    /// See [`ResolveError`].
    fn secret(&self, reference: &Reference) -> Result<Secret, ResolveError>;
}

/// Why a reference has no value. A person has to give it one, or to name another.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The variable is not set.
    #[error("{0} is not set in the daemon's environment: set it there, and start the daemon again")]
    Unset(Reference),
    /// The file cannot be read.
    #[error("{reference} cannot be read")]
    File {
        /// The reference.
        reference: Reference,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The kind is not resolved by this release.
    #[error("{0} is of a kind that this release does not resolve: expected env:NAME or file:/path")]
    Kind(Reference),
    /// The repository names one of the daemon's own secrets.
    #[error("{0} is the daemon's own and cannot be used by a repository")]
    Reserved(Reference),
}

/// Reads commits of the watched repository. What a commit holds never changes, but reading it may fail and go well later: a
/// failure says which of the two it is.
pub trait Source {
    /// The path of the declaration, `moorline.yaml` unless the daemon's settings say otherwise.
    fn declaration_path(&self) -> &str;
    /// The kinds of channels that messages can be sent by: a declaration is read against them.
    fn channel_kinds(&self) -> &'static [ChannelKind];
    /// The bytes of a file at a commit; `None` when it is not there.
    ///
    /// # Errors
    /// The commit cannot be read.
    fn file(
        &self,
        commit: &CommitId,
        path: &str,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, CheckFailed>> + Send;
    /// The paths of all files below a folder at a commit.
    ///
    /// # Errors
    /// The commit cannot be read, or has no such folder.
    fn files(
        &self,
        commit: &CommitId,
        folder: &str,
    ) -> impl Future<Output = Result<Vec<String>, CheckFailed>> + Send;
    /// The paths of all files that are not the same at two commits.
    ///
    /// # Errors
    /// One of them cannot be read.
    fn changed(
        &self,
        old: &CommitId,
        new: &CommitId,
    ) -> impl Future<Output = Result<BTreeSet<String>, CheckFailed>> + Send;
    /// The identity of an environment's Terraform at a commit: while it is the same, there is nothing new to plan.
    ///
    /// # Errors
    /// The commit cannot be read, or the directory is not there.
    fn terraform_identity(
        &self,
        commit: &CommitId,
        terraform: &declaration::Terraform,
    ) -> impl Future<Output = Result<String, CheckFailed>> + Send;
}

/// Finds the gateways of an environment.
pub trait Fleet {
    /// One of them.
    type Gateway: Gateway;
    /// The replicas that an environment declares, each with its admin URL.
    ///
    /// # Errors
    /// See [`FleetError`].
    fn gateways(&self, environment: &Environment) -> Result<Vec<(String, Self::Gateway)>, FleetError>;
    /// Sends a probe to where a gateway's callers go.
    ///
    /// # Errors
    /// See [`ProbeError`].
    fn probe(
        &self,
        request: ProbeRequest<'_>,
    ) -> impl Future<Output = Result<ProbeResponse, ProbeError>> + Send;
}

/// Why a probe was not answered.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Nothing can be connected to.
    #[error(transparent)]
    Connections(Box<dyn Error + Send + Sync>),
    /// No answer came.
    #[error("{address}, where its callers go, {fault}: {}", fault.next_step())]
    Unanswered {
        /// Where callers go.
        address: String,
        /// How the connection failed.
        fault: ConnectionFault,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl From<ProbeError> for CheckFailed {
    fn from(error: ProbeError) -> Self {
        match &error {
            ProbeError::Connections(_) => Self::transient(crate::chain::of(&error)),
            ProbeError::Unanswered { fault, source, .. } => {
                let because = crate::chain::after(&error.to_string(), source.as_ref());
                Self::new(admin_class::of_connection(*fault), because)
            }
        }
    }
}

/// Why the replicas cannot even be asked.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The admin token has no value.
    #[error("there is no admin token for it")]
    Token(#[source] ResolveError),
    /// An address cannot be used.
    #[error("a gateway's address cannot be used")]
    Endpoint(#[source] AdminError),
    /// Nothing can be connected to.
    #[error("no connection can be made: {0}")]
    Connections(String),
    /// The replicas are found in a way that this release does not know.
    #[error("endpoints of an ECS service are not looked up by this release: list the admin URLs")]
    Ecs,
}

impl FleetError {
    /// Whether asking again helps.
    #[must_use]
    pub const fn class(&self) -> FailureClass {
        match self {
            Self::Connections(_) => FailureClass::Transient,
            Self::Token(_) | Self::Endpoint(_) | Self::Ecs => FailureClass::Stalled,
        }
    }
}

/// The admin API of one gateway; what each call means and when it fails is said at [`moorline_admin::Client`].
#[expect(missing_docs, reason = "the same as the client's")]
pub trait Gateway: Clone + Send + Sync {
    fn status(&self) -> impl Future<Output = Result<Status, AdminError>> + Send;
    fn status_with_recent(&self, seconds: u32) -> impl Future<Output = Result<Status, AdminError>> + Send;
    fn config(&self) -> impl Future<Output = Result<EffectiveConfig, AdminError>> + Send;
    fn put_config(
        &self,
        document: &Value,
        options: &WriteOptions,
    ) -> impl Future<Output = Result<Status, AdminError>> + Send;
    fn stage(
        &self,
        document: &Value,
        weight: Weight,
        options: &WriteOptions,
    ) -> impl Future<Output = Result<CandidateStaged, AdminError>> + Send;
    fn set_weight(
        &self,
        candidate: Digest,
        weight: Weight,
    ) -> impl Future<Output = Result<Candidate, AdminError>> + Send;
    fn promote(&self, candidate: Digest) -> impl Future<Output = Result<Status, AdminError>> + Send;
    fn discard(&self) -> impl Future<Output = Result<Status, AdminError>> + Send;
    fn stats(
        &self,
        generation: Generation,
        since: Option<Timestamp>,
    ) -> impl Future<Output = Result<Stats, AdminError>> + Send;
    fn failure(&self, request: &str) -> impl Future<Output = Result<Option<Failure>, AdminError>> + Send;
}

/// A probe to be sent.
#[derive(Debug, Clone, Copy)]
pub struct ProbeRequest<'a> {
    /// Where the gateway's callers go, as it says itself.
    pub address: &'a str,
    /// What is asked, as a chat completion.
    pub body: &'a Value,
    /// The key that it shows.
    pub key: Option<&'a Secret>,
    /// What pins it to the candidate.
    pub pin: Option<&'a Secret>,
}

/// An answer to a probe.
#[derive(Debug, Clone)]
pub struct ProbeResponse {
    /// Its HTTP status.
    pub status: u16,
    /// By which the gateway knows the request.
    pub request: String,
}

/// Runs an environment's Terraform.
pub trait TerraformRunner {
    /// Plans at the run's commit, and keeps the plan.
    ///
    /// # Errors
    /// See [`RunFailed`].
    fn plan(&self, run: &Run<'_>) -> impl Future<Output = Result<PlanSummary, RunFailed>> + Send;
    /// Applies the plan that the same run kept.
    ///
    /// # Errors
    /// See [`RunFailed`].
    fn apply(&self, run: &Run<'_>, plan: &PlanBinding) -> impl Future<Output = Result<(), RunFailed>> + Send;
    /// Removes what the run left.
    fn clean_up(&self, run: &Run<'_>);
    /// Removes what all runs of the environment left. Only when no rollout is under way: its plan would be gone.
    fn clean_up_all(&self, name: &EnvironmentName, terraform: &declaration::Terraform);
    /// Why Terraform must not run until a person looked: a state that could not be written after an apply.
    fn blocked(&self, name: &EnvironmentName, terraform: Option<&declaration::Terraform>) -> Option<String>;
}

/// One environment's Terraform at one commit.
#[derive(Debug, Clone)]
pub struct Run<'a> {
    /// The environment's name.
    pub name: &'a EnvironmentName,
    /// Its Terraform as declared at the commit.
    pub declared: declaration::Terraform,
    /// The commit.
    pub commit: CommitId,
    /// What tells this run from others of the environment: a rollout's id, or `scheduled`.
    pub id: String,
}

/// A run that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunFailed {
    /// The daemon stops. That says nothing about the commit.
    #[error("interrupted: the daemon is stopping")]
    Interrupted,
    /// It may have changed something.
    #[error("{0}")]
    Changed(String),
    /// It has changed nothing. Why is redacted.
    #[error(transparent)]
    Unchanged(CheckFailed),
}

impl RunFailed {
    /// Why there is no result; `None` where the daemon's stop cut it short. What may have changed something needs a person.
    #[must_use]
    pub fn failed(self) -> Option<CheckFailed> {
        match self {
            Self::Interrupted => None,
            Self::Changed(because) => Some(CheckFailed::stalled(because)),
            Self::Unchanged(failed) => Some(failed),
        }
    }
}

/// Reads AWS.
pub trait AwsReads {
    /// What differs between AWS and the state of the run's Terraform; nothing while there is none.
    ///
    /// # Errors
    /// The state could not be read, and nothing was asked of AWS. See [`RunFailed`].
    fn aws_findings(
        &self,
        run: &Run<'_>,
        declared: &declaration::Aws,
    ) -> impl Future<Output = Result<Vec<Finding>, RunFailed>> + Send;
}

/// What outlives a cycle. Every write shows that this daemon leads.
#[expect(missing_docs, reason = "the same as the record's")]
pub trait Store {
    fn load(
        &self,
        name: &EnvironmentName,
    ) -> impl Future<Output = Result<Option<(Arc<EnvironmentState>, Version)>, StoreError>> + Send;
    fn unfinished(
        &self,
        name: &EnvironmentName,
    ) -> impl Future<Output = Result<Unfinished, StoreError>> + Send;
    fn journal_begin(
        &self,
        name: &EnvironmentName,
        rollout: Option<RolloutId>,
        step: &str,
        audit: AuditEntry,
    ) -> impl Future<Output = Result<JournalId, FencedError>> + Send;
    fn document(
        &self,
        name: &EnvironmentName,
        digest: Digest,
    ) -> impl Future<Output = Result<Option<StoredDocument>, StoreError>> + Send;
    fn commit(&self, write: Write<'_>) -> impl Future<Output = Result<Version, CommitError>> + Send;
    fn defer(
        &self,
        state: Arc<EnvironmentState>,
        version: Version,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
    fn amend(
        &self,
        name: &EnvironmentName,
        version: Version,
        change: impl FnOnce(&mut EnvironmentState) -> bool + Send,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// Notified of cycles as they happen.
pub trait Listener {
    /// The gateways of an environment are read, as it is declared here.
    fn observed(&self, name: &EnvironmentName, declared: &Environment);
    /// What was decided, from what was read.
    fn decided(&self, name: &EnvironmentName, decision: &Decision, read: SituationSnapshot);
    /// The revision in force moved from a commit to a head that declares the same.
    fn fast_forwarded(&self, name: &EnvironmentName, before: &CommitId, head: &Revision);
    /// A message waits in the outbox.
    fn notification_queued(&self);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_that_nobody_answers_is_sent_again_and_one_that_trusts_nobody_needs_a_person() {
        let failed = |fault| {
            let source = Box::new(std::io::Error::other("no way"));
            CheckFailed::from(ProbeError::Unanswered { address: "http://a:8787".to_owned(), fault, source })
        };
        let refused = failed(ConnectionFault::Refused);
        assert_eq!(refused.class, FailureClass::Transient);
        assert!(refused.because.starts_with("http://a:8787, where its callers go, refuses connections: "));
        assert_eq!(failed(ConnectionFault::Certificate).class, FailureClass::Stalled);
    }
}
