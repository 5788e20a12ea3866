//! Notifications of drift: one incident per address, all replicas of an environment being one, and only when it
//! opens, changes or ends.

mod wording;

use std::collections::BTreeSet;

use jiff::Timestamp;
use moorline_model::drift::{Drift, DriftKind, DriftState, Fingerprint, Lane, Severity};
use moorline_model::environment::EnvironmentState;
use moorline_model::event::{Event, EventKind};
use moorline_model::intent::healing::HealScope;
use moorline_model::notification::{Notification, Transition};
use moorline_model::page::Page;

use crate::drift::Tracked;
use crate::incident::{IncidentStatus, incident};

/// Lines of history and messages to people.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Messages {
    /// Lines of history.
    pub events: Vec<Event>,
    /// Messages to people.
    pub notifications: Vec<Notification>,
}

/// What one incident is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    /// The gateway's replicas, all of them.
    Replicas,
    /// One address of another lane.
    Address(Lane, String),
}

impl Subject {
    fn of(drift: &Drift) -> Self {
        match drift.finding.lane {
            Lane::Gateway => Self::Replicas,
            lane => Self::Address(lane, drift.finding.address.clone()),
        }
    }

    const fn lane(&self) -> Lane {
        match self {
            Self::Replicas => Lane::Gateway,
            Self::Address(lane, _) => *lane,
        }
    }

    fn key(&self, state: &EnvironmentState) -> String {
        let environment = &state.name;
        match self {
            Self::Replicas => format!("drift/{environment}/gateway"),
            Self::Address(lane, address) => {
                format!("drift/{environment}/{}", Fingerprint::of(*lane, address, "").as_str())
            }
        }
    }

    fn title(&self) -> String {
        match self {
            Self::Replicas => "gateway replicas: drift".to_owned(),
            Self::Address(_, address) => format!("{address}: drift"),
        }
    }
}

/// Works a reading into the state, and writes the messages about what changed. `heal` are the lanes that are healed. The replicas as read
/// are in the state already: an address that is none of theirs is declared no more.
#[must_use]
pub fn drift(state: &mut EnvironmentState, tracked: Tracked, heal: &[Lane], now: Timestamp) -> Messages {
    let changes: Vec<_> =
        [&tracked.opened, &tracked.changed, &tracked.resolved].into_iter().flatten().collect();
    let about: BTreeSet<_> = changes.iter().map(|drift| Subject::of(drift)).collect();
    let before = std::mem::take(&mut state.drift);
    let mut messages = Messages::default();
    for about in about {
        let is_open = |drift: &&Drift| drift.state == DriftState::Open && Subject::of(drift) == about;
        let open: Vec<_> = tracked.drift.iter().filter(is_open).collect();
        let was: Vec<_> = before.iter().filter(is_open).collect();
        let severity = if open.is_empty() { Severity::Info } else { worst(&open) };
        let transition = transition(&was, &open);
        let shown = if open.is_empty() { &was } else { &open };
        let headline = wording::headline(state, transition, shown, now);
        messages.events.push(Event {
            at: now,
            environment: state.name.clone(),
            kind: EventKind::Drift,
            severity,
            message: format!("{headline}{}", wording::values(transition, shown)),
            commit: None,
            rollout: None,
        });
        // What is only for information wakes nobody, and hides nothing that is not.
        let is_loud = |drift: &&&Drift| drift.finding.severity != Severity::Info;
        if !changes.iter().filter(is_loud).any(|drift| Subject::of(drift) == about) {
            continue;
        }
        let open: Vec<_> = open.iter().filter(is_loud).copied().collect();
        let was: Vec<_> = was.iter().filter(is_loud).copied().collect();
        let reach = HealScope::of(&tracked.drift, None);
        let heals = heal.contains(&about.lane());
        let notification = message(state, &about, &was, &open, (&reach, heals), now);
        messages.notifications.push(notification);
    }
    state.drift = tracked.drift;
    messages
}

fn message(
    state: &mut EnvironmentState,
    about: &Subject,
    was: &[&Drift],
    open: &[&Drift],
    (reach, heals): (&HealScope, bool),
    now: Timestamp,
) -> Notification {
    let transition = transition(was, open);
    let shown = if open.is_empty() { was } else { open };
    let status =
        if transition == Transition::Resolved { IncidentStatus::Resolved } else { IncidentStatus::Firing };
    let key = about.key(state);
    let incident = incident(state, &key, &about.title(), !was.is_empty(), status, now);
    let environment = state.name.clone();
    Notification {
        incident: incident.key,
        topic: incident.topic,
        transition,
        severity: if open.is_empty() { Severity::Info } else { worst(open) },
        headline: wording::headline(state, transition, shown, now),
        details: wording::details(transition, shown),
        next: wording::next(transition, about.lane(), heals).to_owned(),
        action: wording::action(&environment, transition, shown, (reach, heals)),
        page: Page::Drift(environment.clone()),
        environment,
        concerns: Vec::new(),
        lane: Some(about.lane()),
        at: now,
    }
}

fn transition(was: &[&Drift], open: &[&Drift]) -> Transition {
    match (was.is_empty(), open.is_empty()) {
        (_, true) => Transition::Resolved,
        _ if open.iter().all(|drift| is_unread(drift)) => Transition::CannotCheck,
        (true, false) => Transition::Opened,
        (false, false) => Transition::Changed,
    }
}

fn is_unread(drift: &Drift) -> bool {
    drift.finding.kind == DriftKind::Unverifiable
}

fn worst(drift: &[&Drift]) -> Severity {
    drift.iter().map(|drift| drift.finding.severity).max().unwrap_or(Severity::Info)
}

#[cfg(test)]
mod tests;
