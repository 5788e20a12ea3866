//! A rollout begins.

use moorline_model::Revision;
use moorline_model::config::{Config, Digest, Percent};
use moorline_model::environment::{EnvironmentState, RequestedBy};
use moorline_model::event::EventKind;
use moorline_model::rollout::{
    Approval, ApprovalRules, Deployed, Phase, RequestCounts, Rollout, RolloutKind,
};

use super::recorder::Recorder;
use super::{Inputs, notify};
use crate::changes::changes;
use crate::desired::Desired;

pub(super) fn begin(recorder: &mut Recorder, revision: &Revision, kind: &RolloutKind, inputs: &Inputs<'_>) {
    let short = revision.commit.short();
    let Some(desired) = inputs.desired.filter(|desired| desired.revision.commit == revision.commit) else {
        recorder
            .note(EventKind::Rollout, format!("{short} cannot be begun: what it declares cannot be read"));
        return;
    };
    let rollout = rollout(&recorder.state, revision, kind, desired, inputs, recorder.now);
    recorder.state.sync = None;
    if let Some(reason) = recorder.state.frozen.take() {
        let message = format!(
            "the freeze ended: {short} declares something else, and no caller saw what froze ({reason})"
        );
        recorder.note(EventKind::Hold, message);
    }
    recorder.state.rollout = Some(rollout);
    let what = compare(&mut recorder.state, inputs).unwrap_or_default();
    let message = match kind {
        RolloutKind::Deploy => format!("{short} by {} begins: {}{what}", revision.author, revision.message),
        RolloutKind::Rollback { from, actor, reason } => {
            format!("{actor} rolls back from {} to {short}: {}{what}", from.short(), or_none(reason))
        }
        RolloutKind::Heal { actor, reason, .. } => {
            // What drifted from the tree in force is planned anew, though the tree is the same.
            recorder.forget_tree();
            format!("{actor} has Terraform restore what {short} declares: {}", or_none(reason))
        }
    };
    recorder.note(EventKind::Rollout, message);
    recorder.note_apply_condition();
    notify::began(recorder);
}

fn or_none(reason: &str) -> &str {
    if reason.is_empty() { "no reason given" } else { reason }
}

fn rollout(
    state: &EnvironmentState,
    revision: &Revision,
    kind: &RolloutKind,
    desired: &Desired,
    inputs: &Inputs<'_>,
    now: jiff::Timestamp,
) -> Rollout {
    Rollout {
        id: inputs.id,
        kind: kind.clone(),
        revision: revision.clone(),
        from: rollback_target(state, revision),
        phase: Phase::Pending,
        started_at: now,
        phase_since: now,
        traffic: desired.environment.rollout.lowered(),
        verify: desired.environment.verify.clone(),
        rollback: desired.environment.rollback,
        approval_rules: ApprovalRules {
            in_force: state.approval_rule,
            declared: desired.environment.apply.approval,
        },
        terraform_tree: desired.terraform_tree.clone(),
        requested_by: requested_by(state, kind, now),
        stop: None,
        terraform: None,
        terraform_applied: false,
        approval: approved_already(state, kind, desired),
        digest: digest(state, revision, kind, desired),
        changes: None,
        terraform_changes: None,
        generations: std::collections::BTreeMap::new(),
        promoted: false,
        callers_before: RequestCounts::default(),
        share: Some(Percent::ZERO),
        evidence: None,
        reason: None,
        attempts: 0,
        retry_at: None,
        retry_failure: None,
        stale_plans: 0,
        person_asked_at: None,
        is_announced: false,
        awaits_person: false,
    }
}

/// What a person approved of the rollout that this one takes the place of, where it asks the same: the same document and
/// Terraform, rolled out and verified in the same way, under the same rule. A person is not asked twice for one thing, and
/// nothing else is approved by it.
fn approved_already(state: &EnvironmentState, kind: &RolloutKind, desired: &Desired) -> Option<Approval> {
    let before = state.rollout.as_ref().filter(|before| before.phase == Phase::Superseded)?;
    let asks_the_same = *kind == RolloutKind::Deploy
        && before.kind == RolloutKind::Deploy
        && before.approval_rules.in_force == state.approval_rule
        && before.approval_rules.declared == desired.environment.apply.approval
        && before.terraform_tree == desired.terraform_tree
        && before.traffic == desired.environment.rollout.lowered()
        && before.verify == desired.environment.verify
        && before.rollback == desired.environment.rollback
        && desired.document.config().map(|config| config.digest()) == before.digest
        && before.digest.is_some();
    before.approval.clone().filter(|_| asks_the_same)
}

