//! Notifications of a rollout. Transitions only; a request for approval is withdrawn once it is over: the newest
//! message of a thread is how things stand.

use jiff::{SignedDuration, Timestamp};
use moorline_model::drift::Severity;
use moorline_model::environment::{EnvironmentState, Hold};
use moorline_model::notification::{Notification, Transition};
use moorline_model::page::Page;
use moorline_model::rollout::{Phase, Rollout, RolloutKind, Verdict};
use moorline_model::{CommitId, EnvironmentName, IncidentKey, Revision};

use super::recorder::Recorder;
use crate::age::age;

/// Most lines of what a commit changes in one message, of the document and of Terraform each.
const CHANGES_MAX: usize = 5;
/// Longest title of a commit in a subject, in characters.
const TITLE_MAX: usize = 60;

/// What one message says.
struct Message {
    transition: Transition,
    severity: Severity,
    headline: String,
    details: Vec<String>,
    next: String,
    action: Option<String>,
}

fn send(recorder: &mut Recorder, rollout: &Rollout, message: Message) {
    let notification = notification(&recorder.state.name, rollout, message, recorder.now);
    recorder.notifications.push(notification);
    if let Some(present) = recorder.state.rollout.as_mut().filter(|present| present.id == rollout.id) {
        present.is_announced = true;
    }
}

fn notification(
    environment: &EnvironmentName,
    rollout: &Rollout,
    message: Message,
    now: Timestamp,
) -> Notification {
    Notification {
        incident: IncidentKey(format!("rollout/{environment}/{}", rollout.id)),
        topic: topic(rollout),
        page: Page::Rollout(environment.clone(), rollout.id),
        environment: environment.clone(),
        concerns: Vec::new(),
        lane: None,
        transition: message.transition,
        severity: message.severity,
        headline: message.headline,
        details: message.details,
        next: message.next,
        action: message.action,
        at: now,
    }
}

/// The commit and its title.
fn topic(rollout: &Rollout) -> String {
    let Revision { commit, message, .. } = &rollout.revision;
    let title = match message.char_indices().nth(TITLE_MAX) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.clone(),
    };
    let back = if matches!(rollout.kind, RolloutKind::Rollback { .. }) { "back to " } else { "" };
    format!("{back}{} \"{title}\"", commit.short())
}

/// The commit with its author and first line, and what it changes.
fn about(rollout: &Rollout) -> Vec<String> {
    let revision = &rollout.revision;
    let mut lines = vec![format!("{} by {}: {}", revision.commit.short(), revision.author, revision.message)];
    match &rollout.kind {
        RolloutKind::Rollback { from, actor, reason } => {
            lines.push(format!("{actor} requested a rollback from {}: {}", from.short(), or_none(reason)));
        }
        RolloutKind::Heal { actor, .. } => lines.push(format!("{actor} requested that drift be healed")),
        RolloutKind::Deploy => {}
    }
    lines.push(rollout.what_changes());
    let each = rollout.change_lines(CHANGES_MAX);
    // One line would only say the sentence again.
    lines.extend(each.into_iter().filter(|_| !has_one_change(rollout)));
    lines
}

fn has_one_change(rollout: &Rollout) -> bool {
    let fields = rollout.changes.as_ref().map_or(0, |changes| changes.fields.len() + changes.more);
    let has_plan = rollout.terraform_changes.as_ref().is_some_and(|plan| !plan.is_empty());
    fields == 1 && !has_plan
}

fn or_none(reason: &str) -> &str {
    if reason.is_empty() { "no reason given" } else { reason }
}

/// The numbers of the last verdict.
fn facts(rollout: &Rollout) -> Vec<String> {
    let facts = rollout.evidence.iter().flat_map(|evidence| &evidence.facts);
    facts.map(|(name, value)| format!("{name}: {value}")).collect()
}

/// Whom it reached, then what it is, then the numbers.
fn failure_details(rollout: &Rollout) -> Vec<String> {
    let callers = std::iter::once(rollout.callers_sentence());
    callers.chain(about(rollout)).chain(facts(rollout)).collect()
}

