//! Gates in front of a change that waits to begin: freeze, hold, auto, window, and what was tried in vain.

use jiff::Timestamp;
use moorline_model::environment::EnvironmentState;
use moorline_model::rollout::{Rollout, RolloutKind};

use super::terraform::blocked_gate;
use super::{Closed, Gate, GateInput, GateStatus, WaitsFor};
use crate::decide::{freeze_may_end, was_tried};
use crate::desired::Desired;

/// The gates in front of a rollout that waits to begin: freeze, hold, auto and window.
#[must_use]
pub fn begin_gates(state: &EnvironmentState, desired: &Desired, now: Timestamp) -> Vec<GateStatus> {
    let rollout =
        state.rollout_under_way().filter(|rollout| rollout.revision.commit == desired.revision.commit);
    vec![
        GateStatus::of(Gate::Frozen, frozen_gate(state)),
        GateStatus::of(Gate::Hold, hold_gate(state, desired)),
        GateStatus::of(Gate::Auto, auto_gate(state, rollout, desired)),
        GateStatus::of(Gate::Window, window_gate(rollout, desired, now)),
    ]
}

/// The first closed gate in front of a waiting rollout.
pub(crate) fn first_closed(
    state: &EnvironmentState,
    desired: &Desired,
    blocked: Option<&str>,
    now: Timestamp,
) -> Option<Closed> {
    begin_gates(state, desired, now)
        .into_iter()
        .find_map(|reading| match reading {
            GateStatus::Open { .. } => None,
            GateStatus::Closed(closed) => Some(closed),
        })
        .or_else(|| blocked_gate(blocked))
}

pub(super) fn frozen(input: &GateInput<'_>) -> Option<Option<Closed>> {
    Some(frozen_gate(input.state))
}

pub(super) fn hold(input: &GateInput<'_>) -> Option<Option<Closed>> {
    Some(hold_gate(input.state, input.desired?))
}

pub(super) fn auto(input: &GateInput<'_>) -> Option<Option<Closed>> {
    Some(auto_gate(input.state, input.rollout, input.change?))
}

pub(super) fn window(input: &GateInput<'_>) -> Option<Option<Closed>> {
    Some(window_gate(input.rollout, input.change?, input.now))
}

/// What failed before is not tried again by itself.
pub(super) fn tried(input: &GateInput<'_>) -> Option<Option<Closed>> {
    let (state, change) = (input.state, input.change?);
    let rollout = state.rollout.as_ref().filter(|_| input.rollout.is_none())?;
    let short = change.revision.commit.short();
    let may_begin = state.sync.is_some() || state.frozen.is_some();
    Some((was_tried(state, &change.revision.commit) && !may_begin).then(|| {
        let reason = rollout.reason.as_deref().unwrap_or("it failed");
        let because = format!("{short} was tried and failed: {reason}");
        // A sync does not begin what is held; a release does.
        let again = match state.hold_on(&change.revision.commit) {
            Some(_) => release(state),
            None => format!("`moorline sync {}`", state.name),
        };
        let opened_by = format!("a commit that mends it, or {again}, which tries it again");
        Closed::new(Gate::Tried, WaitsFor::You, because, opened_by)
    }))
}

fn release(state: &EnvironmentState) -> String {
    format!("`moorline release {}`", state.name)
}

fn frozen_gate(state: &EnvironmentState) -> Option<Closed> {
    let because = format!("frozen: {}", state.frozen.as_ref()?);
    let opened_by = match freeze_may_end(state) {
        true => format!("a commit with another content, or {}", release(state)),
        false => release(state),
    };
    Some(Closed::new(Gate::Frozen, WaitsFor::You, because, opened_by))
}

fn hold_gate(state: &EnvironmentState, desired: &Desired) -> Option<Closed> {
    let hold = state.hold_on(&desired.revision.commit)?;
    let what = hold.commit.as_ref().map_or("everything", |commit| commit.short());
    let (waits_for, opened_by) = match hold.commit {
        Some(_) => (WaitsFor::Commit, format!("a newer commit, or {}", release(state))),
        None => (WaitsFor::You, release(state)),
    };
    let because = format!("{what} is held by {}: {}", hold.by, hold.reason);
    Some(Closed::new(Gate::Hold, waits_for, because, opened_by))
}

fn auto_gate(state: &EnvironmentState, rollout: Option<&Rollout>, desired: &Desired) -> Option<Closed> {
    let is_asked = state.sync.is_some() || rollout.is_some_and(is_asked);
    (!desired.environment.apply.auto && !is_asked).then(|| {
        let because = "apply.auto is false: a person starts each change".to_owned();
        Closed::new(Gate::Auto, WaitsFor::You, because, format!("`moorline sync {}`", state.name))
    })
}

fn is_asked(rollout: &Rollout) -> bool {
    rollout.requested_by.is_some() || is_rollback(rollout)
}

fn is_rollback(rollout: &Rollout) -> bool {
    matches!(rollout.kind, RolloutKind::Rollback { .. })
}

/// A person's rollback waits for no window: it is asked for because what runs is wrong.
pub(crate) fn window_gate(rollout: Option<&Rollout>, desired: &Desired, now: Timestamp) -> Option<Closed> {
    let windows = &desired.environment.apply.windows;
    let is_open = windows.is_empty()
        || rollout.is_some_and(is_rollback)
        || windows.iter().any(|window| window.allow.is_open(now));
    if is_open {
        return None;
    }
    let opens_at = windows.iter().filter_map(|window| window.allow.next_opening(now)).min();
    let names: Vec<_> = windows.iter().map(|window| window.allow.to_string()).collect();
    let because = format!("outside of the windows {}", names.join(", "));
    let (waits_for, opened_by) = match opens_at {
        Some(_) => (WaitsFor::Time, "itself, when a window opens"),
        None => (WaitsFor::Commit, "a change of the windows"),
    };
    Some(Closed { opens_at, ..Closed::new(Gate::Window, waits_for, because, opened_by) })
}
