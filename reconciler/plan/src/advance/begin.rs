//! A rollout begins.

use moorline_model::Revision;
use moorline_model::config::Digest;
use moorline_model::environment::EnvironmentState;
use moorline_model::event::EventKind;
use moorline_model::rollout::{Deployed, Phase, Rollout, RolloutKind};

use super::Inputs;
use super::ledger::Ledger;
use crate::desired::Desired;

pub(super) fn begin(ledger: &mut Ledger, revision: &Revision, kind: &RolloutKind, inputs: &Inputs<'_>) {
    let short = revision.commit.short();
    let Some(desired) = inputs.desired.filter(|desired| desired.revision.commit == revision.commit) else {
        ledger.note(EventKind::Rollout, format!("{short} cannot be begun: what it declares cannot be read"));
        return;
    };
    let rollout = rollout(&ledger.state, revision, kind, desired, inputs, ledger.now);
    ledger.state.sync = None;
    ledger.state.rollout = Some(rollout);
    let message = match kind {
        RolloutKind::Deploy => format!("{short} by {} begins: {}", revision.author, revision.message),
        RolloutKind::Rollback { from, actor, reason } => {
            format!("{actor} goes back from {} to {short}: {}", from.short(), or_none(reason))
        }
    };
    ledger.note(EventKind::Rollout, message);
    ledger.note_apply_axis();
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
        from: way_back(state, revision),
        phase: Phase::Pending,
        started_at: now,
        phase_since: now,
        plan: desired.environment.rollout.clone(),
        verify: desired.environment.verify.clone(),
        rollback: desired.environment.rollback,
        terraform_tree: desired.terraform_tree.clone(),
        asked: state.sync.clone(),
        stop: None,
        terraform: None,
        terraform_applied: false,
        approval: None,
        digest: digest(state, revision, kind, desired),
        generations: std::collections::BTreeMap::new(),
        promoted: false,
        evidence: None,
        reason: None,
        attempts: 0,
        retry_at: None,
        stale_plans: 0,
        person_asked_at: None,
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
    verified().or_else(|| desired.document.config().map(|config| config.digest()))
}

/// On the way to Staging: which document the commit declares by now. Terraform may have handed it over since the rollout
/// began, also in an apply whose end an earlier life of the daemon did not see.
pub(super) fn know_document(ledger: &mut Ledger, inputs: &Inputs<'_>) {
    let Some(rollout) = ledger.rollout() else { return };
    let desired = inputs.desired.filter(|desired| desired.revision.commit == rollout.revision.commit);
    let Some(config) = desired.and_then(|desired| desired.document.config()) else { return };
    let is_known = match rollout.phase {
        // Its plan brings the document.
        Phase::Planning if rollout.changing_plan().is_some() => true,
        Phase::Planning => false,
        // A rollback without a plan brings what verified at its commit.
        Phase::Pending => matches!(rollout.kind, RolloutKind::Rollback { .. }),
        _ => true,
    };
    if !is_known {
        rollout.digest = Some(config.digest());
    }
}

/// What was verified last, unless it is the very commit that begins, or one that a person does not want.
fn way_back(state: &EnvironmentState, revision: &Revision) -> Option<Deployed> {
    let verified = state.verified.as_ref()?;
    let commit = &verified.revision.commit;
    let is_held = state.holds.iter().any(|hold| hold.commit.as_ref() == Some(commit));
    (*commit != revision.commit && !is_held).then(|| verified.clone())
}
