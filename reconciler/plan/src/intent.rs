//! What people asked for, worked into what is remembered.
//!
//! In: the intents since the last cycle. Out: the state with holds, approvals and wishes in it, the lines of history,
//! and the rollout to begin when somebody asked to go back while none is under way.

use jiff::Timestamp;
use moorline_model::CommitId;
use moorline_model::environment::{Ask, EnvironmentState};
use moorline_model::event::{Event, EventKind};
use moorline_model::intent::{Intent, Wish};
use moorline_model::rollout::{Approval, Deployed, Phase, Rollout, RolloutKind, Shown, Stop};

use crate::advance;
use crate::decide::Decision;

/// What heeding came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Heeded {
    /// The state.
    pub state: EnvironmentState,
    /// Lines of history: each intent has one, also one that could not be heeded.
    pub events: Vec<Event>,
    /// The [`Decision::Begin`] of a rollback that was asked for. It takes the place of this cycle's own decision; what
    /// its commit declares is read like any other's.
    pub begin: Option<Decision>,
}

/// Works intents into the state, in the order they were asked.
#[must_use]
pub fn heed(state: EnvironmentState, intents: &[Intent], now: Timestamp) -> Heeded {
    let mut heeded = Heeded { state, events: Vec::new(), begin: None };
    for intent in intents {
        let message = match &intent.wish {
            Wish::Sync => sync(&mut heeded.state, intent),
            Wish::Approve(seen) => approve(&mut heeded.state, intent, seen),
            Wish::Hold { commit } => hold(&mut heeded.state, intent, commit.as_ref(), now),
            Wish::Release => release(&mut heeded.state, intent),
            Wish::Rollback { commit } => rollback(&mut heeded, intent, commit.as_ref(), now),
        };
        let reason = if intent.reason.is_empty() { String::new() } else { format!(" ({})", intent.reason) };
        heeded.events.push(Event {
            at: now,
            environment: heeded.state.name.clone(),
            kind: if matches!(intent.wish, Wish::Hold { .. } | Wish::Release) {
                EventKind::Hold
            } else {
                EventKind::Intent
            },
            message: format!("{} {message}{reason}", intent.actor),
            commit: heeded.state.rollout_under_way().map(|rollout| rollout.revision.commit.clone()),
            rollout: heeded.state.rollout_under_way().map(|rollout| rollout.id),
        });
    }
    crate::axes::note_hold(&mut heeded.state, now);
    heeded
}

fn ask(intent: &Intent) -> Ask {
    Ask { actor: intent.actor.clone(), at: intent.at }
}

fn sync(state: &mut EnvironmentState, intent: &Intent) -> String {
    state.sync = Some(ask(intent));
    if let Some(rollout) = state.rollout.as_mut().filter(|rollout| !rollout.phase.is_over()) {
        rollout.retry_at = None;
        rollout.asked.get_or_insert_with(|| ask(intent));
    }
    "asked to look and act now".to_owned()
}

