//! [`Cycle::run`]: the sentence itself. Data goes one way; only the record is read back, at the start. A cycle takes no
//! input and moves a rollout by at most one step, so a crash anywhere repeats at most one idempotent effect.

use jiff::Timestamp;
use moorline_model::EnvironmentName;
use moorline_model::rollout::Evidence;
use moorline_plan::advance::{Acted, Inputs, advance};
use moorline_plan::decide::{Decision, decide};
use moorline_plan::gates::Read;
use moorline_record::{CommitError, StoreError};
use tokio::sync::watch;

use crate::act::{ActError, Acting, Effect, act};
use crate::commits::Commits;
use crate::desired::Wanted;
use crate::facilities::Facilities;
use crate::memory::Memory;
use crate::missing::missing;
use crate::observe::Live;
use crate::report::Report;
use crate::said::Said;
use crate::speaker::Speaker;
use crate::verify::{Asking, verify};

/// Why a cycle ended early. Nothing of it was recorded; the next one reads everything afresh.
#[derive(Debug, thiserror::Error)]
pub enum CycleError {
    /// The record could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The decision has no outcome.
    #[error(transparent)]
    Act(#[from] ActError),
    /// The outcome could not be committed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// Something in it panicked; the log says where.
    #[error("the cycle panicked, which is a defect; the log says where")]
    Panicked,
}

/// When the next cycle is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// At once: something moved.
    Again,
    /// At this moment, or when the bell is rung.
    At(Timestamp),
    /// The same, or when the repository was fetched: an intent waits for that.
    AtFetch(Timestamp),
}

/// What is kept between cycles, in memory only.
#[derive(Debug, Default)]
pub struct Kept {
    /// What commits declare.
    pub commits: Commits,
    /// What the log has said already.
    pub said: Said,
    /// Who tells people of trouble with the repository.
    pub speaker: Speaker,
}

/// A cycle to be run.
pub struct Cycle<'a, W> {
    /// The environment.
    pub name: &'a EnvironmentName,
    /// The world around it.
    pub world: &'a W,
    /// What the repository says.
    pub source: &'a watch::Receiver<Option<Report>>,
    /// What is kept between cycles.
    pub kept: &'a Kept,
}

impl<W: Facilities> Cycle<'_, W> {
    /// Runs the cycle.
    ///
    /// # Errors
    /// See [`CycleError`].
    pub async fn run(&self) -> Result<Next, CycleError> {
        let now = self.world.now();
        let mut memory = self.remember(now).await?;
        let source = self.source.borrow().clone();
        let wanted = Box::pin(self.desired(&memory, source.as_ref())).await?;
        let live = Box::pin(self.observe(&memory, &wanted, now)).await;
        self.diff(&mut memory, &wanted, &live, source.as_ref(), now);
        memory.meet(&wanted, &live, now);
        let decision = self.decide(&mut memory, &wanted, &live, now);
        let effect = Box::pin(self.act(&memory, &wanted, &live, &decision)).await?;
        let acted = self.with_document(effect.acted, &wanted).await?;
        memory.failure = acted.failure().map(str::to_owned);
        let inputs = Inputs {
            id: self.world.rollout_id(),
            desired: wanted.about(&decision),
            in_force: wanted.in_force.as_ref(),
            brought: wanted.brought.as_ref(),
        };
        memory.take(advance(&memory.state, &decision, acted, &inputs, self.world.now()));
        self.begin_asked(&mut memory, &wanted);
        let evidence = Box::pin(self.verify(&memory, &wanted, &live, &decision)).await;
        memory.witness(evidence, self.world.now());
        self.record(memory, &wanted, &live, &decision, effect.journal).await
    }

    /// What a person asked for takes the place of this cycle's own decision: replicas are healed, or a rollout begins.
    fn decide(
        &self,
        memory: &mut Memory,
        wanted: &Wanted,
        live: &Live<W::Gateway>,
        now: Timestamp,
    ) -> Decision {
        let heal = std::mem::take(&mut memory.heal);
        let asked = match (memory.restore.take(), heal.is_empty()) {
            (Some(restore), _) => Some(restore),
            (None, false) => Some(Decision::Heal { endpoints: heal }),
            (None, true) => memory.begin.take(),
        };
        let situation = wanted.situation(memory, live);
        let missing = wanted.declared().map(|declared| missing(declared, self.world)).unwrap_or_default();
        let read = Read::of(&situation, missing);
        let decision = asked.unwrap_or_else(|| decide(&memory.state, &situation, now));
        self.world.decided(self.name, &decision, read);
        decision
    }

    /// A rollout that a person asked for begins in the same cycle as the healing before it. Beginning has no effect.
    fn begin_asked(&self, memory: &mut Memory, wanted: &Wanted) {
        let Some(begin) = memory.begin.take() else { return };
        let inputs = Inputs {
            id: self.world.rollout_id(),
            desired: wanted.about(&begin),
            in_force: wanted.in_force.as_ref(),
            brought: wanted.brought.as_ref(),
        };
        memory.take(advance(&memory.state, &begin, Acted::Rested, &inputs, self.world.now()));
    }

    async fn act(
        &self,
        memory: &Memory,
        wanted: &Wanted,
        live: &Live<W::Gateway>,
        decision: &Decision,
    ) -> Result<Effect, CycleError> {
        let terraform = self.terraform_for(memory, wanted, decision).await;
        let foreign = wanted.foreign(memory, live);
        let found = self.found(decision).await?;
        let acting = Acting {
            name: self.name,
            state: &memory.state,
            document: wanted.document_for(decision),
            fleet: &live.fleet,
            readings: &live.replicas,
            foreign: &foreign,
            found: &found,
            terraform: terraform.as_ref(),
        };
        Ok(act(self.world, decision, &acting).await?)
    }

    async fn verify(
        &self,
        memory: &Memory,
        wanted: &Wanted,
        live: &Live<W::Gateway>,
        decision: &Decision,
    ) -> Option<Evidence> {
        let rollout = memory.state.rollout_under_way()?;
        let document = wanted.brought.as_ref().filter(|document| Some(document.digest()) == rollout.digest);
        let asking = match decision {
            Decision::Watch | Decision::Rest { .. } => Asking::Again,
            _ => Asking::AfterAStep,
        };
        verify(self.world, rollout, document, &live.fleet, asking).await
    }
}
