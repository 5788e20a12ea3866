//! The intents of people, applied to the state.
//!
//! In: the intents since the last cycle. Out: the state with holds, approvals and intents in it, the lines of history,
//! and the rollout to begin when somebody requested a rollback while none is under way. What came of each intent is known
//! once the cycle has taken its step: [`conclude`] makes its outcome.

mod conclude;
mod heal;
mod rollback;

use std::collections::BTreeMap;

use jiff::Timestamp;
use moorline_model::CommitId;
use moorline_model::config::Digest;
use moorline_model::drift::Severity;
use moorline_model::environment::{EnvironmentState, RequestedBy};
use moorline_model::event::{Event, EventKind};
use moorline_model::intent::{Intent, Operation, Outcome, Refusal};
use moorline_model::notification::Notification;
use moorline_model::rollout::{Approval, Phase};

pub use self::conclude::{StepTaken, conclude};
use crate::advance;
use crate::decide::Decision;

/// What applying came to.
#[derive(Debug, Clone, PartialEq)]
pub struct AppliedIntents {
    pub state: EnvironmentState,
    /// Lines of history: each intent has one, also one that could not be applied.
    pub events: Vec<Event>,
    /// The [`Decision::Begin`] of a requested rollback. It takes the place of this cycle's own decision; what
    /// its commit declares is read like any other's.
    pub begin: Option<Decision>,
    /// The replicas that are given the document in force back: this comes before everything else that the cycle does.
    pub heal: Vec<String>,
    /// The [`Decision::RestoreFound`] that takes the place of this cycle's own decision.
    pub restore: Option<Decision>,
    /// What each intent led to, in their order.
    pub effects: Vec<IntentEffect>,
    /// Messages to people: what they were notified of before, and have ended themselves.
    pub notifications: Vec<Notification>,
}

/// What an intent came to before the cycle took its step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntentEffect {
    /// Its outcome is known.
    Answered(Outcome),
    /// It changed something, and the cycle's own decision says what follows.
    Follows {
        /// What was done.
        did: String,
    },
    /// The rollout to begin brings this commit.
    Begins {
        /// What is done.
        did: String,
        commit: CommitId,
    },
    /// Replicas are given the document in force back.
    Heals {
        /// What is going to be done.
        does: String,
        /// What was done then, and what cannot be.
        did: String,
        /// Whether a rollout begins that has Terraform restore the rest.
        begins: Option<CommitId>,
    },
}

impl IntentEffect {
    fn done(message: impl Into<String>) -> Self {
        Self::Answered(Outcome::Done { message: message.into() })
    }

    fn message(&self) -> &str {
        match self {
            Self::Answered(outcome) => outcome.message(),
            Self::Follows { did } | Self::Begins { did, .. } => did,
            Self::Heals { does, .. } => does,
        }
    }
}

/// Applies intents to the state, in their order.
#[must_use]
pub fn apply_intents(state: EnvironmentState, intents: &[Intent], now: Timestamp) -> AppliedIntents {
    let mut after = AppliedIntents {
        state,
        events: Vec::new(),
        begin: None,
        heal: Vec::new(),
        restore: None,
        effects: Vec::new(),
        notifications: Vec::new(),
    };
    for intent in intents {
        let before = after.state.clone();
        let (effect, message) = match intent.operation.refused(&after.state) {
            Some(refusal) => refused(intent, refusal),
            None => {
                let effect = apply(&mut after, intent, now);
                let message = match intent.operation {
                    Operation::Sync => "requested a sync".to_owned(),
                    _ => effect.message().to_owned(),
                };
                (effect, message)
            }
        };
        after.notifications.extend(closing_notification(&before, &after.state, intent, now));
        after.note(intent, &message, now);
        after.effects.push(effect);
    }
    crate::conditions::note_hold(&mut after.state, now);
    after
}

fn apply(after: &mut AppliedIntents, intent: &Intent, now: Timestamp) -> IntentEffect {
    let state = &mut after.state;
    match &intent.operation {
        Operation::Sync => sync(state, intent),
        Operation::Approve(_) => approve(state, intent),
        Operation::Hold { commit } => hold(state, intent, commit.as_ref(), now),
        Operation::Release => release(state, intent),
        Operation::Adopt { seen } => adopt(state, seen, intent),
        Operation::Heal { only } => heal::heal(after, intent, only.as_deref()),
        Operation::Rollback { commit } => rollback::rollback(after, intent, commit.as_ref(), now),
    }
}

fn refused(intent: &Intent, refusal: Refusal) -> (IntentEffect, String) {
    let message = format!("requested `{}`, but {}", intent.operation.as_str(), refusal.message);
    (IntentEffect::Answered(refusal.into()), message)
}

impl AppliedIntents {
    fn note(&mut self, intent: &Intent, message: &str, now: Timestamp) {
        let reason = if intent.reason.is_empty() { String::new() } else { format!(" ({})", intent.reason) };
        let is_hold = matches!(intent.operation, Operation::Hold { .. } | Operation::Release);
        let rollout = self.state.rollout_under_way();
        self.events.push(Event {
            at: now,
            environment: self.state.name.clone(),
            kind: if is_hold { EventKind::Hold } else { EventKind::Intent },
            severity: Severity::Info,
            message: format!("{} {message}{reason}", intent.actor),
            commit: rollout.map(|rollout| rollout.revision.commit.clone()),
            rollout: rollout.map(|rollout| rollout.id),
        });
    }
}