fn approve(state: &mut EnvironmentState, intent: &Intent, seen: &Shown) -> String {
    let rollout = state.rollout.as_mut();
    let Some((rollout, waiting)) = rollout.and_then(|rollout| {
        let waiting = rollout.waits_for_approval()?;
        Some((rollout, waiting))
    }) else {
        return "approved a change, but none waits for approval".to_owned();
    };
    if !waiting.is_what(seen) {
        return "approved a change that is not the one that waits; look at it again".to_owned();
    }
    let plan = rollout.changing_plan();
    let message = match plan {
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
    message
}

fn hold(state: &mut EnvironmentState, intent: &Intent, commit: Option<&CommitId>, now: Timestamp) -> String {
    let what = commit.map_or("everything", |commit| commit.short()).to_owned();
    let reason = if intent.reason.is_empty() { "no reason given" } else { &intent.reason };
    let is_new = advance::hold(state, commit.cloned(), reason.to_owned(), intent.actor.clone(), now);
    if is_new { format!("held {what}") } else { format!("held {what}, which was held already") }
}

fn release(state: &mut EnvironmentState, intent: &Intent) -> String {
    let holds = state.holds.len();
    let frozen = state.frozen.take();
    state.holds.clear();
    // What was held or frozen may be tried again now.
    state.sync = Some(ask(intent));
    match (holds, frozen) {
        (0, None) => "released, but nothing was held".to_owned(),
        (0, Some(_)) => "lifted the freeze".to_owned(),
        (1, None) => "lifted the hold".to_owned(),
        (_, None) => format!("lifted {holds} holds"),
        (_, Some(_)) => format!("lifted the freeze and {holds} holds"),
    }
}

fn rollback(heeded: &mut Heeded, intent: &Intent, commit: Option<&CommitId>, now: Timestamp) -> String {
    let state = &mut heeded.state;
    if state.rollout_under_way().is_some_and(has_changed_something) {
        return stop(state, intent, commit, now);
    }
    let target = match target(state, commit) {
        Ok(target) => target,
        Err(why) => return format!("asked to go back, but {why}"),
    };
    let Some(present) = state.applied.as_ref().map(|applied| applied.revision.commit.clone()) else {
        return "asked to go back, but nothing is in force".to_owned();
    };
    // The commit that is left, and the head if it is another one: else the next cycle would bring it in at once.
    let head = state.wanted.as_ref().map(|wanted| wanted.commit.clone());
    let to = target.revision.commit.clone();
    for left in [Some(present.clone()), head].into_iter().flatten().filter(|left| *left != to) {
        let reason = format!("{} went back to {}", intent.actor, to.short());
        advance::hold(state, Some(left), reason, intent.actor.clone(), now);
    }
    state.frozen = None;
    // What merely waited makes room.
    if let Some(rollout) = state.rollout.as_mut().filter(|rollout| !rollout.phase.is_over()) {
        rollout.phase = Phase::Superseded;
        rollout.phase_since = now;
        rollout.reason = Some(format!("{} went back to {}", intent.actor, to.short()));
    }
    heeded.begin = Some(Decision::Begin {
        revision: target.revision,
        kind: RolloutKind::Rollback {
            from: present.clone(),
            actor: intent.actor.clone(),
            reason: intent.reason.clone(),
        },
    });
    format!("goes back from {} to {}", present.short(), to.short())
}

/// Whether a rollout has got further than waiting for its turn.
fn has_changed_something(rollout: &Rollout) -> bool {
    let waits = matches!(rollout.phase, Phase::Pending | Phase::Planning | Phase::AwaitingApproval);
    !waits || rollout.terraform_applied
}

/// A rollout under way is undone: it goes back to where it came from, and nowhere else.
fn stop(state: &mut EnvironmentState, intent: &Intent, commit: Option<&CommitId>, now: Timestamp) -> String {
    let Some(rollout) = state.rollout.as_mut() else { return "asked to go back".to_owned() };
    let short = rollout.revision.commit.short().to_owned();
    if matches!(rollout.phase, Phase::RollingBack { .. }) {
        return format!("asked to go back; {short} is being undone already");
    }
    let from = rollout.from.as_ref().map(|from| &from.revision.commit);
    if commit.is_some() && commit != from {
        return format!("asked to go back elsewhere, but {short} is under way; stop it first");
    }
    rollout.stop = Some(Stop { actor: intent.actor.clone(), reason: intent.reason.clone() });
    rollout.retry_at = None;
    let held = rollout.revision.commit.clone();
    let reason = format!("stopped by {}", intent.actor);
    advance::hold(state, Some(held), reason, intent.actor.clone(), now);
    format!("stopped {short}")
}

fn target(state: &EnvironmentState, commit: Option<&CommitId>) -> Result<Deployed, String> {
    let in_force = state.applied.as_ref().map(|applied| &applied.revision.commit);
    let mut known = state.verified.iter().chain(&state.verified_before);
    let found = match commit {
        Some(commit) => known
            .find(|deployed| deployed.revision.commit == *commit)
            .ok_or_else(|| format!("{} never verified healthy here", commit.short())),
        None => known
            .find(|deployed| Some(&deployed.revision.commit) != in_force)
            .ok_or_else(|| "no other commit verified healthy here before".to_owned()),
    }?;
    let short = found.revision.commit.short();
    if Some(&found.revision.commit) == in_force && state.frozen.is_none() {
        return Err(format!("{short} is in force"));
    }
    match state.hold_on(&found.revision.commit) {
        Some(hold) => Err(format!("{short} is held by {}; release it first", hold.by)),
        None => Ok(found.clone()),
    }
}

#[cfg(test)]
mod tests;
