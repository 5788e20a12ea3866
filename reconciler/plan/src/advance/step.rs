//! What came of a step that had an effect.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use moorline_model::changes::PlanChanges;
use moorline_model::config::{Digest, Percent};
use moorline_model::event::EventKind;
use moorline_model::plan::PlanSummary;
use moorline_model::rollout::{Phase, Undo};
use moorline_model::{CheckFailed, Revision};

use super::outcome::{ApplyFailure, PlanFailure};
use super::recorder::{Recorder, tried};
use crate::decide;

/// Tries after a plan that failed for a reason that may pass.
const PLAN_RETRIES_MAX: u32 = 3;
/// Wait before the first of them; doubled for each further one.
const PLAN_RETRY_WAIT: Duration = Duration::from_secs(60);
/// Failed tries at reaching the gateways before the rollout counts as failed: about four minutes.
const ACT_ATTEMPTS_MAX: u32 = 8;
/// Failed tries at undoing before people are called: about a quarter of an hour, for there is nothing better to do.
const UNDO_ATTEMPTS_MAX: u32 = 20;
/// Wait before the first of them; doubled for each further one.
const ACT_RETRY_WAIT: Duration = Duration::from_secs(2);
/// Longest wait between two tries at reaching the gateways.
const ACT_RETRY_WAIT_MAX: Duration = Duration::from_secs(60);

pub(super) fn planned(recorder: &mut Recorder, result: Result<PlanSummary, PlanFailure>) {
    let plan = match result {
        Ok(plan) => plan,
        Err(PlanFailure::Failed(failed)) => return plan_failed(recorder, &failed),
        Err(PlanFailure::Act(failure)) => return act_failed(recorder, &failure),
    };
    if let Some(rollout) = recorder.rollout() {
        let message = format!("{}: plan made, {}", rollout.revision.commit.short(), plan.headline());
        rollout.terraform_changes = Some(PlanChanges::from(&plan));
        rollout.terraform = Some(plan);
        tried(rollout);
        recorder.note(EventKind::Plan, message);
    }
}

pub(super) fn applied(recorder: &mut Recorder, result: Result<Option<Digest>, ApplyFailure>) {
    match result {
        Ok(digest) => {
            if let Some(rollout) = recorder.rollout() {
                rollout.terraform_applied = true;
                rollout.digest = digest.or(rollout.digest);
                let tree = rollout.terraform_tree.clone();
                if let Some(applied) = &mut recorder.state.applied {
                    applied.terraform_tree = tree;
                }
                recorder.enter(&Phase::Staging, "Terraform applied");
            }
        }
        Err(ApplyFailure::Failed { reason }) => {
            if let Some(rollout) = recorder.rollout() {
                rollout.terraform_applied = true;
            }
            recorder.forget_tree();
            recorder.go_back(&format!("terraform apply failed: {reason}"));
        }
        Err(ApplyFailure::Stale { reason }) => stale(recorder, &reason),
        Err(ApplyFailure::Act(failure)) => act_failed(recorder, &failure),
    }
}

pub(super) fn staged(recorder: &mut Recorder, result: Result<BTreeMap<String, u64>, CheckFailed>) {
    match result {
        Ok(generations) => {
            if let Some(rollout) = recorder.rollout() {
                rollout.generations.extend(generations);
                tried(rollout);
            }
            recorder.note_apply_condition();
        }
        Err(failure) => act_failed(recorder, &failure),
    }
}

pub(super) fn shifted(recorder: &mut Recorder, weight: Percent, result: Result<(), CheckFailed>) {
    if let Err(failure) = result {
        return act_failed(recorder, &failure);
    }
    if let Some(rollout) = recorder.rollout() {
        tried(rollout);
        let short = rollout.revision.commit.short().to_owned();
        recorder.note(EventKind::Rollout, format!("{short} gets {weight} of requests"));
    }
}

pub(super) fn promoted(recorder: &mut Recorder, result: Result<(), CheckFailed>) {
    match result {
        Ok(()) => recorder.enter(&Phase::Baking, "every replica serves it"),
        Err(failure) => act_failed(recorder, &failure),
    }
}

pub(super) fn superseded(recorder: &mut Recorder, by: &Revision, result: Result<(), CheckFailed>) {
    // The newer commit's own candidate replaces what could not be dropped.
    let is_last_try = |recorder: &mut Recorder| {
        recorder.rollout().is_some_and(|rollout| rollout.attempts >= ACT_ATTEMPTS_MAX)
    };
    if let Err(failure) = result
        && !is_last_try(recorder)
    {
        return act_failed(recorder, &failure);
    }
    let requested_by = recorder.rollout().and_then(|rollout| rollout.requested_by.take());
    recorder.state.sync = recorder.state.sync.take().or(requested_by);
    recorder.finish(&Phase::Superseded, Some(&format!("{} is newer", by.commit.short())));
}

fn plan_failed(recorder: &mut Recorder, failed: &CheckFailed) {
    let now = recorder.now;
    let Some(rollout) = recorder.rollout() else { return };
    let because = format!("terraform plan failed: {failed}");
    if failed.class.may_pass() && rollout.attempts < PLAN_RETRIES_MAX {
        rollout.attempts += 1;
        rollout.retry_at = Some(after(now, PLAN_RETRY_WAIT, rollout.attempts, Duration::MAX));
        rollout.retry_failure = Some(failed.class.clone());
        recorder.warn(EventKind::Plan, because);
    } else {
        recorder.go_back(&because);
    }
}

