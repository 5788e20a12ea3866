//! What people are told of a rollout. Transitions only.

use jiff::SignedDuration;
use moorline_model::IncidentKey;
use moorline_model::drift::Severity;
use moorline_model::notification::{Notification, Transition};
use moorline_model::rollout::{Phase, Rollout, RolloutKind, Verdict};

use super::ledger::Ledger;
use crate::age::age;

/// How a rollout ended, as the end of a sentence.
pub(super) const fn ended(phase: &Phase) -> &'static str {
    match phase {
        Phase::Succeeded => "is in force",
        Phase::RolledBack => "was rolled back and is held",
        Phase::Frozen => "is frozen",
        Phase::Failed => "failed before it changed anything",
        Phase::Superseded => "was superseded",
        _ => "is under way",
    }
}

/// What one message says.
struct Message {
    transition: Transition,
    severity: Severity,
    headline: String,
    details: Vec<String>,
    next: String,
    action: Option<String>,
}

fn send(ledger: &mut Ledger, rollout: &Rollout, message: Message) {
    let environment = ledger.state.name.clone();
    ledger.notifications.push(Notification {
        incident: IncidentKey(format!("rollout/{environment}/{}", rollout.id)),
        path: format!("/environments/{environment}/rollouts/{}", rollout.id),
        environment,
        transition: message.transition,
        severity: message.severity,
        headline: message.headline,
        details: message.details,
        next: message.next,
        action: message.action,
        at: ledger.now,
    });
}

/// Most lines of what a commit changes in one message, of the document and of Terraform each.
const CHANGES_MAX: usize = 5;

/// The commit with its author and first line, and what it changes.
fn about(rollout: &Rollout) -> Vec<String> {
    let revision = &rollout.revision;
    let mut lines = vec![format!("{} by {}: {}", revision.commit.short(), revision.author, revision.message)];
    if let RolloutKind::Rollback { from, actor, .. } = &rollout.kind {
        lines.push(format!("{actor} asked to go back from {}", from.short()));
    }
    lines.push(rollout.what_changes());
    let each = rollout.change_lines(CHANGES_MAX);
    // One line would only say the sentence again.
    lines.extend(each.into_iter().filter(|_| !has_one_change(rollout)));
    lines
}

fn has_one_change(rollout: &Rollout) -> bool {
    let fields = rollout.changes.as_ref().map_or(0, |changes| changes.fields.len() + changes.more);
    let resources = rollout.terraform.as_ref().map_or(0, |plan| plan.changes.len());
    fields == 1 && resources == 0
}

/// The numbers of the last verdict.
fn facts(rollout: &Rollout) -> Vec<String> {
    let facts = rollout.evidence.iter().flat_map(|evidence| &evidence.facts);
    facts.map(|(name, value)| format!("{name}: {value}")).collect()
}

pub(super) fn entered(ledger: &mut Ledger, before: &Phase, phase: &Phase) {
    let Some(rollout) = ledger.state.rollout.clone() else { return };
    match phase {
        Phase::AwaitingApproval => awaiting_approval(ledger, &rollout),
        Phase::RollingBack { .. } if !matches!(before, Phase::RollingBack { .. }) => {
            rolling_back(ledger, &rollout, before);
        }
        _ => {}
    }
}

fn awaiting_approval(ledger: &mut Ledger, rollout: &Rollout) {
    let environment = ledger.state.name.clone();
    let short = rollout.revision.commit.short();
    let message = Message {
        transition: Transition::Progressed,
        severity: Severity::Warning,
        headline: format!("{environment}: {short} waits for approval"),
        details: about(rollout),
        next: "Nothing is changed until a person approves it.".to_owned(),
        action: Some(format!("moorline approve {environment}")),
    };
    send(ledger, rollout, message);
}

