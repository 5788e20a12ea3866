//! The start of a cycle: the state from the record, with the intents of people applied.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use moorline_config::Digest;
use moorline_model::environment::{EnvironmentState, StoredDocument};
use moorline_model::event::Event;
use moorline_model::intent::{Intent, Operation};
use moorline_model::notification::Notification;
use moorline_model::rollout::Evidence;
use moorline_plan::advance::{Advance, record_evidence};
use moorline_plan::decide::Decision;
use moorline_plan::intent::{IntentEffect, apply_intents};
use moorline_record::{IntentId, JournalId, Unfinished, Version};

use crate::cycle::{Cycle, CycleError};
use crate::facilities::Facilities;

/// Longest wait of an intent to look for the fetch that it triggered.
const FETCHED_WITHIN: SignedDuration = SignedDuration::from_secs(10);

/// The state from the record, and what this cycle adds to it until it is recorded.
pub(crate) struct WorkingState {
    /// The state, as it grows through the cycle.
    pub(crate) state: EnvironmentState,
    /// The state as it was loaded.
    pub(crate) loaded: Arc<EnvironmentState>,
    /// The version that was loaded.
    pub(crate) version: Version,
    /// A step that an earlier life of the daemon began and whose end was not recorded.
    pub(crate) interrupted: Option<String>,
    /// Its journal lines, and others that were left open.
    pub(crate) left_open: Vec<JournalId>,
    /// A rollout that a person asked for.
    pub(crate) begin: Option<Decision>,
    /// Replicas that a person had healed.
    pub(crate) heal: Vec<String>,
    /// What replicas get back that they served when they were first met.
    pub(crate) restore: Option<Decision>,
    /// Documents to keep.
    pub(crate) documents: Vec<StoredDocument>,
    /// Why this cycle's step could not be done.
    pub(crate) failure: Option<String>,
    /// Intents that are applied in this cycle, and what came of each.
    pub(crate) effects: Vec<(IntentId, IntentEffect)>,
    /// Whether an intent waits for the repository to be fetched.
    pub(crate) awaits_fetch: bool,
    /// The document that Terraform handed over last.
    pub(crate) handed_over: Option<Digest>,
    /// Lines of history to write.
    pub(crate) events: Vec<Event>,
    /// Messages to send.
    pub(crate) notifications: Vec<Notification>,
}

impl WorkingState {
    /// Takes the outcome of a step in.
    pub(crate) fn take(&mut self, advanced: Advance) {
        self.state = advanced.state;
        self.events.extend(advanced.events);
        self.notifications.extend(advanced.notifications);
    }

    /// Records the evidence of verification.
    pub(crate) fn record_evidence(&mut self, evidence: Option<Evidence>, now: Timestamp) {
        if let Some(evidence) = evidence {
            let next = record_evidence(&self.state, evidence, now);
            self.take(next);
        }
    }
}

impl<W: Facilities> Cycle<'_, W> {
    /// Reads the record, and applies what people asked for.
    pub(crate) async fn load_state(&self, now: Timestamp) -> Result<WorkingState, CycleError> {
        let world = self.world;
        let loaded = world.load(self.name).await?;
        let (loaded, version) =
            loaded.unwrap_or_else(|| (Arc::new(EnvironmentState::new(self.name.clone())), Version(0)));
        let Unfinished { steps: open, intents: waiting, handed_over } = world.unfinished(self.name).await?;
        let under_way = loaded.rollout_under_way().map(|rollout| rollout.id);
        let interrupted = open.iter().rev().find(|step| step.rollout.is_some() && step.rollout == under_way);
        let interrupted = interrupted.map(|step| step.step.clone());
        let (due, not_due): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|(_, intent)| self.can_be_applied(intent, now));
        let (ids, intents): (Vec<_>, Vec<_>) = due.into_iter().unzip();
        let applied = apply_intents((*loaded).clone(), &intents, now);
        Ok(WorkingState {
            loaded,
            state: applied.state,
            version,
            interrupted,
            left_open: open.into_iter().map(|step| step.id).collect(),
            begin: applied.begin,
            heal: applied.heal,
            restore: applied.restore,
            documents: Vec::new(),
            failure: None,
            awaits_fetch: !not_due.is_empty(),
            effects: ids.into_iter().zip(applied.effects).collect(),
            handed_over,
            events: applied.events,
            notifications: applied.notifications,
        })
    }

    /// Whether an intent can be answered. Who asks to look now means the repository too: the fetch that the intent rang for
    /// comes first, else the answer would be about the head before it.
    fn can_be_applied(&self, intent: &Intent, now: Timestamp) -> bool {
        let fetched = self.source.borrow().as_ref().map(|report| report.checked_at);
        intent.operation != Operation::Sync
            || fetched.is_some_and(|at| at >= intent.at)
            || now.duration_since(intent.at) >= FETCHED_WITHIN
    }
}
