//! The end of a cycle: one transaction, and when the next one is due.

use jiff::{SignedDuration, Timestamp};
use moorline_model::declaration::Notifications;
use moorline_model::drift::Severity;
use moorline_model::environment::{EnvironmentState, StoredDocument};
use moorline_model::event::{Event, EventKind};
use moorline_model::intent::Outcome;
use moorline_plan::decide::Decision;
use moorline_plan::intent::{Step, conclude};
use moorline_record::{Addressed, Channel, IntentId, JournalId, Write};

use crate::cycle::{Cycle, CycleError, Next};
use crate::desired::Wanted;
use crate::facilities::Facilities;
use crate::failpoint;
use crate::memory::Memory;
use crate::observe::{Live, next_look};

/// The pause between two cycles while a rollout is verified.
const VERIFY_EVERY: SignedDuration = SignedDuration::from_millis(500);

impl<W: Facilities> Cycle<'_, W> {
    /// Records the cycle: state, history, messages, intents and the journal line's end, all or nothing.
    pub(crate) async fn record(
        &self,
        memory: Memory,
        wanted: &Wanted,
        live: &Live<W::Gateway>,
        decision: &Decision,
        journal: Option<(JournalId, &'static str)>,
    ) -> Result<Next, CycleError> {
        let now = self.world.now();
        let heeded = outcomes(&memory, wanted, live, decision, now);
        let channels =
            wanted.declared().map(|declared| channels(&declared.notifications)).unwrap_or_default();
        let notifications: Vec<Addressed> = memory
            .notifications
            .iter()
            .map(|notification| Addressed { notification: notification.clone(), channels: channels.clone() })
            .collect();
        memory.events.iter().for_each(log);
        let awaits_fetch = memory.awaits_fetch;
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
        self.world.commit(write).await?;
        if let Some((_, step)) = journal {
            failpoint::reach(step, "recorded");
        }
        if has_mail {
            self.world.mail_waits();
        }
        if has_ended {
            self.tidy_runs(wanted);
        }
        Ok(match next(&memory.state, wanted, live, decision, now) {
            Next::At(at) if awaits_fetch => Next::AtFetch(at),
            next => next,
        })
    }
}

/// The channels that a declaration names.
#[must_use]
pub fn channels(told: &Notifications) -> Vec<Channel> {
    let slack = told.slack.is_some().then_some(Channel::Slack);
    slack.into_iter().chain(told.email.is_some().then_some(Channel::Email)).collect()
}

/// What came of the intents that this cycle heeded.
fn outcomes<G>(
    memory: &Memory,
    wanted: &Wanted,
    live: &Live<G>,
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

fn next<G>(
    state: &EnvironmentState,
    wanted: &Wanted,
    live: &Live<G>,
    decision: &Decision,
    now: Timestamp,
) -> Next {
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
fn documents(wanted: &Wanted, decision: &Decision, now: Timestamp) -> Option<StoredDocument> {
    let is_step = !matches!(decision, Decision::Rest { .. } | Decision::Watch);
    let document = wanted.brought.as_ref().filter(|_| is_step)?;
    Some(StoredDocument { digest: document.digest(), document: document.value().clone(), at: now })
}
