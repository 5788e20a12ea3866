//! What replicas served when they were first met serves again.

use moorline_model::condition::{ConditionStatus, ConditionType};
use moorline_model::drift::Lane;
use moorline_model::event::EventKind;
use moorline_model::rollout::{Phase, Stop};

use super::recorder::{Recorder, hold};

/// What was left is held, else the next cycle would bring it in at once; nothing is in force any more.
pub(super) fn restored(recorder: &mut Recorder, actor: &str, reason: &str) {
    if let Some(rollout) = recorder.rollout() {
        rollout.stop = Some(Stop { actor: actor.to_owned(), reason: reason.to_owned() });
        recorder
            .finish(&Phase::RolledBack, Some(&format!("{actor} went back to what served before Moorline")));
    }
    let now = recorder.now;
    let holds_after_rollback = recorder.state.applied.take().map(|applied| applied.revision.commit);
    let head = recorder.state.head.as_ref().map(|head| head.commit.clone());
    for commit in [holds_after_rollback, head].into_iter().flatten() {
        let because = format!("{actor} went back to what served before Moorline");
        hold(&mut recorder.state, Some(commit), because, actor.to_owned(), now);
    }
    let state = &mut recorder.state;
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
    let message = format!("what served before Moorline serves again, as {actor} requested{why}{stays}");
    recorder.note(EventKind::Rollout, message);
}
