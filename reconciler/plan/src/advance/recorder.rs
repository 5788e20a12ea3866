//! The state while a step is being written down, with the history and messages that belong to it.

use jiff::Timestamp;
use moorline_model::CommitId;
use moorline_model::condition::{ConditionStatus, ConditionType};
use moorline_model::config::Percent;
use moorline_model::drift::Severity;
use moorline_model::environment::{EnvironmentState, Hold, VERIFIED_BEFORE_MAX};
use moorline_model::event::{Event, EventKind};
use moorline_model::notification::Notification;
use moorline_model::rollout::{Deployed, Phase, Rollout, RolloutKind, Undo};

use super::{Advance, notify};
use crate::decide;

pub(super) struct Recorder {
    pub(super) state: EnvironmentState,
    pub(super) now: Timestamp,
    events: Vec<Event>,
    pub(super) notifications: Vec<Notification>,
}

impl Recorder {
    pub(super) fn new(state: &EnvironmentState, now: Timestamp) -> Self {
        Self { state: state.clone(), now, events: Vec::new(), notifications: Vec::new() }
    }

    pub(super) fn into_advance(self) -> Advance {
        Advance { state: self.state, events: self.events, notifications: self.notifications }
    }

    /// The rollout under way.
    pub(super) fn rollout(&mut self) -> Option<&mut Rollout> {
        self.state.rollout.as_mut().filter(|rollout| !rollout.phase.is_over())
    }

    /// A line of history, about the present rollout when there is one.
    pub(super) fn note(&mut self, kind: EventKind, message: String) {
        self.note_as(Severity::Info, kind, message);
    }

    /// A line of history about something that went wrong.
    pub(super) fn warn(&mut self, kind: EventKind, message: String) {
        self.note_as(Severity::Warning, kind, message);
    }

    fn note_as(&mut self, severity: Severity, kind: EventKind, message: String) {
        let rollout = self.state.rollout.as_ref();
        self.events.push(Event {
            at: self.now,
            environment: self.state.name.clone(),
            kind,
            severity,
            message,
            commit: rollout.map(|rollout| rollout.revision.commit.clone()),
            rollout: rollout.map(|rollout| rollout.id),
        });
    }

    /// Goes to a phase that is not the end.
    pub(super) fn enter(&mut self, phase: &Phase, because: &str) {
        if phase.is_over() {
            return self.finish(phase, Some(because));
        }
        if self.rollout().is_some() {
            self.before_effects_of(phase, because);
            self.move_to(phase, because);
        }
    }

    /// Back to planning, with nothing applied.
    pub(super) fn replan(&mut self, because: &str) {
        self.move_to(&Phase::Planning, because);
    }

    fn move_to(&mut self, phase: &Phase, because: &str) {
        let now = self.now;
        let Some(rollout) = self.rollout() else { return };
        let before = std::mem::replace(&mut rollout.phase, phase.clone());
        rollout.phase_since = now;
        rollout.person_asked_at = None;
        rollout.begin_phase();
        tried(rollout);
        let short = rollout.revision.commit.short().to_owned();
        let because = if because.is_empty() { String::new() } else { format!(": {because}") };
        let is_trouble =
            matches!(phase, Phase::RollingBack { .. }) && !matches!(before, Phase::RollingBack { .. });
        let severity = if is_trouble { Severity::Warning } else { Severity::Info };
        self.note_as(severity, EventKind::Rollout, format!("{short} is {phase}{because}"));
        self.note_apply_condition();
        notify::entered(self, &before, phase);
    }

    /// What must be remembered on the way into a phase, before its effect: a crash in the middle of the effect then
    /// finds the more careful answer.
    fn before_effects_of(&mut self, phase: &Phase, because: &str) {
        let Some(rollout) = self.state.rollout.as_mut() else { return };
        match phase {
            // Only an interrupted apply goes back to Planning this way.
            Phase::Planning if rollout.phase == Phase::Applying => {
                rollout.terraform_applied = true;
                self.forget_tree();
                self.plan_is_stale();
            }
            Phase::Shifting { step } => {
                if let Some(step) = rollout.traffic.steps.get(*step) {
                    rollout.raise_share(step.weight);
                }
            }
            Phase::Promoting => {
                rollout.promoted = true;
                rollout.raise_share(Percent::whole(100));
            }
            Phase::Baking => {
                rollout.promoted = true;
                rollout.raise_share(Percent::whole(100));
                self.state.approval_rule = rollout.approval_rules.stricter();
                self.state.applied = deployed(rollout, self.now).or(self.state.applied.take());
            }
            Phase::RollingBack { undo } => {
                if !matches!(rollout.phase, Phase::RollingBack { .. }) {
                    rollout.reason = Some(because.to_owned());
                    rollout.stale_plans = 0;
                }
                if *undo == Undo::Plan {
                    rollout.terraform = None;
                }
            }
            _ => {}
        }
    }

    /// The plan is not to be applied any more.
    pub(super) fn plan_is_stale(&mut self) {
        if let Some(rollout) = self.rollout() {
            rollout.terraform = None;
            rollout.stale_plans = rollout.stale_plans.saturating_add(1);
        }
    }

    /// It is not known what Terraform has made of the world: the next rollout plans, whatever its tree.
    pub(super) fn forget_tree(&mut self) {
        if let Some(applied) = &mut self.state.applied {
            applied.terraform_tree = None;
        }
    }