/// What of these commits, or of everything, is kept from being applied, a line each: by whom and why.
fn holds(state: &EnvironmentState, commits: &[Option<&CommitId>]) -> Vec<String> {
    let is_meant = |hold: &&Hold| hold.commit.is_none() || commits.contains(&hold.commit.as_ref());
    let line = |hold: &Hold| {
        let what = hold.commit.as_ref().map_or("everything", |commit| commit.short());
        format!("held: {what}, by {}: {}", hold.by, hold.reason)
    };
    state.holds.iter().filter(is_meant).map(line).collect()
}

/// What is held because a person went back from a commit: that one, and the head.
fn holds_after_rollback(state: &EnvironmentState, from: &CommitId) -> Vec<String> {
    holds(state, &[Some(from), state.head.as_ref().map(|head| &head.commit)])
}

/// The way on from a commit that was taken back.
fn merge_a_fix() -> String {
    "merge a fix: a newer commit is rolled out by itself".to_owned()
}

/// A rollback that a person requested is reported from its beginning: who, why, and what is held because of it.
pub(super) fn began(recorder: &mut Recorder) {
    let Some(rollout) = recorder.state.rollout.clone() else { return };
    let RolloutKind::Rollback { from, actor, reason } = &rollout.kind else { return };
    let environment = recorder.state.name.clone();
    let short = rollout.revision.commit.short();
    let message = Message {
        transition: Transition::Progressed,
        severity: Severity::Warning,
        headline: format!(
            "{environment}: {actor} rolls back from {} to {short}: {}",
            from.short(),
            or_none(reason)
        ),
        details: about(&rollout).into_iter().chain(holds_after_rollback(&recorder.state, from)).collect(),
        next: format!("{short} is rolled out and verified. What is held is not applied again by itself."),
        action: Some(format!("moorline status {environment}")),
    };
    send(recorder, &rollout, message);
}

pub(super) fn entered(recorder: &mut Recorder, before: &Phase, phase: &Phase) {
    let Some(present) = recorder.state.rollout.as_mut() else { return };
    let awaited_person = std::mem::take(&mut present.awaits_person);
    present.awaits_person = *phase == Phase::AwaitingApproval;
    let rollout = present.clone();
    match phase {
        Phase::AwaitingApproval => awaiting_approval(recorder, &rollout),
        Phase::RollingBack { .. } if !matches!(before, Phase::RollingBack { .. }) => {
            rolling_back(recorder, &rollout, before);
        }
        _ if awaited_person => goes_on(recorder, &rollout, before),
        _ => {}
    }
}

fn awaiting_approval(recorder: &mut Recorder, rollout: &Rollout) {
    let environment = recorder.state.name.clone();
    let short = rollout.revision.commit.short();
    let message = Message {
        transition: Transition::Progressed,
        severity: Severity::Warning,
        headline: format!("{environment}: {short} waits for approval"),
        details: about(rollout),
        next: "Nothing is changed until a person approves it.".to_owned(),
        action: Some(format!("moorline approve {environment}")),
    };
    send(recorder, rollout, message);
}

/// A person is no longer waited for.
fn goes_on(recorder: &mut Recorder, rollout: &Rollout, before: &Phase) {
    let environment = recorder.state.name.clone();
    let short = rollout.revision.commit.short();
    let approval = rollout.approval.as_ref().filter(|_| *before == Phase::AwaitingApproval);
    let by = approval.map(|approval| format!(", approved by {}", approval.actor)).unwrap_or_default();
    let message = Message {
        transition: Transition::Progressed,
        severity: Severity::Info,
        headline: format!("{environment}: {short} goes on{by}: it is {}", rollout.phase),
        details: about(rollout),
        next: "It is rolled out and verified.".to_owned(),
        action: Some(format!("moorline status {environment}")),
    };
    send(recorder, rollout, message);
}

