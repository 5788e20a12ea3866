//! The six conditions, noted after reading and comparing.
//!
//! In: what was checked this cycle, and the result. Out: the conditions in the state, and messages when a condition could
//! not be checked, or is wrong, twice in a row, and when that ends.

use jiff::Timestamp;
use moorline_model::callers::callers;
use moorline_model::comparison::{self, Answer};
use moorline_model::condition::{Condition, ConditionStatus, ConditionType};
use moorline_model::drift::{Lane, Severity};
use moorline_model::environment::EnvironmentState;
use moorline_model::event::{Event, EventKind};
use moorline_model::notification::{Notification, Transition};
use moorline_model::page::Page;
use moorline_model::plan::PlanSummary;
use moorline_model::rollout::{Phase, Verdict};
use moorline_model::{CheckFailed, EnvironmentName, FailureClass, Revision};

use crate::age::{age, lasting};
use crate::announce::Messages;
use crate::gateway::ReplicaReading;
use crate::incident::{IncidentStatus, incident, is_open};
use crate::lanes::{self, LaneFailed};

/// What reading the source came to.
#[derive(Debug, Clone, Copy)]
pub enum SourceCheck<'a> {
    /// The head was read, and what it declares is valid.
    Valid(&'a Revision),
    /// The head was read, and what it declares has mistakes.
    Invalid {
        head: &'a Revision,
        /// All of them, a line each.
        mistakes: &'a CheckFailed,
    },
    /// It could not be read.
    Unreachable(&'a CheckFailed),
}

/// For whom an environment sends alerts about the source. What goes wrong with the repository goes wrong for all its
/// environments, and is one incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AlertScope<'a> {
    /// Of what is its own.
    #[default]
    Own,
    /// For all of these: the trouble is the repository's.
    Shared(&'a [EnvironmentName]),
    /// For nobody: another environment sent the alert.
    Suppressed,
}

/// What was checked this cycle; `None`: not this time, and the condition keeps its reading.
#[derive(Debug, Clone, Copy, Default)]
pub struct Checks<'a> {
    pub source: Option<SourceCheck<'a>>,
    /// For whom it sends alerts about that.
    pub scope: AlertScope<'a>,
    /// The scheduled Terraform plan.
    pub plan: Option<Result<&'a PlanSummary, &'a CheckFailed>>,
    /// The gateway replicas.
    pub replicas: Option<&'a [ReplicaReading]>,
}

/// Notes the source, plan, health, drift and hold conditions. The apply condition is noted where a rollout moves; what was compared
/// is noted by [`crate::lanes::note`] before.
pub fn note_conditions(state: &mut EnvironmentState, checks: &Checks<'_>, now: Timestamp) -> Messages {
    let mut messages = Messages::default();
    if let Some(source) = checks.source {
        let (status, because) = match source {
            SourceCheck::Valid(head) => {
                (ConditionStatus::Good, format!("the head is {} by {}", head.commit.short(), head.author))
            }
            SourceCheck::Invalid { head, mistakes } => {
                (ConditionStatus::Bad, format!("{} by {}: {mistakes}", head.commit.short(), head.author))
            }
            SourceCheck::Unreachable(failed) => (ConditionStatus::CannotCheck, failed.because.clone()),
        };
        let (head, failed) = match source {
            SourceCheck::Invalid { head, mistakes } => (Some(head), Some(mistakes)),
            SourceCheck::Unreachable(failed) => (None, Some(failed)),
            SourceCheck::Valid(_) => (None, None),
        };
        let (condition, because, scope) = (ConditionType::Source, because.as_str(), checks.scope);
        note_and_alert(state, &Check { condition, status, because, head, scope }, now, &mut messages);
        state.conditions.classify(condition, failed.map(|failed| failed.class.clone()));
    }
    if let Some(plan) = checks.plan {
        let (status, because) = match plan {
            Ok(plan) if plan.is_empty() => {
                (ConditionStatus::Good, "Terraform has nothing to change".to_owned())
            }
            Ok(plan) => (ConditionStatus::Attention, plan.headline()),
            Err(failed) => (ConditionStatus::CannotCheck, failed.because.clone()),
        };
        let check = Check {
            condition: ConditionType::Plan,
            status,
            because: &because,
            head: None,
            scope: AlertScope::Own,
        };
        note_and_alert(state, &check, now, &mut messages);
        state.conditions.classify(ConditionType::Plan, plan.err().map(|failed| failed.class.clone()));
    }
    if let Some(replicas) = checks.replicas {
        // Replicas that cannot be read are findings of the gateway lane; those notify people.
        let (status, because) = health(state, replicas);
        state.conditions.note(ConditionType::Health, status, because, now);
        let failed = lanes::replicas(replicas).err();
        let class = failed.as_ref().and_then(LaneFailed::class).cloned();
        state.conditions.classify(ConditionType::Health, class);
    }
    note_drift(state, now);
    note_hold(state, now);
    messages
}