fn rolling_back(ledger: &mut Ledger, rollout: &Rollout, before: &Phase) {
    let environment = ledger.state.name.clone();
    let short = rollout.revision.commit.short();
    let reason = rollout.reason.as_deref().unwrap_or_default();
    let age = age(rollout.started_at, ledger.now);
    let next = match (&rollout.from, rollout.promoted) {
        (Some(from), _) => format!("Going back to {}.", from.revision.commit.short()),
        (None, _) => "The candidate is taken out of traffic.".to_owned(),
    };
    let (severity, failed) = if rollout.stop.is_some() {
        (Severity::Warning, "was")
    } else {
        (Severity::Critical, "failed while")
    };
    let message = Message {
        transition: Transition::RollingBack,
        severity,
        headline: format!("{environment}: {short} {failed} {before}, {age} after it began: {reason}"),
        details: about(rollout).into_iter().chain(facts(rollout)).collect(),
        next,
        action: Some(format!("moorline status {environment}")),
    };
    send(ledger, rollout, message);
}

pub(super) fn finished(ledger: &mut Ledger, rollout: &Rollout, before: &Phase) {
    let environment = ledger.state.name.clone();
    let short = rollout.revision.commit.short();
    let reason = rollout.reason.as_deref().unwrap_or_default();
    let age = age(rollout.started_at, ledger.now);
    let message = match rollout.phase {
        // Without Baking it changed nothing: history says so, nobody need be told.
        Phase::Succeeded if *before == Phase::Baking => Message {
            transition: Transition::Resolved,
            severity: Severity::Info,
            headline: format!("{environment}: {short} is verified healthy, {age} after it began"),
            details: about(rollout).into_iter().chain(facts(rollout)).collect(),
            next: "It is now what a rollback goes back to.".to_owned(),
            action: None,
        },
        Phase::RolledBack => Message {
            transition: Transition::RolledBack,
            severity: Severity::Warning,
            headline: format!("{environment}: {short} was rolled back, {age} after it began: {reason}"),
            details: about(rollout),
            next: format!(
                "{} serves again. {short} is held until a newer commit or a release.",
                rollout.from.as_ref().map_or("The commit before", |from| from.revision.commit.short()),
            ),
            action: Some(format!("moorline release {environment}")),
        },
        Phase::Frozen => Message {
            transition: Transition::Frozen,
            severity: Severity::Critical,
            headline: format!("{environment} is frozen at {short}: {reason}"),
            details: about(rollout).into_iter().chain(facts(rollout)).collect(),
            next: "Nothing is done by itself until a person releases it.".to_owned(),
            action: Some(format!("moorline release {environment}")),
        },
        Phase::Failed => Message {
            transition: Transition::Opened,
            severity: Severity::Warning,
            headline: format!("{environment}: {short} {}: {reason}", ended(&rollout.phase)),
            details: about(rollout),
            next: "What served before serves on. A newer commit, or a sync, tries again.".to_owned(),
            action: Some(format!("moorline why {environment}")),
        },
        _ => return,
    };
    send(ledger, rollout, message);
}

/// Asks a person to look, once in a phase, when verification cannot come to a verdict for longer than declared.
pub(super) fn ask_a_person(ledger: &mut Ledger) {
    let now = ledger.now;
    let Some(rollout) = ledger.rollout() else { return };
    let Some(Verdict::Inconclusive { because }) = rollout.verdict().cloned() else { return };
    let patience = SignedDuration::try_from(rollout.verify.patience.get()).unwrap_or(SignedDuration::MAX);
    if rollout.person_asked_at.is_some() || now.duration_since(rollout.phase_since) <= patience {
        return;
    }
    rollout.person_asked_at = Some(now);
    let rollout = rollout.clone();
    let environment = ledger.state.name.clone();
    let short = rollout.revision.commit.short();
    let age = age(rollout.phase_since, now);
    let message = Message {
        transition: Transition::CannotCheck,
        severity: Severity::Warning,
        headline: format!(
            "{environment}: {short} is {} for {age} without a verdict: {because}",
            rollout.phase
        ),
        details: about(&rollout).into_iter().chain(facts(&rollout)).collect(),
        next: "It stays as it is until there is a verdict, a newer commit, or a person's word.".to_owned(),
        action: Some(format!("moorline rollback {environment}")),
    };
    send(ledger, &rollout, message);
}