/// The last message about a rollout that an intent has superseded, or released.
fn closing_notification(
    before: &EnvironmentState,
    after: &EnvironmentState,
    intent: &Intent,
    now: Timestamp,
) -> Option<Notification> {
    let rollout = before.rollout.as_ref()?;
    let is_released = before.frozen.is_some() && after.frozen.is_none();
    let has_made_room = !rollout.phase.is_over()
        && after.rollout.as_ref().is_some_and(|rollout| rollout.phase == Phase::Superseded);
    if has_made_room {
        return advance::superseded_by_person(&after.name, after.rollout.as_ref()?, now);
    }
    is_released.then(|| advance::released(&after.name, rollout, &intent.actor, now)).flatten()
}

fn requested_by(intent: &Intent) -> RequestedBy {
    RequestedBy { actor: intent.actor.clone(), at: intent.at }
}

fn sync(state: &mut EnvironmentState, intent: &Intent) -> IntentEffect {
    state.sync = Some(requested_by(intent));
    if let Some(rollout) = state.rollout.as_mut().filter(|rollout| !rollout.phase.is_over()) {
        rollout.retry_at = None;
        rollout.requested_by.get_or_insert_with(|| requested_by(intent));
    }
    IntentEffect::Follows { did: "looked".to_owned() }
}

fn approve(state: &mut EnvironmentState, intent: &Intent) -> IntentEffect {
    let rollout = state.rollout.as_mut();
    let Some((rollout, waiting)) = rollout.and_then(|rollout| {
        let waiting = rollout.waits_for_approval()?;
        Some((rollout, waiting))
    }) else {
        return IntentEffect::done("approved a change, but none waits for approval");
    };
    let plan = rollout.changing_plan();
    let did = match plan {
        Some(plan) => format!("approved the plan: {}", plan.headline()),
        None => format!("approved the document of {}", rollout.revision.commit.short()),
    };
    rollout.approval = Some(Approval {
        actor: intent.actor.clone(),
        plan_sha256: waiting.plan_sha256.unwrap_or_default(),
        content: plan.map(moorline_model::plan::PlanSummary::content).unwrap_or_default(),
        digest: waiting.digest,
        at: intent.at,
    });
    IntentEffect::Follows { did }
}

fn hold(
    state: &mut EnvironmentState,
    intent: &Intent,
    commit: Option<&CommitId>,
    now: Timestamp,
) -> IntentEffect {
    let what = what(commit);
    let reason = if intent.reason.is_empty() { "no reason given" } else { &intent.reason };
    // Who holds it last says why it is held: that is what is read from then on.
    if let Some(held) = state.holds.iter_mut().find(|hold| hold.commit.as_ref() == commit) {
        let did = format!("held {what}, which was held already by {}: {}", held.by, held.reason);
        (held.reason, held.by) = (reason.to_owned(), intent.actor.clone());
        return IntentEffect::done(did);
    }
    advance::hold(state, commit.cloned(), reason.to_owned(), intent.actor.clone(), now);
    IntentEffect::done(format!("held {what}"))
}

fn what(held: Option<&CommitId>) -> &str {
    held.map_or("everything", |commit| commit.short())
}

fn release(state: &mut EnvironmentState, intent: &Intent) -> IntentEffect {
    let holds = std::mem::take(&mut state.holds);
    let frozen = state.frozen.take();
    // What was held or frozen may be tried again now.
    state.sync = Some(requested_by(intent));
    // A rollback holds more than one commit: whoever releases it sees which.
    let held: Vec<_> = holds.iter().map(|hold| what(hold.commit.as_ref())).collect();
    let did = match (held.as_slice(), frozen) {
        ([], None) => "released, but nothing was held".to_owned(),
        ([], Some(_)) => "lifted the freeze".to_owned(),
        ([_], None) => "lifted the hold".to_owned(),
        (_, None) => format!("lifted the hold on {}", held.join(" and ")),
        (_, Some(_)) => format!("lifted the freeze and the hold on {}", held.join(" and ")),
    };
    IntentEffect::Follows { did }
}

/// An adoption is of what was found and shown, and of nothing that is served later.
fn adopt(state: &mut EnvironmentState, seen: &BTreeMap<String, Digest>, intent: &Intent) -> IntentEffect {
    let mut which = Vec::new();
    for found in state.found.iter_mut().filter(|found| found.adopted.is_none()) {
        if seen.get(&found.endpoint) == Some(&found.digest) {
            found.adopted = Some(requested_by(intent));
            which.push(format!("{} at {}", found.digest.short(), found.endpoint));
        }
    }
    let (which, name) = (which.join(", "), &state.name);
    IntentEffect::Follows {
        did: format!(
            "adopted {which}, which is kept: `moorline rollback {name} --reason \"…\"` goes back to it"
        ),
    }
}

#[cfg(test)]
mod tests;
