//! [`Cycle::run`]: the sentence itself. Data goes one way: the state is read once, at the start, and written once, at the end;
//! between them stored documents are fetched by their digest. A cycle takes no input and moves a rollout by at most one step, so a
//! crash anywhere repeats at most one idempotent effect.

use jiff::Timestamp;
use moorline_model::EnvironmentName;
use moorline_model::rollout::Evidence;
use moorline_plan::advance::{Inputs, StepOutcome, advance};
use moorline_plan::decide::{Decision, decide};
use moorline_plan::gates::SituationSnapshot;
use moorline_record::{CommitError, StoreError};
use tokio::sync::{Mutex, watch};

use crate::act::{ActError, Effect, StepContext, act};
use crate::commit_cache::CommitCache;
use crate::declaration::ParsedDeclarations;
use crate::desired::Declared;
use crate::facilities::Facilities;
use crate::log_once::LogOnce;
use crate::missing::missing;
use crate::observe::Observed;
use crate::shared_alerts::SharedAlerts;
use crate::source_status::SourceStatus;
use crate::verify::{VerifyTrigger, verify};
use crate::working_state::WorkingState;

/// Why a cycle ended early. Its state was not recorded, at most the journal line of a step that began; the next one reads everything
/// afresh.
#[derive(Debug, thiserror::Error)]
pub enum CycleError {
    /// The record could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The decision has no outcome.
    #[error(transparent)]
    Act(#[from] ActError),
    /// The record could not be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// Something in it panicked; the log says where.
    #[error("the cycle panicked, which is a defect; the log says where")]
    Panicked,
}

/// When the next cycle is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requeue {
    /// At once: something moved.
    Now,
    /// At this moment, or when the keeper is woken.
    At(Timestamp),
    /// Like [`Requeue::At`], but a fetch that ended wakes it too: an intent waits for that.
    AtFetch(Timestamp),
}

/// What is cached between cycles, in memory only.
#[derive(Debug, Default)]
pub struct Cache {
    /// What commits declare.
    pub commits: CommitCache,
    /// Declarations by their text.
    pub parsed: ParsedDeclarations,
    /// Locked while a declaration is read.
    pub(crate) parsing: Mutex<()>,
    /// What was logged already.
    pub log_once: LogOnce,
    /// Which environment notifies people of trouble with the repository.
    pub shared_alerts: SharedAlerts,
}

/// A cycle to be run.
pub struct Cycle<'a, W> {
    /// The environment.
    pub name: &'a EnvironmentName,
    /// The world around it.
    pub world: &'a W,
    /// The source's status.
    pub source: &'a watch::Receiver<Option<SourceStatus>>,
    /// What is cached between cycles.
    pub cache: &'a Cache,
}

impl<W: Facilities> Cycle<'_, W> {
    /// Runs the cycle.
    ///
    /// # Errors
    /// See [`CycleError`].
    pub async fn run(&self) -> Result<Requeue, CycleError> {
        let now = self.world.now();
        let mut working = self.load_state(now).await?;
        let source = self.source.borrow().clone();
        let declared = Box::pin(self.desired(&working, source.as_ref())).await?;
        let observed = Box::pin(self.observe(&working, &declared, now)).await;
        self.diff(&mut working, &declared, &observed, source.as_ref(), now);
        working.record_first_contact(&declared, &observed, now);
        let decision = self.decide(&mut working, &declared, &observed, now);
        let effect = Box::pin(self.act(&working, &declared, &observed, &decision)).await?;
        let outcome = self.with_document(effect.outcome, &declared).await?;
        working.failure = outcome.failure().map(str::to_owned);
        let inputs = Inputs {
            id: self.world.rollout_id(),
            desired: declared.desired_for(&decision),
            in_force: declared.documents.in_force.as_ref(),
            incoming: declared.documents.incoming.as_ref(),
        };
        working.take(advance(&working.state, outcome, &inputs, self.world.now()));
        self.begin_asked(&mut working, &declared);
        let evidence = Box::pin(self.verify(&working, &declared, &observed, &decision)).await;
        working.record_evidence(evidence, self.world.now());
        self.record(working, &declared, &observed, &decision, effect.journal).await
    }

    /// What a person asked for takes the place of this cycle's own decision: replicas are healed, or a rollout begins.
    fn decide(
        &self,
        working: &mut WorkingState,
        declared: &Declared,
        observed: &Observed<W::Gateway>,
        now: Timestamp,
    ) -> Decision {
        let heal = std::mem::take(&mut working.heal);
        let asked = match (working.restore.take(), heal.is_empty()) {
            (Some(restore), _) => Some(restore),
            (None, false) => Some(Decision::Heal { endpoints: heal }),
            (None, true) => working.begin.take(),
        };
        let situation = declared.situation(working, observed);
        let missing = declared.effective().map(|desired| missing(desired, self.world)).unwrap_or_default();
        let snapshot = SituationSnapshot::of(&situation, missing);
        let decision = asked.unwrap_or_else(|| decide(&working.state, &situation, now));
        self.world.decided(self.name, &decision, snapshot);
        decision
    }

    /// A rollout that a person asked for begins in the same cycle as the healing before it. Beginning has no effect.
    fn begin_asked(&self, working: &mut WorkingState, declared: &Declared) {
        let Some(Decision::Begin { revision, kind }) = working.begin.take() else { return };
        let inputs = Inputs {
            id: self.world.rollout_id(),
            desired: declared.desired_at(&revision.commit),
            in_force: declared.documents.in_force.as_ref(),
            incoming: declared.documents.incoming.as_ref(),
        };
        let begun = StepOutcome::Begun { revision, kind };
        working.take(advance(&working.state, begun, &inputs, self.world.now()));
    }

    async fn act(
        &self,
        working: &WorkingState,
        declared: &Declared,
        observed: &Observed<W::Gateway>,
        decision: &Decision,
    ) -> Result<Effect, CycleError> {
        let terraform = self.terraform_for(working, declared, decision).await;
        let foreign = declared.foreign(working, observed);
        let found = self.found(decision).await?;
        let context = StepContext {
            name: self.name,
            state: &working.state,
            document: declared.document_for(decision),
            fleet: &observed.fleet,
            readings: &observed.replicas,
            foreign: &foreign,
            found: &found,
            terraform: terraform.as_ref(),
        };
        Ok(act(self.world, decision, &context).await?)
    }

    async fn verify(
        &self,
        working: &WorkingState,
        declared: &Declared,
        observed: &Observed<W::Gateway>,
        decision: &Decision,
    ) -> Option<Evidence> {
        let rollout = working.state.rollout_under_way()?;
        let document =
            declared.documents.incoming.as_ref().filter(|document| Some(document.digest()) == rollout.digest);
        let trigger = match decision {
            Decision::Verify | Decision::Wait { .. } => VerifyTrigger::Periodic,
            _ => VerifyTrigger::AfterStep,
        };
        verify(self.world, rollout, document, &observed.fleet, trigger).await
    }
}
