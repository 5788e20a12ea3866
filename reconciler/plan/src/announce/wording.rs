//! The words of a message about drift: what differs, where, since when, what happens by itself, what one can do.

use std::collections::BTreeSet;

use jiff::Timestamp;
use moorline_model::EnvironmentName;
use moorline_model::drift::{Drift, DriftKind, Lane};
use moorline_model::environment::EnvironmentState;
use moorline_model::intent::healing::{HealScope, everywhere};
use moorline_model::notification::Transition;

use super::is_unread;
use crate::age::{age, lasting};

/// Most findings named in one message; the console has all of them.
const DETAILS_MAX: usize = 20;
/// Most findings whose values a line of history names.
const VALUES_MAX: usize = 3;
/// Most addresses for which a message names a command each.
const COMMANDS_MAX: usize = 3;

pub(super) fn headline(
    state: &EnvironmentState,
    transition: Transition,
    shown: &[&Drift],
    now: Timestamp,
) -> String {
    let environment = &state.name;
    let since = shown.iter().map(|drift| drift.first_seen).min().unwrap_or(now);
    let (age, lasting) = (age(since, now), lasting(since, now));
    let unread: Vec<&Drift> = shown.iter().copied().filter(|drift| is_unread(drift)).collect();
    let differ: Vec<&Drift> = shown.iter().copied().filter(|drift| !is_unread(drift)).collect();
    let note = shown.iter().find_map(|drift| drift.finding.note.as_deref());
    let note = note.map(|note| format!(" ({note})")).unwrap_or_default();
    let gone: Vec<&Drift> = shown.iter().copied().filter(|drift| is_declared_no_more(state, drift)).collect();
    let what = match (transition, differ.is_empty(), unread.is_empty()) {
        // What is not declared was neither put right nor read again.
        (Transition::Resolved, ..) if gone.len() == shown.len() => {
            format!("{} {} not declared any more", subject(&gone), verb(&gone, "is", "are"))
        }
        (Transition::Resolved, ..) if !gone.is_empty() => {
            let back: Vec<&Drift> =
                shown.iter().copied().filter(|drift| !is_declared_no_more(state, drift)).collect();
            let is_read = back.iter().all(|drift| is_unread(drift));
            let (has, end) = match is_read {
                true => ("can be read again", ""),
                false => (verb(&back, "is", "are"), " as declared again"),
            };
            format!(
                "{} {has}{end}, after {age}; {} {} not declared any more",
                subject(&back),
                subject(&gone),
                verb(&gone, "is", "are")
            )
        }
        (Transition::Resolved, true, _) => format!("{} can be read again, after {age}", subject(&unread)),
        (Transition::Resolved, ..) => {
            format!("{} {} as declared again, after {age}", subject(shown), verb(shown, "is", "are"))
        }
        (_, true, _) => format!("{} cannot be read{lasting}{note}", subject(&unread)),
        (_, _, true) => format!(
            "{} {}{} from what is declared{lasting}{note}",
            subject(&differ),
            verb(&differ, "differs", "differ"),
            fields(&differ)
        ),
        _ => format!(
            "{} {}{} from what is declared, and {} cannot be read{lasting}{note}",
            subject(&differ),
            verb(&differ, "differs", "differ"),
            fields(&differ),
            subject(&unread)
        ),
    };
    format!("{environment}: {what}")
}

/// Whether it is about an address of a replica that was corrected or taken away. While no replica is known, nothing is known
/// of that either.
fn is_declared_no_more(state: &EnvironmentState, drift: &Drift) -> bool {
    let is_declared = |address: &str| state.replicas.iter().any(|replica| replica.endpoint == address);
    drift.finding.lane == Lane::Gateway && !state.replicas.is_empty() && !is_declared(&drift.finding.address)
}

fn addresses<'a>(shown: &[&'a Drift]) -> BTreeSet<&'a str> {
    shown.iter().map(|drift| drift.finding.address.as_str()).collect()
}