fn rolling_back(recorder: &mut Recorder, rollout: &Rollout, before: &Phase) {
    let environment = recorder.state.name.clone();
    let short = rollout.revision.commit.short();
    let reason = rollout.reason.as_deref().unwrap_or_default();
    let age = age(rollout.started_at, recorder.now);
    let next = match &rollout.from {
        Some(from) => format!("Rolling back to {}.", from.revision.commit.short()),
        None => "The candidate is taken out of traffic.".to_owned(),
    };
    let (severity, headline) = match &rollout.stop {
        Some(stop) => (
            Severity::Warning,
            format!(
                "{environment}: {} rolls {short} back while {before}, {age} after it began: {}",
                stop.actor,
                or_none(&stop.reason)
            ),
        ),
        None => (
            Severity::Critical,
            format!("{environment}: {short} failed while {before}, {age} after it began: {reason}"),
        ),
    };
    let mut details = failure_details(rollout);
    if rollout.stop.is_some() {
        details.splice(1..1, holds(&recorder.state, &[Some(&rollout.revision.commit)]));
    }
    let message = Message {
        transition: Transition::RollingBack,
        severity,
        headline,
        details,
        next,
        action: Some(format!("moorline status {environment}")),
    };
    send(recorder, rollout, message);
}

pub(super) fn finished(recorder: &mut Recorder, rollout: &Rollout, before: &Phase) {
    let message = match rollout.phase {
        // What changed nothing is in the history; nobody is notified who was not notified before.
        Phase::Succeeded if *before == Phase::Baking => verified(recorder, rollout),
        Phase::Succeeded if rollout.is_announced => changed_nothing(recorder, rollout),
        Phase::RolledBack => rolled_back(recorder, rollout),
        Phase::Frozen => frozen(recorder, rollout),
        Phase::Failed => failed(recorder, rollout),
        Phase::Superseded if rollout.is_announced => superseded(&recorder.state.name, rollout),
        _ => return,
    };
    send(recorder, rollout, message);
}

fn verified(recorder: &Recorder, rollout: &Rollout) -> Message {
    let environment = &recorder.state.name;
    let short = rollout.revision.commit.short();
    let age = age(rollout.started_at, recorder.now);
    let (headline, next, details) = match &rollout.kind {
        RolloutKind::Deploy | RolloutKind::Heal { .. } => (
            format!("{environment}: {short} is verified healthy, {age} after it began"),
            "It is now the target of a rollback.".to_owned(),
            about(rollout),
        ),
        RolloutKind::Rollback { from, actor, reason } => (
            format!(
                "{environment}: rolled back to {short}, verified healthy {age} after {actor} requested it: {}",
                or_none(reason)
            ),
            format!("{} stays held. Merge a fix: a newer commit is rolled out by itself.", from.short()),
            about(rollout).into_iter().chain(holds_after_rollback(&recorder.state, from)).collect(),
        ),
    };
    Message {
        transition: Transition::Verified,
        severity: Severity::Info,
        headline,
        details: details.into_iter().chain(facts(rollout)).collect(),
        next,
        action: None,
    }
}

/// In force already: nothing was to be verified.
fn changed_nothing(recorder: &Recorder, rollout: &Rollout) -> Message {
    let short = rollout.revision.commit.short();
    let because = rollout.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    Message {
        transition: Transition::Resolved,
        headline: format!("{}: {short} is in force{because}", recorder.state.name),
        ..verified(recorder, rollout)
    }
}

fn rolled_back(recorder: &Recorder, rollout: &Rollout) -> Message {
    let environment = &recorder.state.name;
    let short = rollout.revision.commit.short();
    let age = age(rollout.started_at, recorder.now);
    let serves = rollout.from.as_ref().map_or("The commit before", |from| from.revision.commit.short());
    let headline = match &rollout.stop {
        Some(stop) => format!(
            "{environment}: {short} was rolled back by {}, {age} after it began: {}",
            stop.actor,
            or_none(&stop.reason)
        ),
        None => {
            let reason = rollout.reason.as_deref().unwrap_or_default();
            format!("{environment}: {short} was rolled back, {age} after it began: {reason}")
        }
    };
    let mut details = vec![rollout.callers_sentence()];
    let held =
        recorder.state.holds.iter().find(|hold| hold.commit.as_ref() == Some(&rollout.revision.commit));
    details.extend(held.map(|hold| format!("held: {short}, by {}", hold.by)));
    details.extend(about(rollout));
    Message {
        transition: Transition::RolledBack,
        severity: Severity::Warning,
        headline,
        details,
        next: format!("{serves} serves again. {short} is held: it is not tried again by itself."),
        action: Some(merge_a_fix()),
    }
}

