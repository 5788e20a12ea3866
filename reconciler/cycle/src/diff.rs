//! The diff stage: in what that which is live differs from what is declared.
//!
//! In: what was declared and observed. Out: the state with its findings, lanes, replicas and conditions, and what of it is new for
//! people. How a finding is told and tracked is in `moorline_plan::{gateway, drift}`, which is pure.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use moorline_model::CheckFailed;
use moorline_model::condition::{ConditionStatus, ConditionType};
use moorline_model::drift::{Finding, Lane};
use moorline_model::environment::{EnvironmentState, Replica};
use moorline_plan::advance::{FastForwarded, fast_forward, record_head};
use moorline_plan::announce::{self, Messages};
use moorline_plan::conditions::{AlertScope, Checks, SourceCheck, alerts_on_source, note_conditions};
use moorline_plan::drift::track;
use moorline_plan::gateway::{ReplicaReading, expectation, gateway_findings, remembered};
use moorline_plan::lanes::{self, LaneCheck, LaneFailed};

use crate::aws;
use crate::cycle::Cycle;
use crate::desired::Declared;
use crate::facilities::Facilities;
use crate::observe::Observed;
use crate::source_status::SourceStatus;
use crate::working_state::WorkingState;

impl<W: Facilities> Cycle<'_, W> {
    /// Compares what is live with what is declared, and works the differences into the state. The AWS lane and Terraform's plan
    /// bring their differences along: they were read against Terraform's state.
    pub(crate) fn diff(
        &self,
        working: &mut WorkingState,
        declared: &Declared,
        observed: &Observed<W::Gateway>,
        source: Option<&SourceStatus>,
        now: Timestamp,
    ) {
        self.see_head(working, declared, source, now);
        self.track_drift(working, declared, observed, now);
        self.check_conditions(working, declared, observed, source, now);
    }

    /// Remembers the head. One that declares what is in force takes its place at once.
    fn see_head(
        &self,
        working: &mut WorkingState,
        declared: &Declared,
        source: Option<&SourceStatus>,
        now: Timestamp,
    ) {
        let Some(head) = source.and_then(|source| source.head.as_ref()) else { return };
        let desired = declared.head.as_ref().and_then(|head| head.as_ref().ok());
        if desired.is_some() {
            working.state.undeclared_since = None;
        }
        let followed = match (desired, &declared.in_force) {
            (Some(desired), Some(in_force)) => fast_forward(&mut working.state, desired, in_force, now),
            _ => None,
        };
        let event = match followed {
            Some(FastForwarded(event)) => event,
            None => record_head(&mut working.state, &head.revision, now),
        };
        working.events.extend(event);
    }

    /// Works the findings into those that are known, and remembers the replicas as they were read.
    fn track_drift(
        &self,
        working: &mut WorkingState,
        declared: &Declared,
        observed: &Observed<W::Gateway>,
        now: Timestamp,
    ) {
        let results = compare(&mut working.state, declared, observed, now);
        let lanes = declared_lanes(&working.state, declared);
        lanes::note(&mut working.state, lanes.as_deref(), results.checks, now);
        let policy = declared.effective().map(|desired| &desired.environment.drift);
        let ignore = policy.map_or(&[][..], |policy| &policy.ignore);
        let today = now.to_zoned(TimeZone::UTC).date();
        let tracked = track(&working.state.drift, &results.lanes, results.findings, ignore, today, now);
        let heal = policy.map_or(&[][..], |policy| &policy.heal);
        // A rollout counts callers itself.
        let is_counted = working.state.rollout_under_way().is_none();
        let as_read = |reading: &ReplicaReading| {
            let replica = remembered(reading, self.world.now());
            Replica { recent: replica.recent.filter(|_| is_counted), ..replica }
        };
        working.state.replicas = observed.replicas.iter().map(as_read).collect();
        let messages = announce::drift(&mut working.state, tracked, heal, now);
        working.notify(messages);
    }

    /// Notes what each condition of the environment is now.
    fn check_conditions(
        &self,
        working: &mut WorkingState,
        declared: &Declared,
        observed: &Observed<W::Gateway>,
        source: Option<&SourceStatus>,
        now: Timestamp,
    ) {
        let mut alerts = self.cache.shared_alerts.lock();
        let (trouble, environments) = (source.and_then(|source| source.trouble_since), alerts.environments());
        let reading = source.and_then(|source| source_reading(&working.state, source, declared));
        // An environment's own document, while the repository is well.
        let has_failed = !matches!(reading, None | Some(SourceCheck::Valid(_)));
        let is_its_own = trouble.is_none() && has_failed;
        let checks = Checks {
            source: reading,
            scope: if is_its_own { AlertScope::Own } else { alerts.scope(self.name, trouble, &environments) },
            plan: observed.plan.as_ref().map(Result::as_ref),
            replicas: Some(&observed.replicas),
        };
        if declared.effective().is_some_and(|desired| desired.environment.terraform.is_none()) {
            working.state.conditions.note(
                ConditionType::Plan,
                ConditionStatus::Good,
                "no Terraform is declared",
                now,
            );
        }
        let messages = note_conditions(&mut working.state, &checks, now);
        let can_tell =
            declared.effective().is_some_and(|desired| !desired.notifications.channels().is_empty());
        if can_tell && alerts_on_source(&working.state, &messages) {
            alerts.sent(self.name, trouble);
        }
        drop(alerts);
        working.notify(messages);
    }
}