/// The one address, or how many replicas: other lanes have an incident for each address.
fn subject(shown: &[&Drift]) -> String {
    let addresses = addresses(shown);
    match (addresses.first(), addresses.len()) {
        (Some(address), 1) => (*address).to_owned(),
        (_, count) => format!("{count} gateway replicas"),
    }
}

fn verb(shown: &[&Drift], one: &'static str, many: &'static str) -> &'static str {
    if addresses(shown).len() == 1 { one } else { many }
}

fn fields(differ: &[&Drift]) -> String {
    let paths: BTreeSet<_> = differ.iter().map(|drift| drift.finding.path.as_str()).collect();
    match (paths.first(), paths.len()) {
        (Some(&""), 1) | (None, _) => String::new(),
        (Some(path), 1) => format!(" in {path}"),
        (_, count) => format!(" in {count} fields"),
    }
}

/// What was declared and what was live, for the line of history: ` (declared 1000, live 5)`. Values are redacted where they
/// were found.
pub(super) fn values(transition: Transition, shown: &[&Drift]) -> String {
    let differ: Vec<_> = shown.iter().copied().filter(|drift| !is_unread(drift)).collect();
    if transition == Transition::Resolved || differ.is_empty() {
        return String::new();
    }
    // The headline names the one place.
    let pair = |drift: &Drift| {
        let or_nothing = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        format!("declared {}, live {}", or_nothing(&drift.finding.declared), or_nothing(&drift.finding.live))
    };
    let each = match differ.as_slice() {
        [one] => vec![pair(one)],
        some => details(transition, some).into_iter().take(VALUES_MAX).collect(),
    };
    let more = match differ.len().saturating_sub(VALUES_MAX) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    format!(" ({}{more})", each.join("; "))
}

pub(super) fn details(transition: Transition, shown: &[&Drift]) -> Vec<String> {
    let nothing = "nothing";
    let is_one = addresses(shown).len() == 1;
    let was = if transition == Transition::Resolved { "was" } else { "live" };
    let line = |drift: &&Drift| {
        let finding = &drift.finding;
        let path = if finding.path.is_empty() { "all of it" } else { &finding.path };
        let place = if is_one { path.to_owned() } else { format!("{} {path}", finding.address) };
        if is_unread(drift) {
            return format!("{place}: could not be read");
        }
        let declared = finding.declared.as_deref().unwrap_or(nothing);
        let live = finding.live.as_deref().unwrap_or(nothing);
        format!("{place}: declared {declared}, {was} {live}")
    };
    let mut lines: Vec<_> = shown.iter().take(DETAILS_MAX).map(line).collect();
    if shown.len() > DETAILS_MAX {
        lines.push(format!("and {} more", shown.len() - DETAILS_MAX));
    }
    lines
}

pub(super) const fn next(transition: Transition, lane: Lane, heals: bool) -> &'static str {
    match (transition, lane, heals) {
        (Transition::Resolved, ..) => "Nothing is left to do.",
        (Transition::CannotCheck, ..) => "It is read again by itself. What serves there serves on.",
        (_, Lane::Gateway, true) => "The document in force is put back by itself.",
        _ => "Nothing is changed by itself.",
    }
}

/// The command that gives the declared state back, where it does not come back by itself.
pub(super) fn action(
    environment: &EnvironmentName,
    transition: Transition,
    shown: &[&Drift],
    (reach, heals): (&HealScope, bool),
) -> Option<String> {
    // What is not deployed yet comes with the next rollout.
    let can_be_healed = |drift: &&Drift| !is_unread(drift) && drift.finding.kind != DriftKind::Undeployed;
    let addresses = addresses(&shown.iter().copied().filter(can_be_healed).collect::<Vec<_>>());
    let commands = reach.commands(environment, addresses);
    match transition {
        Transition::Resolved => None,
        _ if commands.is_empty() => Some(format!("moorline why {environment}")),
        _ if heals => Some(format!("moorline drift {environment}")),
        _ if commands.len() > COMMANDS_MAX => Some(everywhere(environment)),
        _ => Some(commands.join("; ")),
    }
}