fn stale(recorder: &mut Recorder, reason: &str) {
    recorder.plan_is_stale();
    let Some(rollout) = recorder.rollout() else { return };
    let is_undo = matches!(rollout.phase, Phase::RollingBack { .. });
    if is_undo && rollout.stale_plans > decide::STALE_PLANS_MAX {
        let because = format!("undoing failed: its plan turned out stale {} times", rollout.stale_plans);
        return recorder.finish(&Phase::Frozen, Some(&because));
    }
    let because = format!("nothing was applied: {reason}");
    if is_undo {
        recorder.enter(&Phase::RollingBack { undo: Undo::Plan }, &because);
    } else {
        // Nothing was applied: this is not the way back from an interrupted apply.
        recorder.replan(&because);
    }
}

pub(super) fn document_undone(recorder: &mut Recorder, result: Result<(), CheckFailed>) {
    if let Err(failure) = result {
        return act_failed(recorder, &failure);
    }
    let now = recorder.now;
    let Some(rollout) = recorder.state.rollout_under_way().cloned() else { return };
    match rollout.phase {
        Phase::RollingBack { undo: Undo::Document } => {
            if rollout.from.is_none() && !rollout.promoted && !rollout.terraform_applied {
                // A first document that failed as a candidate: with it gone, all is as it was.
                recorder.finish(&Phase::Failed, None);
            } else if let Some(obstacle) = decide::obstacle(&recorder.state, &rollout) {
                let because = format!("not rolled back: {obstacle}");
                recorder.finish(&Phase::Frozen, Some(&because));
            } else if decide::terraform_is_to_be_undone(&recorder.state, &rollout) {
                recorder.enter(&Phase::RollingBack { undo: Undo::Plan }, "Terraform is next");
            } else {
                recorder.enter(&Phase::RollingBack { undo: Undo::Attest }, "");
            }
        }
        // Somebody else writes there, or a replica started anew: put back again, but not for ever.
        Phase::RollingBack { undo: Undo::Attest } if rollout.attempts >= UNDO_ATTEMPTS_MAX => {
            recorder.finish(&Phase::Frozen, Some("replicas do not keep the document that was put back"));
        }
        _ => {
            if let Some(rollout) = recorder.rollout() {
                rollout.attempts += 1;
                rollout.retry_at = Some(after(now, ACT_RETRY_WAIT, rollout.attempts, ACT_RETRY_WAIT_MAX));
            }
        }
    }
}

pub(super) fn undo_planned(recorder: &mut Recorder, result: Result<PlanSummary, CheckFailed>) {
    let plan = match result {
        Ok(plan) => plan,
        Err(failure) => return act_failed(recorder, &failure),
    };
    let lost: Vec<_> = plan.destructive().map(|change| change.address.as_str()).collect();
    if !lost.is_empty() {
        let because = format!("undoing would destroy or replace {}", lost.join(", "));
        return recorder.finish(&Phase::Frozen, Some(&because));
    }
    if plan.is_empty() {
        return terraform_is_back(recorder);
    }
    let because = plan.headline();
    if let Some(rollout) = recorder.rollout() {
        rollout.terraform = Some(plan);
    }
    recorder.enter(&Phase::RollingBack { undo: Undo::Apply }, &because);
}

pub(super) fn undo_applied(recorder: &mut Recorder, result: Result<(), ApplyFailure>) {
    match result {
        Ok(()) => terraform_is_back(recorder),
        Err(ApplyFailure::Failed { reason }) => {
            recorder.forget_tree();
            let because = format!("undoing failed: terraform apply: {reason}");
            recorder.finish(&Phase::Frozen, Some(&because));
        }
        Err(ApplyFailure::Stale { reason }) => stale(recorder, &reason),
        Err(ApplyFailure::Act(failure)) => act_failed(recorder, &failure),
    }
}

fn terraform_is_back(recorder: &mut Recorder) {
    let Some(rollout) = recorder.rollout() else { return };
    let tree = rollout.from.as_ref().and_then(|from| from.terraform_tree.clone());
    if let Some(applied) = &mut recorder.state.applied {
        applied.terraform_tree = tree;
    }
    recorder.enter(&Phase::RollingBack { undo: Undo::Attest }, "Terraform is back");
}

fn act_failed(recorder: &mut Recorder, failure: &CheckFailed) {
    let CheckFailed { because: reason, class } = failure;
    let now = recorder.now;
    let Some(rollout) = recorder.rollout() else { return };
    rollout.attempts = rollout.attempts.saturating_add(1);
    let is_undo = matches!(rollout.phase, Phase::RollingBack { .. });
    let most = if is_undo { UNDO_ATTEMPTS_MAX } else { ACT_ATTEMPTS_MAX };
    if rollout.attempts <= most || rollout.phase == Phase::Baking {
        rollout.retry_at = Some(after(now, ACT_RETRY_WAIT, rollout.attempts, ACT_RETRY_WAIT_MAX));
        rollout.retry_failure = Some(class.clone());
        let message = format!("{}, try {}: {reason}", rollout.phase, rollout.attempts);
        recorder.warn(EventKind::Rollout, message);
        return;
    }
    let because = format!("given up after {} tries: {reason}", rollout.attempts);
    if is_undo {
        recorder.finish(&Phase::Frozen, Some(&format!("undoing failed: {because}")));
    } else {
        recorder.go_back(&because);
    }
}

/// The moment of the next try: the wait doubles with each failed one, up to a longest.
fn after(now: Timestamp, wait: Duration, attempts: u32, longest: Duration) -> Timestamp {
    let factor = 1 << attempts.saturating_sub(1).min(16);
    now.checked_add(wait.saturating_mul(factor).min(longest)).unwrap_or(now)
}
