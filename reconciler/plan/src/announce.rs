//! What people are told of drift: one incident per address, and only when it opens, changes or ends.

use std::collections::BTreeSet;

use jiff::Timestamp;
use moorline_model::drift::{Drift, DriftKind, DriftState, Fingerprint, Lane, Severity};
use moorline_model::event::{Event, EventKind};
use moorline_model::notification::{Notification, Transition};
use moorline_model::{EnvironmentName, IncidentKey};

use crate::age::{age, lasting};
use crate::drift::Settled;

/// Most findings named in one message; the console has all of them.
const DETAILS_MAX: usize = 20;

/// Lines of history and messages to people.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Told {
    /// Lines of history.
    pub events: Vec<Event>,
    /// Messages to people.
    pub notifications: Vec<Notification>,
}

/// Puts a reading's news into words. `before` is what was known before it; `heal` are the lanes that are healed.
#[must_use]
pub fn drift(
    environment: &EnvironmentName,
    before: &[Drift],
    settled: &Settled,
    heal: &[Lane],
    now: Timestamp,
) -> Told {
    let news = [&settled.opened, &settled.changed, &settled.resolved];
    let addresses: BTreeSet<_> = news.into_iter().flatten().map(place).collect();
    let mut told = Told::default();
    for (lane, address) in addresses {
        let is_open = |drift: &&Drift| drift.state == DriftState::Open && place(drift) == (lane, address);
        let open: Vec<_> = settled.drift.iter().filter(is_open).collect();
        let was: Vec<_> = before.iter().filter(is_open).collect();
        let transition = match (was.is_empty(), open.is_empty()) {
            (_, true) => Transition::Resolved,
            (true, false) if open.iter().all(|drift| is_unread(drift)) => Transition::CannotCheck,
            (true, false) => Transition::Opened,
            (false, false) => Transition::Changed,
        };
        let shown = if open.is_empty() { &was } else { &open };
        let headline = headline(environment, address, transition, shown, now);
        told.events.push(Event {
            at: now,
            environment: environment.clone(),
            kind: EventKind::Drift,
            message: headline.clone(),
            commit: None,
            rollout: None,
        });
        let severity = worst(shown);
        if severity == Severity::Info {
            continue;
        }
        let heals = heal.contains(&lane) && !open.iter().all(|drift| is_unread(drift));
        told.notifications.push(Notification {
            incident: IncidentKey(format!(
                "drift/{environment}/{}",
                Fingerprint::of(lane, address, "").as_str()
            )),
            environment: environment.clone(),
            transition,
            severity: if transition == Transition::Resolved { Severity::Info } else { severity },
            headline,
            details: details(shown),
            next: next(transition, lane, heals).to_owned(),
            action: (transition != Transition::Resolved).then(|| format!("moorline drift {environment}")),
            path: format!("/environments/{environment}/drift"),
            at: now,
        });
    }
    told
}

fn place(drift: &Drift) -> (Lane, &str) {
    (drift.finding.lane, drift.finding.address.as_str())
}

fn is_unread(drift: &Drift) -> bool {
    drift.finding.kind == DriftKind::Unverifiable
}

fn worst(drift: &[&Drift]) -> Severity {
    let has = |severity| drift.iter().any(|drift| drift.finding.severity == severity);
    if has(Severity::Critical) {
        Severity::Critical
    } else if has(Severity::Warning) {
        Severity::Warning
    } else {
        Severity::Info
    }
}

fn headline(
    environment: &EnvironmentName,
    address: &str,
    transition: Transition,
    shown: &[&Drift],
    now: Timestamp,
) -> String {
    let since = shown.iter().map(|drift| drift.first_seen).min().unwrap_or(now);
    let (age, lasting) = (age(since, now), lasting(since, now));
    let note = shown.iter().find_map(|drift| drift.finding.note.as_deref());
    let note = note.map(|note| format!(" ({note})")).unwrap_or_default();
    let fields = match shown.len() {
        1 => match shown[0].finding.path.as_str() {
            "" => String::new(),
            path => format!(" in {path}"),
        },
        count => format!(" in {count} fields"),
    };
    match transition {
        Transition::Resolved if shown.iter().all(|drift| is_unread(drift)) => {
            format!("{environment}: {address} can be read again, after {age}")
        }
        Transition::Resolved => format!("{environment}: {address} is as declared again, after {age}"),
        Transition::CannotCheck => format!("{environment}: {address} cannot be read{lasting}{note}"),
        _ => format!("{environment}: {address} differs from what is declared{fields}{lasting}{note}"),
    }
}

fn details(shown: &[&Drift]) -> Vec<String> {
    let nothing = "nothing";
    let line = |drift: &&Drift| {
        let finding = &drift.finding;
        let path = if finding.path.is_empty() { "all of it" } else { &finding.path };
        if is_unread(drift) {
            return format!("{path}: could not be read");
        }
        let declared = finding.declared.as_deref().unwrap_or(nothing);
        let live = finding.live.as_deref().unwrap_or(nothing);
        format!("{path}: declared {declared}, live {live}")
    };
    let mut lines: Vec<_> = shown.iter().take(DETAILS_MAX).map(line).collect();
    if shown.len() > DETAILS_MAX {
        lines.push(format!("and {} more", shown.len() - DETAILS_MAX));
    }
    lines
}

const fn next(transition: Transition, lane: Lane, heals: bool) -> &'static str {
    match (transition, lane, heals) {
        (Transition::Resolved, ..) => "Nothing is left to do.",
        (_, Lane::Gateway, true) => "The document in force is put back by itself.",
        _ => "Nothing is changed by itself.",
    }
}

#[cfg(test)]
mod tests;
