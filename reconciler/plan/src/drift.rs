//! Findings get a history: suspected, open, ignored, gone.
//!
//! In: what was known, which lanes were read, and what they found. Out: what is known now, and which findings opened,
//! changed or were resolved by it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use moorline_model::declaration::Ignore;
use moorline_model::drift::{Drift, DriftKind, DriftState, Finding, Fingerprint, Lane};

/// What is known after a reading, and what is new about it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tracked {
    /// All findings: suspected, open and ignored.
    pub drift: Vec<Drift>,
    /// Those that opened.
    pub opened: Vec<Drift>,
    /// Those that were open, and are now about other values.
    pub changed: Vec<Drift>,
    /// Those that were open, and are gone or ignored.
    pub resolved: Vec<Drift>,
}

/// What a finding is about. That something could not be read is a finding of its own beside what was found there
/// before: it neither confirms that nor takes it back.
type Key = (Fingerprint, bool);

fn key(finding: &Finding) -> Key {
    (finding.fingerprint(), finding.kind == DriftKind::Unverifiable)
}

/// Works new findings into what is known.
///
/// A finding opens when it is read a second time. It is resolved when its lane (`lanes`: those read this time) does
/// not find it any more; other lanes keep theirs, and so does an address that could not be read.
#[must_use]
pub fn track(
    known: &[Drift],
    lanes: &[Lane],
    findings: Vec<Finding>,
    ignore: &[Ignore],
    today: Date,
    now: Timestamp,
) -> Tracked {
    let mut found: BTreeMap<Key, Finding> = BTreeMap::new();
    for finding in findings {
        found.entry(key(&finding)).or_insert(finding);
    }
    let unread: Vec<(Lane, String)> = found
        .values()
        .filter(|finding| finding.kind == DriftKind::Unverifiable)
        .map(|finding| (finding.lane, finding.address.clone()))
        .collect();
    let is_read = |finding: &Finding| {
        lanes.contains(&finding.lane)
            && (finding.kind == DriftKind::Unverifiable
                || !unread.iter().any(|(lane, address)| *lane == finding.lane && *address == finding.address))
    };
    let mut tracked = Tracked::default();
    for before in known {
        match found.remove(&key(&before.finding)) {
            Some(finding) => again(&mut tracked, before, finding, ignore, today, now),
            None if is_read(&before.finding) => gone(&mut tracked, before),
            None => tracked.drift.push(before.clone()),
        }
    }
    tracked.drift.extend(found.into_values().map(|finding| {
        let is_ignored = is_ignored(&finding, ignore, today);
        Drift {
            fingerprint: finding.fingerprint(),
            state: if is_ignored { DriftState::Ignored } else { DriftState::Suspected },
            first_seen: now,
            last_seen: now,
            finding,
        }
    }));
    tracked
}

fn again(
    tracked: &mut Tracked,
    before: &Drift,
    finding: Finding,
    ignore: &[Ignore],
    today: Date,
    now: Timestamp,
) {
    let is_ignored = is_ignored(&finding, ignore, today);
    let is_other = says_something_else(&before.finding, &finding);
    let drift = Drift {
        fingerprint: before.fingerprint.clone(),
        state: if is_ignored { DriftState::Ignored } else { DriftState::Open },
        first_seen: before.first_seen,
        last_seen: now,
        finding,
    };
    match (before.state, drift.state) {
        (DriftState::Open, DriftState::Open) if is_other => tracked.changed.push(drift.clone()),
        (DriftState::Suspected | DriftState::Ignored, DriftState::Open) => tracked.opened.push(drift.clone()),
        (DriftState::Open, DriftState::Ignored) => tracked.resolved.push(drift.clone()),
        _ => {}
    }
    tracked.drift.push(drift);
}

/// Whether people would want to know. A note alone is no news: the text of an error changes with every try.
fn says_something_else(before: &Finding, after: &Finding) -> bool {
    before.kind != after.kind || before.live != after.live || before.declared != after.declared
}

fn gone(tracked: &mut Tracked, before: &Drift) {
    if before.state == DriftState::Open {
        tracked.resolved.push(before.clone());
    }
}

fn is_ignored(finding: &Finding, ignore: &[Ignore], today: Date) -> bool {
    ignore.iter().any(|rule| {
        rule.address == finding.address
            && rule.path.as_ref().is_none_or(|path| *path == finding.path)
            && today <= rule.expires
    })
}

#[cfg(test)]
mod tests;
