//! The end of a cycle: one transaction, and when the next one is due.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use moorline_model::declaration::Notifications;
use moorline_model::drift::Severity;
use moorline_model::environment::{EnvironmentState, StoredDocument};
use moorline_model::event::{Event, EventKind};
use moorline_model::intent::Outcome;
use moorline_model::notification::Notification;
use moorline_plan::decide::Decision;
use moorline_plan::intent::{StepTaken, conclude};
use moorline_record::{Addressed, IntentId, JournalId, Write};

use crate::cycle::{Cycle, CycleError, Requeue};
use crate::desired::Declared;
use crate::facilities::Facilities;
use crate::failpoint;
use crate::observe::{Observed, next_check};
use crate::verify::next_look;
use crate::working_state::WorkingState;

/// The pause before a phase is looked at again that could not be verified now.
const VERIFY_AGAIN_AFTER: SignedDuration = SignedDuration::from_millis(500);

impl<W: Facilities> Cycle<'_, W> {
    /// Records the cycle: state, history, messages, intents and the journal line's end, all or nothing.
    pub(crate) async fn record(
        &self,
        working: WorkingState,
        declared: &Declared,
        observed: &Observed<W::Gateway>,
        decision: &Decision,
        journal: Option<(JournalId, &'static str)>,
    ) -> Result<Requeue, CycleError> {
        let now = self.world.now();
        let answered = outcomes(&working, declared, observed, decision, now);
        let routes = declared.effective().map(|desired| &desired.notifications);
        let notifications = addressed(&working.notifications, routes);
        working.events.iter().for_each(log);
        let awaits_fetch = working.awaits_fetch;
        let has_notifications =
            notifications.iter().any(|message| !message.channels.is_empty() || !message.others.is_empty());
        let state = Arc::new(working.state);
        let has_ended = state.rollout_under_way().is_none() && !matches!(decision, Decision::Wait { .. });
        let write = Write {
            state: &state,
            expected: working.version,
            events: working.events,
            notifications,
            audit: Vec::new(),
            applied_intents: answered,
            journal_end: journal.map(|(id, _)| id),
            left_open: working.left_open,
            documents: working.documents.into_iter().chain(documents(declared, decision, now)).collect(),
        };
        let is_as_before = brings_nothing_new(&working.loaded, &write);
        if !is_as_before || !self.world.defer(Arc::clone(&state), write.expected).await? {
            self.world.commit(write).await?;
        }
        if let Some((_, step)) = journal {
            failpoint::reach(step, "recorded");
        }
        if has_notifications {
            self.world.notification_queued();
        }
        if has_ended {
            self.clean_up_runs(declared);
            self.forget_commits(&state, declared);
        }
        Ok(match next(&state, declared, observed, decision, now) {
            Requeue::At(at) if awaits_fetch => Requeue::AtFetch(at),
            next => next,
        })
    }

    /// Keeps in memory what the head and the commit in force declare, and nothing before them.
    fn forget_commits(&self, state: &EnvironmentState, declared: &Declared) {
        let head = declared.head.as_ref().and_then(|head| head.as_ref().ok()).map(|head| &head.revision);
        let in_force = state.applied.as_ref().map(|applied| &applied.revision);
        let commits: Vec<_> = head.into_iter().chain(in_force).map(|revision| &revision.commit).collect();
        self.cache.commits.retain(self.name, &commits);
    }
}

/// Whether a look found everything as it was: then only its moment is new, and no write is worth that.
fn brings_nothing_new(loaded: &EnvironmentState, write: &Write<'_>) -> bool {
    let Write {
        state,
        expected: _,
        events,
        notifications,
        audit,
        applied_intents,
        journal_end,
        left_open,
        documents,
    } = write;
    let is_silent =
        events.is_empty() && notifications.is_empty() && audit.is_empty() && applied_intents.is_empty();
    is_silent
        && (journal_end.is_none() && left_open.is_empty() && documents.is_empty())
        && state.is_as_found_before(loaded)
}

/// Each message with the channels that the declaration routes it to.
fn addressed(messages: &[Notification], declared: Option<&Notifications>) -> Vec<Addressed> {
    let routed = messages.iter().map(|notification| {
        let (channels, others) = declared.map(|declared| declared.route(notification)).unwrap_or_default();
        Addressed { notification: notification.clone(), channels, others }
    });
    routed.collect()
}

/// What came of the intents that this cycle applied.
fn outcomes<G>(
    working: &WorkingState,
    declared: &Declared,
    observed: &Observed<G>,
    decision: &Decision,
    now: Timestamp,
) -> Vec<(IntentId, Outcome)> {
    let (ids, effects): (Vec<_>, Vec<_>) = working.effects.iter().cloned().unzip();
    let under_way = working.state.rollout_under_way().map(|rollout| &rollout.revision.commit);
    let taken = StepTaken {
        decision,
        failure: working.failure.as_deref(),
        begun: under_way.and_then(|commit| declared.desired_at(commit)),
        situation: &declared.situation(working, observed),
    };
    ids.into_iter().zip(conclude(effects, &taken, &working.state, now)).collect()
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
    declared: &Declared,
    observed: &Observed<G>,
    decision: &Decision,
    now: Timestamp,
) -> Requeue {
    let after = |pause: SignedDuration| now.checked_add(pause).unwrap_or(Timestamp::MAX);
    let check = next_check(state, declared, observed.blocked.is_some(), now);
    let mut at = check.unwrap_or_else(|| after(SignedDuration::from_secs(30)));
    match decision {
        Decision::Wait { until, .. } => at = until.map_or(at, |until| at.min(until)),
        Decision::Verify => {
            let next = state.rollout_under_way().and_then(next_look).filter(|next| *next > now);
            at = at.min(next.unwrap_or_else(|| after(VERIFY_AGAIN_AFTER)));
        }
        // A step that failed is tried again when the rollout says so, and not at once.
        _ => match state.rollout_under_way().and_then(|rollout| rollout.retry_at) {
            Some(retry_at) if retry_at > now => at = at.min(retry_at),
            _ => return Requeue::Now,
        },
    }
    Requeue::At(at)
}

/// The document that a rollout brings is kept with each of its steps, so that drift is found against it and a later
/// rollback finds it. Staging alone would not do: an earlier life may have staged it and not recorded that, and replicas may
/// serve it already.
fn documents(declared: &Declared, decision: &Decision, now: Timestamp) -> Option<StoredDocument> {
    let is_step = !matches!(decision, Decision::Wait { .. } | Decision::Verify);
    let document = declared.documents.incoming.as_ref().filter(|_| is_step)?;
    Some(StoredDocument { digest: document.digest(), document: document.value().clone(), at: now })
}
