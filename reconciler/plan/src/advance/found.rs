//! What replicas served when they were first met serves again.

use moorline_model::condition::{ConditionStatus, ConditionType};
use moorline_model::drift::Lane;
use moorline_model::event::EventKind;
use moorline_model::rollout::{Phase, Stop};

use super::ledger::{Ledger, hold};

/// What was left is held, else the next cycle would bring it in at once; nothing is in force any more.
pub(super) fn restored(ledger: &mut Ledger, actor: &str, reason: &str) {
    if let Some(rollout) = ledger.rollout() {
        rollout.stop = Some(Stop { actor: actor.to_owned(), reason: reason.to_owned() });
        ledger.finish(&Phase::RolledBack, Some(&format!("{actor} went back to what served before Moorline")));
    }
    let now = ledger.now;
    let left = ledger.state.applied.take().map(|applied| applied.revision.commit);
    let head = ledger.state.head.as_ref().map(|head| head.commit.clone());
    for commit in [left, head].into_iter().flatten() {
        let because = format!("{actor} went back to what served before Moorline");
        hold(&mut ledger.state, Some(commit), because, actor.to_owned(), now);
    }
    let state = &mut ledger.state;
    // Nothing is in force that could have verified: whoever brings something in again is asked again.
    state.verified = None;
    state.verified_before.clear();
    state.frozen = None;
    state.healing = None;
    // Without anything in force there is nothing that it could differ from.
    state.drift.retain(|drift| drift.finding.lane != Lane::Gateway);
    for found in &mut state.found {
        found.adopted = None;
    }
    crate::conditions::note_hold(state, now);
    let why = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
    let stays = state.stays_after_going_back().map(|stays| format!("; {stays}")).unwrap_or_default();
    let because = format!("{actor} went back to what served before Moorline{why}{stays}");
    state.conditions.note(ConditionType::Apply, ConditionStatus::Attention, because, now);
    let message = format!("what served before Moorline serves again, as {actor} asked{why}{stays}");
    ledger.note(EventKind::Rollout, message);
}