/// Notes the hold condition.
pub(crate) fn note_hold(state: &mut EnvironmentState, now: Timestamp) {
    let head = state.head.as_ref().map(|head| &head.commit);
    let (here, past): (Vec<_>, Vec<_>) =
        state.holds.iter().partition(|hold| hold.commit.is_none() || hold.commit.as_ref() == head);
    let (status, because) = match (here.as_slice(), past.len()) {
        ([], 0) => (ConditionStatus::Good, "nothing is held".to_owned()),
        ([], _) => {
            let past: Vec<_> = past.iter().filter_map(|hold| hold.commit.as_ref()).collect();
            let commits: Vec<_> = past.into_iter().map(|commit| commit.short()).collect();
            (
                ConditionStatus::Good,
                format!(
                    "the head is not held; {} {} held and not tried again",
                    commits.join(", "),
                    if commits.len() == 1 { "is" } else { "are" }
                ),
            )
        }
        (holds, _) => {
            let each = holds.iter().map(|hold| {
                let what = hold.commit.as_ref().map_or("everything", |commit| commit.short());
                format!("{what} by {}: {}", hold.by, hold.reason)
            });
            (ConditionStatus::Attention, each.collect::<Vec<_>>().join("; "))
        }
    };
    state.conditions.note(ConditionType::Hold, status, because, now);
}

fn health(state: &EnvironmentState, replicas: &[ReplicaReading]) -> (ConditionStatus, String) {
    let unread = replicas.iter().filter(|reading| reading.result.is_err()).count();
    let all = replicas.len();
    if all == 0 {
        return (ConditionStatus::CannotCheck, "no replica was found".to_owned());
    }
    if unread > 0 {
        let unread = format!("{unread} of {all} replicas cannot be read");
        return (ConditionStatus::CannotCheck, format!("{unread}. {}", callers(state).sentence));
    }
    if let Some(rollout) = &state.rollout {
        let short = rollout.revision.commit.short();
        let verdict = rollout.evidence.as_ref().map(|evidence| &evidence.verdict);
        if rollout.phase == Phase::Frozen && rollout.promoted {
            let sentence = callers(state).sentence;
            return (ConditionStatus::Bad, format!("{short} serves, and is not healthy. {sentence}"));
        }
        if let (Some(Verdict::Failed { reasons }), false) = (verdict, rollout.phase.is_over()) {
            return (ConditionStatus::Bad, format!("{}. {}", reasons.join("; "), callers(state).sentence));
        }
        let unadopted = state.unadopted().count();
        if unadopted > 0 && matches!(rollout.phase, Phase::Pending | Phase::Staging) {
            return (ConditionStatus::Attention, waits_for_adoption(state, unadopted, replicas));
        }
        if matches!(rollout.phase, Phase::Staging | Phase::Shifting { .. } | Phase::Promoting | Phase::Baking)
        {
            return (ConditionStatus::Busy, format!("{short} is being verified"));
        }
    }
    let Some(applied) = &state.applied else {
        return match state.found.as_slice() {
            [] => (ConditionStatus::Attention, "nothing is in force yet".to_owned()),
            _ => (
                ConditionStatus::Attention,
                format!("nothing of Git is in force. {}", callers(state).sentence),
            ),
        };
    };
    let serving = replicas.iter().filter(|reading| reading.serves(applied.digest)).count();
    let short = applied.revision.commit.short();
    if serving == all {
        return (ConditionStatus::Good, format!("{serving} of {all} replicas serve {short}"));
    }
    let sentence = callers(state).sentence;
    (ConditionStatus::Bad, format!("{serving} of {all} replicas serve {short}. {sentence}"))
}

