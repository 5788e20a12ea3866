//! The end of a cycle: one transaction, and when the next one is due.

use jiff::{SignedDuration, Timestamp};
use moorline_model::drift::Severity;
use moorline_model::environment::{EnvironmentState, KeptDocument};
use moorline_model::event::{Event, EventKind};
use moorline_model::intent::Outcome;
use moorline_plan::decide::Decision;
use moorline_plan::intent::{Step, conclude};
use moorline_record::{Addressed, IntentId, JournalId, Write};

use super::desired::Wanted;
use super::memory::Memory;
use super::observe::{Live, next_look};
use super::{Cycle, CycleError, Next};
use crate::{clock, failpoint, outbox};

/// The pause between two cycles while a rollout is verified.
const VERIFY_EVERY: SignedDuration = SignedDuration::from_millis(500);

impl Cycle<'_> {
    /// Records the cycle: state, history, messages, wishes and the journal line's end, all or nothing.
    pub(super) async fn record(
        &self,
        memory: Memory,
        wanted: &Wanted,
        live: &Live,
        decision: &Decision,
        journal: Option<(JournalId, &'static str)>,
    ) -> Result<Next, CycleError> {
        let now = clock::now();
        let shared = self.shared;
        let heeded = outcomes(&memory, wanted, live, decision, now);
        let channels =
            wanted.declared().map(|declared| outbox::channels(&declared.notifications)).unwrap_or_default();
        let notifications: Vec<Addressed> = memory
            .notifications
            .iter()
            .map(|notification| Addressed { notification: notification.clone(), channels: channels.clone() })
            .collect();
        memory.events.iter().for_each(log);
        let has_mail = !notifications.is_empty() && !channels.is_empty();
        let has_ended =
            memory.state.rollout_under_way().is_none() && !matches!(decision, Decision::Rest { .. });
        let write = Write {
            state: &memory.state,
            expected: memory.version,
            events: memory.events,
            notifications,
            audit: Vec::new(),
            heeded,
            journal_end: journal.map(|(id, _)| id),
            interrupted: memory.left_open,
            documents: memory.documents.into_iter().chain(documents(wanted, decision, now)).collect(),
        };
        shared.record.commit(shared.fence, write).await?;
        if let Some((_, step)) = journal {
            failpoint::reach(step, "recorded");
        }
        if has_mail {
            shared.outbox.notify_one();
        }
        if has_ended {
            self.tidy_runs(wanted);
        }
        Ok(next(&memory.state, wanted, live, decision, now))
    }
}

/// What came of the wishes that this cycle heeded.
fn outcomes(
    memory: &Memory,
    wanted: &Wanted,
    live: &Live,
    decision: &Decision,
    now: Timestamp,
) -> Vec<(IntentId, Outcome)> {
    let (ids, heard): (Vec<_>, Vec<_>) = memory.heard.iter().cloned().unzip();
    let under_way = memory.state.rollout_under_way().map(|rollout| &rollout.revision.commit);
    let step = Step {
        decision,
        failure: memory.failure.as_deref(),
        begun: under_way.and_then(|commit| wanted.at_hand(commit)),
        situation: &wanted.situation(memory, live),
    };
    ids.into_iter().zip(conclude(heard, &step, &memory.state, now)).collect()
}

/// Writes a line of history into the log, at the level of what happened.
fn log(event: &Event) {
    // A commit and its mistakes were named when it was read, once for all environments.
    if event.kind == EventKind::Commit || (event.kind == EventKind::Check && event.commit.is_some()) {
        return;
    }
    let Event { environment, message, .. } = event;
    match event.severity {
        Severity::Info => tracing::info!(%environment, "{message}"),
        Severity::Warning => tracing::warn!(%environment, "{message}"),
        Severity::Critical => tracing::error!(%environment, "{message}"),
    }
}

fn next(state: &EnvironmentState, wanted: &Wanted, live: &Live, decision: &Decision, now: Timestamp) -> Next {
    let after = |pause: SignedDuration| now.checked_add(pause).unwrap_or(Timestamp::MAX);
    let look = next_look(state, wanted, live.blocked.is_some(), now);
    let mut at = look.unwrap_or_else(|| after(SignedDuration::from_secs(30)));
    match decision {
        Decision::Rest { until, .. } => at = until.map_or(at, |until| at.min(until)),
        Decision::Watch => at = at.min(after(VERIFY_EVERY)),
        // A step that failed is tried again when the rollout says so, and not at once.
        _ => match state.rollout_under_way().and_then(|rollout| rollout.retry_at) {
            Some(retry_at) if retry_at > now => at = at.min(retry_at),
            _ => return Next::Again,
        },
    }
    Next::At(at)
}

/// The document that a rollout brings is kept with each of its steps, so that drift is found against it and a later
/// rollback finds it. Staging alone would not do: an earlier life may have staged it and not recorded that, and replicas may
/// serve it already.
fn documents(wanted: &Wanted, decision: &Decision, now: Timestamp) -> Option<KeptDocument> {
    let is_step = !matches!(decision, Decision::Rest { .. } | Decision::Watch);
    let document = wanted.brought.as_ref().filter(|_| is_step)?;
    Some(KeptDocument { digest: document.digest(), document: document.value().clone(), at: now })
}