impl WorkingState {
    fn notify(&mut self, messages: Messages) {
        self.events.extend(messages.events);
        self.notifications.extend(messages.notifications);
    }
}

/// What the lanes that were read in this cycle came to. Only of `lanes` may it be said that what they do not find any more is
/// gone.
struct LaneResults {
    lanes: Vec<Lane>,
    checks: Vec<LaneCheck>,
    findings: Vec<Finding>,
}

fn compare<G>(
    state: &mut EnvironmentState,
    declared: &Declared,
    observed: &Observed<G>,
    now: Timestamp,
) -> LaneResults {
    let mut results = LaneResults { lanes: Vec::new(), checks: Vec::new(), findings: Vec::new() };
    if let Some(expected) = expectation(state) {
        match declared.documents.in_force.as_ref().filter(|document| document.digest() == expected.stable) {
            Some(document) => {
                let findings = gateway_findings(document, expected.candidate, &observed.replicas);
                results.add(Lane::Gateway, lanes::replicas(&observed.replicas), findings);
            }
            None => {
                let failed = CheckFailed::stalled("the record does not have the document in force");
                results.checks.push((Lane::Gateway, Err(failed.into())));
            }
        }
    }
    match (&observed.plan, &observed.blocked) {
        (Some(Ok(plan)), _) => {
            state.last_checked.insert(Lane::Terraform, now);
            results.add(Lane::Terraform, Ok(()), plan.findings.clone());
            state.plan = Some(plan.clone());
        }
        (Some(Err(failed)), _) => {
            state.last_checked.insert(Lane::Terraform, now);
            results.checks.push((Lane::Terraform, Err(failed.clone().into())));
        }
        (None, Some(blocked)) => {
            results.checks.push((Lane::Terraform, Err(CheckFailed::stalled(blocked.clone()).into())));
        }
        (None, None) => {}
    }
    if let Some(aws) = &observed.aws {
        state.last_checked.insert(Lane::Aws, now);
        match aws {
            Ok(findings) => results.add(Lane::Aws, lanes::findings(findings), findings.clone()),
            // Nothing was asked of AWS: what was found there before is as it was.
            Err(failed) => {
                results.findings.extend(aws::state_unread(failed));
                let failed = failed.clone().after(&format!("{}: ", aws::STATE));
                results.checks.push((Lane::Aws, Err(failed.into())));
            }
        }
    }
    results
}

impl LaneResults {
    fn add(&mut self, lane: Lane, check: Result<(), LaneFailed>, findings: Vec<Finding>) {
        self.lanes.push(lane);
        self.checks.push((lane, check));
        self.findings.extend(findings);
    }
}

/// The lanes that are declared for what is in force. While a rollout brings something else they stay as they are.
fn declared_lanes(state: &EnvironmentState, declared: &Declared) -> Option<Vec<Lane>> {
    let desired = match state.rollout_under_way() {
        Some(_) if !state.lanes.is_empty() => None,
        _ => declared.in_force.as_ref().or(declared.effective()),
    };
    desired.map(|desired| lanes::declared(&desired.environment))
}

/// What the last fetch came to; `None` when that was noted before: many cycles may read one fetch, and the condition's age is
/// the fetch's.
fn source_reading<'a>(
    state: &EnvironmentState,
    source: &'a SourceStatus,
    declared: &'a Declared,
) -> Option<SourceCheck<'a>> {
    let noted = state.conditions.0.get(&ConditionType::Source);
    let is_new = noted.is_none_or(|reading| reading.checked_at < source.checked_at);
    if let Some(error) = &source.error {
        return is_new.then_some(SourceCheck::Unreachable(error));
    }
    let head = source.head.as_ref()?;
    match declared.head.as_ref()? {
        Ok(_) => is_new.then_some(SourceCheck::Valid(&head.revision)),
        Err(failed) if failed.class.may_pass() => is_new.then_some(SourceCheck::Unreachable(failed)),
        // A mistake does not go away by looking again: the second reading of it may follow at once.
        Err(mistakes) => Some(SourceCheck::Invalid { head: &head.revision, mistakes }),
    }
}