/// Nothing is verified while gateways keep what they served before Moorline; one that serves nothing waits with them.
fn waits_for_adoption(state: &EnvironmentState, unadopted: usize, replicas: &[ReplicaReading]) -> String {
    let (all, name) = (replicas.len(), &state.name);
    let serve = if unadopted == 1 { "serves" } else { "serve" };
    let empty = empty(replicas);
    let empty = if empty.is_empty() { String::new() } else { format!("; {empty}") };
    format!(
        "{unadopted} of {all} replicas {serve} what was there before Moorline, until `moorline adopt {name}`{empty}"
    )
}

/// The replicas that serve nothing, named; an empty text when there is none.
pub(crate) fn empty(replicas: &[ReplicaReading]) -> String {
    let is_empty = |reading: &&ReplicaReading| reading.result.is_ok() && reading.stable().is_none();
    let empty: Vec<_> = replicas.iter().filter(is_empty).map(|reading| reading.endpoint.as_str()).collect();
    match empty.as_slice() {
        [] => String::new(),
        [one] => format!("{one} serves nothing until that is adopted, and answers callers with 503"),
        some => {
            format!("{} serve nothing until that is adopted, and answer callers with 503", some.join(", "))
        }
    }
}

/// Good only when every declared lane was compared; as old as the oldest of them.
fn note_drift(state: &mut EnvironmentState, now: Timestamp) {
    let known = comparison::drift(state);
    let differ =
        if known.open == 1 { "1 difference".to_owned() } else { format!("{} differences", known.open) };
    let not_checked = known.not_checked.join("; ");
    let (status, because) = match known.answer {
        Answer::Nothing => (ConditionStatus::Good, "nothing differs".to_owned()),
        Answer::Open if not_checked.is_empty() => (ConditionStatus::Attention, differ),
        Answer::Open => (ConditionStatus::Attention, format!("{differ}; not checked: {not_checked}")),
        Answer::NotChecked if state.applied.is_none() => (ConditionStatus::Unknown, not_checked),
        Answer::NotChecked => (ConditionStatus::CannotCheck, not_checked),
    };
    state.conditions.note(ConditionType::Drift, status, because, now);
    let worst: Option<&FailureClass> = state.lanes.values().filter_map(|known| known.failure.as_ref()).max();
    state.conditions.classify(ConditionType::Drift, worst.cloned());
    if let Some(oldest) = comparison::as_of(state).filter(|_| known.answer != Answer::NotChecked) {
        state.conditions.backdate(ConditionType::Drift, oldest);
    }
}

const fn is_trouble(status: ConditionStatus) -> bool {
    matches!(status, ConditionStatus::Bad | ConditionStatus::CannotCheck)
}

/// What trouble with a condition is about, the same for each outage.
fn about(state: &EnvironmentState, condition: ConditionType) -> String {
    format!("check/{}/{condition}", state.name)
}

/// The lane whose check a condition is about.
const fn lane(condition: ConditionType) -> Option<Lane> {
    match condition {
        ConditionType::Plan => Some(Lane::Terraform),
        ConditionType::Health => Some(Lane::Gateway),
        ConditionType::Source | ConditionType::Apply | ConditionType::Drift | ConditionType::Hold => None,
    }
}

/// Whether messages say something of the source.
#[must_use]
pub fn alerts_on_source(state: &EnvironmentState, messages: &Messages) -> bool {
    let about = about(state, ConditionType::Source);
    messages.notifications.iter().any(|message| message.incident.0.starts_with(&about))
}

/// What a look at a condition came to.
struct Check<'a> {
    condition: ConditionType,
    status: ConditionStatus,
    because: &'a str,
    /// The commit with the mistakes.
    head: Option<&'a Revision>,
    scope: AlertScope<'a>,
}

/// Notes a condition. One failed check sends no alert; the second in a row does, other mistakes than those reported do, and so does the
/// end of what was reported.
fn note_and_alert(state: &mut EnvironmentState, check: &Check<'_>, now: Timestamp, messages: &mut Messages) {
    let Check { condition, status, because, .. } = *check;
    let before = state.conditions.0.get(&condition).cloned();
    state.conditions.note(condition, status, because, now);
    let Some(before) = before else { return };
    // Earlier releases did not record which troubles they had notified of.
    let was_notified = is_open(state, &about(state, condition))
        || (is_trouble(before.status) && before.checked_at > before.since);
    let is_second = status == before.status && before.checked_at == before.since;
    let is_other = status == before.status && before.because != because;
    let transition = match status {
        ConditionStatus::CannotCheck => is_second.then_some(Transition::CannotCheck),
        ConditionStatus::Bad if is_second && !was_notified => Some(Transition::Opened),
        ConditionStatus::Bad => (is_second || is_other).then_some(Transition::Changed),
        _ => was_notified.then_some(Transition::Resolved),
    };
    if let Some(transition) = transition {
        let change = ConditionChange { check, transition, was_notified, before: &before };
        alert(state, &change, now, messages);
    }
}