fn frozen(recorder: &Recorder, rollout: &Rollout) -> Message {
    let environment = &recorder.state.name;
    let short = rollout.revision.commit.short();
    let reason = rollout.reason.as_deref().unwrap_or_default();
    Message {
        transition: Transition::Frozen,
        severity: Severity::Critical,
        headline: format!("{environment} is frozen at {short}: {reason}"),
        details: failure_details(rollout),
        next: format!("Nothing is done by itself any more. A release without a fix tries {short} again."),
        action: Some(format!("merge a fix, then moorline release {environment}")),
    }
}

fn failed(recorder: &Recorder, rollout: &Rollout) -> Message {
    let environment = &recorder.state.name;
    let short = rollout.revision.commit.short();
    let reason = rollout.reason.as_deref().unwrap_or_default();
    Message {
        transition: Transition::Failed,
        severity: Severity::Warning,
        headline: format!("{environment}: {short} {}: {reason}", rollout.ended()),
        details: std::iter::once(rollout.callers_sentence()).chain(about(rollout)).collect(),
        next: match recorder.state.hold_on(&rollout.revision.commit) {
            Some(_) => {
                format!("What served before serves on. {short} is held: it is not tried again by itself.")
            }
            None => "What served before serves on. A newer commit, or a sync, tries again.".to_owned(),
        },
        action: Some(format!("moorline why {environment}")),
    }
}

fn superseded(environment: &EnvironmentName, rollout: &Rollout) -> Message {
    let short = rollout.revision.commit.short();
    let reason = rollout.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    Message {
        transition: Transition::Resolved,
        severity: Severity::Info,
        headline: format!("{environment}: {short} was superseded{reason}"),
        details: about(rollout),
        next: "Nothing is left to do about it.".to_owned(),
        action: None,
    }
}

/// The last message about a rollout that a person's rollback supersedes, if there was one before.
pub(crate) fn superseded_by_person(
    environment: &EnvironmentName,
    rollout: &Rollout,
    now: Timestamp,
) -> Option<Notification> {
    rollout.is_announced.then(|| notification(environment, rollout, superseded(environment, rollout), now))
}

/// The message when a person lifts the freeze that a rollout ended in.
pub(crate) fn released(
    environment: &EnvironmentName,
    rollout: &Rollout,
    actor: &str,
    now: Timestamp,
) -> Option<Notification> {
    let short = rollout.revision.commit.short();
    let message = || Message {
        transition: Transition::Resolved,
        severity: Severity::Info,
        headline: format!("{environment}: {actor} lifted the freeze at {short}"),
        details: about(rollout),
        next: "The head is rolled out again by itself.".to_owned(),
        action: Some(format!("moorline status {environment}")),
    };
    (rollout.is_announced && rollout.phase == Phase::Frozen)
        .then(|| notification(environment, rollout, message(), now))
}

/// Asks a person to look, once in a phase, when verification cannot come to a verdict for longer than declared.
pub(super) fn ask_a_person(recorder: &mut Recorder) {
    let now = recorder.now;
    let Some(rollout) = recorder.rollout() else { return };
    let Some(Verdict::Inconclusive { because }) = rollout.verdict().cloned() else { return };
    let patience = SignedDuration::try_from(rollout.verify.patience.get()).unwrap_or(SignedDuration::MAX);
    if rollout.person_asked_at.is_some() || now.duration_since(rollout.phase_since) <= patience {
        return;
    }
    rollout.person_asked_at = Some(now);
    rollout.awaits_person = true;
    let rollout = rollout.clone();
    let environment = recorder.state.name.clone();
    let short = rollout.revision.commit.short();
    let age = age(rollout.phase_since, now);
    let message = Message {
        transition: Transition::CannotCheck,
        severity: Severity::Warning,
        headline: format!(
            "{environment}: {short} is {} for {age} without a verdict: {because}",
            rollout.phase
        ),
        details: failure_details(&rollout),
        next: "It stays as it is until there is a verdict, a newer commit, or a person acts.".to_owned(),
        action: Some(format!("moorline rollback {environment} --reason \"…\"")),
    };
    send(recorder, &rollout, message);
}
