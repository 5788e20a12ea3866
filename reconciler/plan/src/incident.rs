//! Troubles that last: which messages belong together, and from when.
//!
//! A trouble is open from its first message to its last; one that comes again later is another incident, with a thread of
//! its own. Rollouts need none of this: each has an id of its own.

use jiff::Timestamp;
use moorline_model::IncidentKey;
use moorline_model::environment::EnvironmentState;

/// What a message does to its incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IncidentStatus {
    /// The trouble lasts; people may have been notified before.
    Firing,
    /// The trouble is over.
    Resolved,
}

/// An incident, as a message is to name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Incident {
    /// What its messages share.
    pub(crate) key: IncidentKey,
    /// The same in all of them: the thing, and since when.
    pub(crate) topic: String,
}

/// Whether people were notified of this trouble and it is not over.
pub(crate) fn is_open(state: &EnvironmentState, about: &str) -> bool {
    state.incidents.contains_key(about)
}

/// The incident that a message belongs to. `about` is what the trouble is about, the same for each outage; `thing` names
/// it for people. `was_notified`: people had a message before this one, so that an earlier release may have opened it.
pub(crate) fn incident(
    state: &mut EnvironmentState,
    about: &str,
    thing: &str,
    was_notified: bool,
    status: IncidentStatus,
    now: Timestamp,
) -> Incident {
    let opened = state.incidents.get(about).copied();
    match status {
        IncidentStatus::Resolved => {
            state.incidents.remove(about);
        }
        IncidentStatus::Firing if !was_notified => {
            state.incidents.entry(about.to_owned()).or_insert(now);
        }
        IncidentStatus::Firing => {}
    }
    match opened.or((!was_notified).then_some(now)) {
        Some(opened) => Incident {
            key: IncidentKey(format!("{about}@{}", opened.as_millisecond())),
            topic: format!("{thing} since {}", opened.strftime("%Y-%m-%d %H:%M UTC")),
        },
        // Earlier releases knew each trouble once and for all.
        None => Incident { key: IncidentKey(about.to_owned()), topic: thing.to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::sample::now;

    #[test]
    fn an_incident_keeps_its_key_until_it_ends_and_the_next_one_has_another() {
        let mut state = EnvironmentState::new("prod".parse().unwrap());
        let mut at = |was_notified, status, minutes| {
            let now = now() + SignedDuration::from_mins(minutes);
            incident(&mut state, "check/prod/source", "source", was_notified, status, now)
        };
        let first = at(false, IncidentStatus::Firing, 0);
        assert_eq!(first.topic, "source since 2026-11-21 12:00 UTC");
        assert_eq!(at(true, IncidentStatus::Firing, 1), first);
        assert_eq!(at(true, IncidentStatus::Resolved, 2), first);
        let second = at(false, IncidentStatus::Firing, 3);
        assert_ne!(second.key, first.key);
    }

    #[test]
    fn what_an_earlier_release_opened_ends_in_its_own_thread() {
        let mut state = EnvironmentState::new("prod".parse().unwrap());
        let ended =
            incident(&mut state, "check/prod/source", "source", true, IncidentStatus::Resolved, now());
        assert_eq!(ended.key, IncidentKey("check/prod/source".to_owned()));
        assert_eq!(state.incidents.len(), 0);
    }
}