    /// The rollout ends.
    pub(super) fn finish(&mut self, phase: &Phase, because: Option<&str>) {
        let now = self.now;
        let Some(rollout) = self.rollout() else { return };
        let before = std::mem::replace(&mut rollout.phase, phase.clone());
        rollout.phase_since = now;
        tried(rollout);
        // Why it went back stays the reason; what came after is added to it.
        match (&mut rollout.reason, because) {
            (Some(reason), Some(because))
                if *phase == Phase::Frozen && !because.starts_with(reason.as_str()) =>
            {
                *reason = format!("{reason}; {because}");
            }
            (Some(_), None) => {}
            (reason, because) => *reason = because.map(str::to_owned).or(reason.take()),
        }
        let rollout = rollout.clone();
        match phase {
            Phase::Succeeded => self.succeeded(&rollout),
            Phase::RolledBack => self.rolled_back(&rollout),
            Phase::Frozen => self.state.frozen.clone_from(&rollout.reason),
            _ => {}
        }
        let short = rollout.revision.commit.short();
        let reason = rollout.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let severity = match phase {
            Phase::Frozen => Severity::Critical,
            Phase::Failed | Phase::RolledBack => Severity::Warning,
            _ => Severity::Info,
        };
        self.note_as(severity, EventKind::Rollout, format!("{short} {}{reason}", rollout.ended()));
        self.note_apply_condition();
        self.note_hold_condition();
        notify::finished(self, &rollout, &before);
    }

    fn succeeded(&mut self, rollout: &Rollout) {
        let Some(deployed) = deployed(rollout, self.now) else { return };
        let commit = deployed.revision.commit.clone();
        // Whether the drift is gone is looked at now, and not when the schedule says so.
        if matches!(rollout.kind, RolloutKind::Heal { .. }) {
            self.state.last_checked.clear();
        }
        self.state.approval_rule = match rollout.kind {
            RolloutKind::Deploy => rollout.approval_rules.declared,
            // Nobody was asked whether fewer approvals will do.
            RolloutKind::Rollback { .. } | RolloutKind::Heal { .. } => rollout.approval_rules.stricter(),
        };
        self.state.applied = Some(deployed.clone());
        if let Some(verified) = self.state.verified.replace(deployed) {
            self.state.verified_before.insert(0, verified);
        }
        self.state.verified_before.retain(|before| before.revision.commit != commit);
        self.state.verified_before.truncate(VERIFIED_BEFORE_MAX);
    }

    fn rolled_back(&mut self, rollout: &Rollout) {
        self.state.applied.clone_from(&rollout.from);
        self.state.approval_rule = rollout.approval_rules.in_force;
        let commit = &rollout.revision.commit;
        let by = match &rollout.stop {
            Some(stop) => stop.actor.clone(),
            None => {
                self.state.rolled_back.insert(commit.clone());
                "moorline".to_owned()
            }
        };
        let reason = rollout.reason.clone().unwrap_or_else(|| "it was rolled back".to_owned());
        hold(&mut self.state, Some(commit.clone()), reason, by, self.now);
    }

    /// The apply condition follows the rollout.
    pub(super) fn note_apply_condition(&mut self) {
        let Some(rollout) = &self.state.rollout else { return };
        let short = rollout.revision.commit.short();
        let status = match rollout.phase {
            Phase::Succeeded | Phase::Superseded => ConditionStatus::Good,
            Phase::RolledBack => ConditionStatus::Attention,
            Phase::Failed | Phase::Frozen => ConditionStatus::Bad,
            _ => ConditionStatus::Busy,
        };
        let reason = match (&rollout.reason, rollout.phase.is_over()) {
            (Some(reason), true) => format!(": {reason}"),
            _ => String::new(),
        };
        let because = match status {
            ConditionStatus::Busy => format!("{short} is {}", rollout.phase),
            _ => format!("{short} {}{reason}", rollout.ended()),
        };
        self.state.conditions.note(ConditionType::Apply, status, because, self.now);
    }

    /// A rollout that rests before its document got anywhere is kept from being applied, and says by what. A pause
    /// between two tries is none of that.
    pub(super) fn note_waiting(&mut self, because: &str, until: Option<Timestamp>) {
        let Some(rollout) = self.state.rollout_under_way() else { return };
        let waits = match rollout.phase {
            Phase::Pending | Phase::AwaitingApproval => true,
            Phase::Staging => until.is_none(),
            _ => false,
        };
        if waits {
            let because = format!("{} waits: {because}", rollout.revision.commit.short());
            self.state.conditions.note(ConditionType::Apply, ConditionStatus::Attention, because, self.now);
        }
    }

    fn note_hold_condition(&mut self) {
        crate::conditions::note_hold(&mut self.state, self.now);
    }

    /// Takes a decision without an effect at once, as part of the step that led to it.
    pub(super) fn go_back(&mut self, reason: &str) {
        let Some(rollout) = self.state.rollout_under_way() else { return };
        match decide::back(&self.state, rollout, reason) {
            decide::Decision::EnterPhase { phase, because } => self.enter(&phase, &because),
            decide::Decision::Finish { phase, because } => self.finish(&phase, because.as_deref()),
            _ => {}
        }
    }
}

/// Forgets failed tries.
pub(super) fn tried(rollout: &mut Rollout) {
    rollout.attempts = 0;
    rollout.retry_at = None;
    rollout.retry_failure = None;
}

fn deployed(rollout: &Rollout, now: Timestamp) -> Option<Deployed> {
    Some(Deployed {
        revision: rollout.revision.clone(),
        digest: rollout.digest?,
        terraform_tree: rollout.terraform_tree.clone(),
        at: now,
    })
}

/// Holds a commit, or everything; not twice.
pub(crate) fn hold(
    state: &mut EnvironmentState,
    commit: Option<CommitId>,
    reason: String,
    by: String,
    now: Timestamp,
) {
    if !state.holds.iter().any(|hold| hold.commit == commit) {
        state.holds.push(Hold { commit, reason, by, since: now });
    }
}
