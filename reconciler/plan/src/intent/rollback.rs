//! A person wants to go back: what is under way is stopped, else a rollout of a verified commit begins.

use jiff::Timestamp;
use moorline_model::CommitId;
use moorline_model::environment::EnvironmentState;
use moorline_model::intent::{Intent, Outcome};
use moorline_model::rollout::{Phase, Rollout, RolloutKind, Stop};

use super::{AppliedIntents, IntentEffect};
use crate::advance;
use crate::decide::Decision;

pub(super) fn rollback(
    after: &mut AppliedIntents,
    intent: &Intent,
    commit: Option<&CommitId>,
    now: Timestamp,
) -> IntentEffect {
    if commit.is_none() && after.state.goes_back_to_found() {
        return restore(after, intent);
    }
    let state = &mut after.state;
    if state.rollout_under_way().is_some_and(Rollout::has_changed_something) {
        return stop(state, intent, now);
    }
    let target = match state.way_back(commit) {
        Ok(target) => target.clone(),
        Err(refusal) => return IntentEffect::Answered(refusal.into()),
    };
    let Some(present) = state.applied.as_ref().map(|applied| applied.revision.commit.clone()) else {
        return IntentEffect::done("requested a rollback, but nothing is in force");
    };
    // The commit that is left, and the head if it is another one: else the next cycle would bring it in at once.
    let head = state.head.as_ref().map(|head| head.commit.clone());
    let to = target.revision.commit.clone();
    for left in [Some(present.clone()), head].into_iter().flatten().filter(|left| *left != to) {
        let reason = because(intent, &format!("went back to {}", to.short()));
        advance::hold(state, Some(left), reason, intent.actor.clone(), now);
    }
    state.frozen = None;
    // What merely waited makes room.
    if let Some(rollout) = state.rollout.as_mut().filter(|rollout| !rollout.phase.is_over()) {
        rollout.phase = Phase::Superseded;
        rollout.phase_since = now;
        rollout.reason = Some(format!("{} went back to {}", intent.actor, to.short()));
    }
    after.begin = Some(Decision::Begin {
        revision: target.revision,
        kind: RolloutKind::Rollback {
            from: present.clone(),
            actor: intent.actor.clone(),
            reason: intent.reason.clone(),
        },
    });
    IntentEffect::Begins { did: format!("rolls back from {} to {}", present.short(), to.short()), commit: to }
}

/// Why a commit is held: what was done, and the reason that was given for it. Who did it stands beside it.
fn because(intent: &Intent, did: &str) -> String {
    if intent.reason.is_empty() { did.to_owned() } else { format!("{did}: {}", intent.reason) }
}

/// Each replica gets back what it served when it was first met. What is remembered changes once that is done.
fn restore(after: &mut AppliedIntents, intent: &Intent) -> IntentEffect {
    let found = &after.state.found;
    let documents = found.iter().map(|found| (found.endpoint.clone(), found.digest)).collect();
    let which: Vec<_> =
        found.iter().map(|found| format!("{} at {}", found.digest.short(), found.endpoint)).collect();
    let which = which.join(", ");
    let stays = after.state.stays_after_going_back().map(|stays| format!("; {stays}")).unwrap_or_default();
    after.heal.clear();
    after.restore = Some(Decision::RestoreFound {
        documents,
        actor: intent.actor.clone(),
        reason: intent.reason.clone(),
    });
    IntentEffect::Heals {
        does: format!("restores what served before Moorline: {which}"),
        did: format!(
            "went back to what served before Moorline: {which}{stays}; the commit that was left is held"
        ),
        begins: None,
    }
}

/// A rollout under way is undone: it goes back to where it came from.
fn stop(state: &mut EnvironmentState, intent: &Intent, now: Timestamp) -> IntentEffect {
    let Some(rollout) = state.rollout.as_mut() else { return IntentEffect::done("requested a rollback") };
    let short = rollout.revision.commit.short().to_owned();
    let under_way = |message| IntentEffect::Answered(Outcome::UnderWay { message, rollout: rollout.id });
    if matches!(rollout.phase, Phase::RollingBack { .. }) {
        return under_way(format!("requested a rollback; {short} is already being undone"));
    }
    // Requested twice, or by two people: going back is not itself undone by that, and where it goes to is never held.
    if let RolloutKind::Rollback { actor, .. } = &rollout.kind {
        return under_way(format!("requested a rollback; {actor} already rolls back to {short}"));
    }
    let effect = under_way(match &rollout.from {
        Some(from) => format!("stopped {short}; going back to {}", from.revision.commit.short()),
        None if rollout.promoted || rollout.terraform_applied => {
            format!("stopped {short}; no earlier commit was verified")
        }
        None => format!("stopped {short}; its candidate is taken out, and what served before serves on"),
    });
    rollout.stop = Some(Stop { actor: intent.actor.clone(), reason: intent.reason.clone() });
    rollout.retry_at = None;
    let held = rollout.revision.commit.clone();
    let reason = because(intent, "stopped it");
    advance::hold(state, Some(held), reason, intent.actor.clone(), now);
    effect
}