/// A change of a condition that people are notified of.
struct ConditionChange<'a> {
    check: &'a Check<'a>,
    transition: Transition,
    was_notified: bool,
    before: &'a Condition,
}

fn alert(
    state: &mut EnvironmentState,
    change: &ConditionChange<'_>,
    now: Timestamp,
    messages: &mut Messages,
) {
    let ConditionChange { check: Check { because, head, .. }, transition, was_notified, .. } = *change;
    let is_over = transition == Transition::Resolved;
    let severity = if is_over { Severity::Info } else { Severity::Warning };
    // The history is the environment's own, whoever notified people.
    let message = headline(state.name.as_str(), change, now);
    messages.events.push(Event {
        at: now,
        environment: state.name.clone(),
        kind: EventKind::Check,
        severity,
        message: format!("{message}: {because}"),
        commit: head.map(|head| head.commit.clone()),
        rollout: None,
    });
    let condition = change.check.condition;
    let key = about(state, condition);
    // Of the source another environment may have notified people. Only that one notifies of the end.
    let (was_notified, notifies) = match condition {
        ConditionType::Source => {
            let is_open = is_open(state, &key);
            (is_open, if is_over { is_open } else { change.check.scope != AlertScope::Suppressed })
        }
        _ => (was_notified, true),
    };
    if !notifies {
        return;
    }
    let status = if is_over { IncidentStatus::Resolved } else { IncidentStatus::Firing };
    let incident = incident(state, &key, &format!("{condition} check"), was_notified, status, now);
    messages.notifications.push(Notification {
        incident: incident.key,
        topic: incident.topic,
        transition: match transition {
            Transition::Changed if !was_notified => Transition::Opened,
            other => other,
        },
        severity,
        headline: headline(&whom(state, change.check.scope), change, now),
        details: because.lines().take(20).map(str::to_owned).collect(),
        next: match (is_over, head) {
            (true, _) => "Nothing is left to do.",
            (false, Some(_)) => "What is in force serves on. A commit that mends it is taken up by itself.",
            (false, None) => "What is in force still serves; it is checked again automatically.",
        }
        .to_owned(),
        action: (!is_over).then(|| format!("moorline why {}", state.name)),
        page: Page::Environment(state.name.clone()),
        environment: state.name.clone(),
        concerns: match change.check.scope {
            AlertScope::Shared(all) => all.iter().filter(|name| **name != state.name).cloned().collect(),
            AlertScope::Own | AlertScope::Suppressed => Vec::new(),
        },
        lane: lane(condition),
        at: now,
    });
}

/// Whom it concerns.
fn whom(state: &EnvironmentState, scope: AlertScope<'_>) -> String {
    match scope {
        AlertScope::Shared(all) if all.len() > 1 => {
            all.iter().map(EnvironmentName::as_str).collect::<Vec<_>>().join(", ")
        }
        _ => state.name.to_string(),
    }
}

fn headline(whom: &str, change: &ConditionChange<'_>, now: Timestamp) -> String {
    let ConditionChange { check: Check { condition, .. }, transition, before, .. } = change;
    let (age, lasting) = (age(before.since, now), lasting(before.since, now));
    let (cannot, can, mistakes, right) = match condition {
        ConditionType::Source => (
            "the repository cannot be read".to_owned(),
            "the repository can be read again, and what it declares is valid".to_owned(),
            "what the repository declares has mistakes".to_owned(),
            "what the repository declares is valid again".to_owned(),
        ),
        _ => (
            format!("the {condition} cannot be checked"),
            format!("the {condition} can be checked again and is good"),
            format!("the {condition} has mistakes"),
            format!("the {condition} is right again"),
        ),
    };
    match (transition, before.status) {
        (Transition::Resolved, ConditionStatus::Bad) => format!("{whom}: {right}, after {age}"),
        (Transition::Resolved, _) => format!("{whom}: {can}, after {age}"),
        (Transition::CannotCheck, _) => format!("{whom}: {cannot}{lasting}"),
        _ => format!("{whom}: {mistakes}{lasting}"),
    }
}

#[cfg(test)]
mod tests;
