//! The revision in force moves to a head that declares the same for the environment: there is nothing to roll out.
//!
//! A commit that is held, or that is not in force as it was verified, moves nothing.

use jiff::Timestamp;
use moorline_model::drift::Severity;
use moorline_model::environment::EnvironmentState;
use moorline_model::event::{Event, EventKind};
use moorline_model::{CommitId, Revision};

use crate::desired::Desired;

/// The revision moved; perhaps with a line of history.
#[derive(Debug, Clone, PartialEq)]
pub struct FastForwarded(pub Option<Event>);

/// Moves the revision, when head and commit in force declare the same; `in_force` is what the latter declares. Says so where
/// something else was wanted before: else it is no news.
#[must_use]
pub fn fast_forward(
    state: &mut EnvironmentState,
    head: &Desired,
    in_force: &Desired,
    now: Timestamp,
) -> Option<FastForwarded> {
    let applied = state.applied.as_ref()?;
    let before = may_move(state, &head.revision)?.clone();
    let is_same = in_force.revision.commit == before
        && applied.terraform_tree == head.terraform_tree
        && head.document.config().is_some_and(|document| document.digest() == applied.digest)
        && head.declares_as(in_force);
    if !is_same {
        return None;
    }
    let was_wanted = is_wanted(state, &before);
    move_to(state, &head.revision);
    let (new, old) = (head.revision.commit.short(), before.short());
    Some(FastForwarded((!was_wanted).then(|| Event {
        at: now,
        environment: state.name.clone(),
        kind: EventKind::Commit,
        severity: Severity::Info,
        message: format!(
            "{new} by {}: {}; it declares the same here as {old}, which was in force",
            head.revision.author, head.revision.message
        ),
        commit: Some(head.revision.commit.clone()),
        rollout: None,
    })))
}

/// The same for one of many environments, of which it is known that nothing that `head` declares for it differs from what the
/// commit in force declares. Only where it is no news: what is worth a line of history is left to the environment's own cycle.
#[must_use]
pub fn fast_forward_unchanged(state: &mut EnvironmentState, head: &Revision) -> bool {
    let may = may_move(state, head).is_some_and(|before| is_wanted(state, before));
    if may {
        move_to(state, head);
    }
    may
}

/// The commit in force, when the revision may move on from it.
fn may_move<'a>(state: &'a EnvironmentState, head: &Revision) -> Option<&'a CommitId> {
    let (applied, verified) = (state.applied.as_ref()?, state.verified.as_ref()?);
    let before = &applied.revision.commit;
    let may = head.commit != *before
        && verified.revision.commit == *before
        && state.rollout_under_way().is_none()
        && state.frozen.is_none()
        && state.hold_on(&head.commit).is_none();
    may.then_some(before)
}

fn is_wanted(state: &EnvironmentState, before: &CommitId) -> bool {
    state.head.as_ref().is_none_or(|head| head.commit == *before)
}

fn move_to(state: &mut EnvironmentState, head: &Revision) {
    for deployed in [&mut state.applied, &mut state.verified].into_iter().flatten() {
        deployed.revision = head.clone();
    }
    state.head = Some(head.clone());
}