/// Who opens the gate of `apply.auto: false`.
fn requested_by(state: &EnvironmentState, kind: &RolloutKind, now: jiff::Timestamp) -> Option<RequestedBy> {
    match kind {
        RolloutKind::Heal { actor, .. } => Some(RequestedBy { actor: actor.clone(), at: now }),
        RolloutKind::Deploy | RolloutKind::Rollback { .. } => state.sync.clone(),
    }
}

/// The document as far as it is known. A rollback brings the one that verified at its commit: what Terraform handed
/// over last belongs to the commit that is left.
fn digest(
    state: &EnvironmentState,
    revision: &Revision,
    kind: &RolloutKind,
    desired: &Desired,
) -> Option<Digest> {
    let verified = || {
        let known = state.verified.iter().chain(&state.verified_before);
        known
            .filter(|_| matches!(kind, RolloutKind::Rollback { .. }))
            .find(|deployed| deployed.revision.commit == revision.commit)
            .map(|deployed| deployed.digest)
    };
    let in_force = || {
        let is_heal = matches!(kind, RolloutKind::Heal { .. });
        state.applied.as_ref().filter(|_| is_heal).map(|applied| applied.digest)
    };
    verified().or_else(in_force).or_else(|| desired.document.config().map(|config| config.digest()))
}

/// Notes what the rollout under way changes, where that could not be said when it began: Terraform hands its document over
/// later.
pub(super) fn record_changes(recorder: &mut Recorder, inputs: &Inputs<'_>) {
    if let Some(what) = compare(&mut recorder.state, inputs)
        && let Some(rollout) = recorder.rollout()
    {
        let message = format!("{} is known in full{what}", rollout.revision.commit.short());
        recorder.note(EventKind::Rollout, message);
    }
}

/// Compares the document that the rollout brings with the one in force, once both are known; not again for the same one,
/// and not after it became the one in force. Says what it found, as the end of a sentence.
fn compare(state: &mut EnvironmentState, inputs: &Inputs<'_>) -> Option<String> {
    let in_force = state.applied.as_ref().map(|applied| applied.digest);
    let rollout = state.rollout.as_mut().filter(|rollout| !rollout.phase.is_over() && !rollout.promoted)?;
    let digest = rollout.digest?;
    if rollout.changes.as_ref().is_some_and(|changes| changes.document == digest) {
        return None;
    }
    let declared = inputs.desired.and_then(|desired| desired.document.config());
    let incoming =
        [inputs.incoming, declared].into_iter().flatten().find(|found| found.digest() == digest)?;
    let before = inputs.in_force.filter(|document| Some(document.digest()) == in_force);
    if in_force.is_some() && before.is_none() {
        return None;
    }
    rollout.changes = Some(changes(before.map(Config::value), incoming.value(), digest));
    Some(format!(" ({})", rollout.what_changes()))
}

/// On the way to Staging: which document the commit declares by now. Terraform may have handed it over since the rollout
/// began, also in an apply whose end an earlier life of the daemon did not see.
pub(super) fn record_document(recorder: &mut Recorder, inputs: &Inputs<'_>) {
    let Some(rollout) = recorder.rollout() else { return };
    let desired = inputs.desired.filter(|desired| desired.revision.commit == rollout.revision.commit);
    let Some(config) = desired.and_then(|desired| desired.document.config()) else { return };
    let is_known = match rollout.phase {
        // Its plan brings the document.
        Phase::Planning if rollout.changing_plan().is_some() => true,
        Phase::Planning => false,
        // A rollback without a plan brings what verified at its commit.
        Phase::Pending => rollout.kind != RolloutKind::Deploy,
        _ => true,
    };
    if !is_known {
        rollout.digest = Some(config.digest());
    }
}

/// What was verified last, unless it is the very commit that begins, or one that a person does not want.
fn rollback_target(state: &EnvironmentState, revision: &Revision) -> Option<Deployed> {
    let verified = state.verified.as_ref()?;
    let commit = &verified.revision.commit;
    let is_held = state.holds.iter().any(|hold| hold.commit.as_ref() == Some(commit));
    (*commit != revision.commit && !is_held).then(|| verified.clone())
}
