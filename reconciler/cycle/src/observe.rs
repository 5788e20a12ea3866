//! The observe and diff stages: what replicas, Terraform and AWS say now, and in what that differs from what is
//! declared.
//!
//! Replicas are read in each cycle: it costs a call each. Terraform is planned and AWS read when their schedule is
//! due, or when a finding waits for its second read, and only while no rollout is under way.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use moorline_config::Digest;
use moorline_model::condition::{ConditionStatus, ConditionType};
use moorline_model::declaration::{Endpoints, Environment};
use moorline_model::drift::{Finding, Lane};
use moorline_model::environment::{EnvironmentState, Replica};
use moorline_model::plan::PlanSummary;
use moorline_model::{CheckFailed, CommitId, EnvironmentName};
use moorline_plan::advance::{FastForwarded, fast_forward, record_head};
use moorline_plan::announce::{self, Messages};
use moorline_plan::conditions::{AlertScope, Checks, SourceCheck, alerts_on_source, note_conditions};
use moorline_plan::drift::track;
use moorline_plan::gateway::{ReplicaReading, expectation, gateway_findings, remembered};
use moorline_plan::lanes::{self, LaneCheck, LaneFailed};

use crate::aws;
use crate::cycle::Cycle;
use crate::desired::Declared;
use crate::facilities::{Facilities, RunFailed};
use crate::fleet::Replicas;
use crate::schedule;
use crate::source_status::SourceStatus;
use crate::working_state::WorkingState;

/// What was observed.
pub(crate) struct Observed<G> {
    /// The replicas' admin APIs.
    pub(crate) fleet: Replicas<G>,
    /// What they attest, in the same order.
    pub(crate) replicas: Vec<ReplicaReading>,
    /// Terraform's plan, when it was due.
    pub(crate) plan: Option<Result<PlanSummary, CheckFailed>>,
    /// What AWS says, when it was due.
    pub(crate) aws: Option<Result<Vec<Finding>, CheckFailed>>,
    /// Why Terraform must not run until a person looked.
    pub(crate) blocked: Option<String>,
}

impl<W: Facilities> Cycle<'_, W> {
    /// Reads what is live.
    pub(crate) async fn observe(
        &self,
        working: &WorkingState,
        declared: &Declared,
        now: Timestamp,
    ) -> Observed<W::Gateway> {
        let expected = expectation(&working.state).map(|expectation| expectation.stable);
        if let Some(desired) = declared.effective() {
            self.world.observed(self.name, &desired.environment);
        }
        let (fleet, replicas) = self.read_replicas(declared, expected).await;
        let blocked = self.blocked(declared);
        let plan = match &blocked {
            None if Self::is_due(working, declared, Lane::Terraform, now) => {
                self.scheduled_plan(declared).await
            }
            _ => None,
        };
        let aws = match Self::is_due(working, declared, Lane::Aws, now) {
            true => self.read_aws(declared).await,
            false => None,
        };
        Observed { fleet, replicas, plan, aws, blocked }
    }

    /// Reads the gateways that are declared, and those of the commit that a rollout goes back to. Where only the other
    /// commit's token opens a gateway, that one is taken.
    async fn read_replicas(
        &self,
        declared: &Declared,
        expected: Option<Digest>,
    ) -> (Replicas<W::Gateway>, Vec<ReplicaReading>) {
        let (mut fleet, mut again, mut unasked) = (Replicas::none(), Replicas::none(), Vec::new());
        for desired in declared.effective().into_iter().chain(&declared.from) {
            let token = Some(desired.environment.gateway.admin_token.clone());
            match self.world.gateways(&desired.environment) {
                Ok(found) => {
                    let is_known =
                        |endpoint: &String| fleet.replicas.iter().any(|(known, _)| known == endpoint);
                    let (known, new): (Vec<_>, Vec<_>) =
                        found.into_iter().partition(|(endpoint, _)| is_known(endpoint));
                    fleet.token = fleet.token.or(token.clone());
                    fleet.replicas.extend(new);
                    again = Replicas { replicas: known, token };
                }
                Err(error) => {
                    let because = format!("cannot be asked: {}", crate::chain::of(&error));
                    let failed = CheckFailed::new(error.class(), because);
                    unasked.extend(unreadable(&desired.environment, &failed));
                }
            }
        }
        let mut read = fleet.read(expected).await;
        if read.iter().any(|reading| reading.result.is_err()) {
            for (other, (endpoint, gateway)) in again.read(expected).await.into_iter().zip(again.replicas) {
                let at = fleet.replicas.iter().position(|(known, _)| *known == endpoint);
                if let Some(at) = at.filter(|at| read[*at].result.is_err() && other.result.is_ok()) {
                    fleet.replicas[at].1 = gateway;
                    read[at] = other;
                }
            }
        }
        // In the order of the replicas; what cannot even be asked comes after them.
        unasked.retain(|reading| !fleet.replicas.iter().any(|(known, _)| *known == reading.endpoint));
        read.extend(unasked);
        for reading in &mut read {
            if self.name_owner(reading).await {
                fleet.fetch(reading).await;
            }
        }
        (fleet, read)
    }

    /// What a commit brought to a gateway that it declares for another environment belongs to that one: a rename, or an address
    /// that moves over, takes nothing along without a person's word. Says whether it does.
    async fn name_owner(&self, reading: &mut ReplicaReading) -> bool {
        let Ok(status) = &mut reading.result else { return false };
        let Some(serving) = status.stable.as_mut().filter(|serving| serving.origin == "git") else {
            return false;
        };
        let commit = serving.commit.as_ref().and_then(|commit| commit.parse().ok());
        let Some(commit): Option<CommitId> = commit else { return false };
        let owner = self.owner(&commit, &reading.endpoint).await;
        owner.filter(|owner| owner != self.name).is_some_and(|other| {
            serving.belongs_to(&other);
            true
        })
    }

    /// The environment for which a commit declares a gateway.
    async fn owner(&self, commit: &CommitId, endpoint: &str) -> Option<EnvironmentName> {
        if let Some(known) = self.cache.commits.owner(commit, endpoint) {
            return known;
        }
        let declaration = self.declaration(commit).await.ok()?;
        let names = |environment: &&Environment| {
            let endpoints = &environment.gateway.endpoints;
            matches!(endpoints, Endpoints::Urls(urls) if urls.iter().any(|url| url == endpoint))
        };
        let owner = declaration.environments.iter().find(names).map(|environment| environment.name.clone());
        self.cache.commits.keep_owner(commit, endpoint, owner.clone());
        owner
    }

    /// Whether a lane with a schedule is to be read now.
    fn is_due(working: &WorkingState, declared: &Declared, lane: Lane, now: Timestamp) -> bool {
        let in_force = declared.in_force.as_ref().filter(|_| working.begin.is_none());
        in_force
            .and_then(|in_force| schedule::lane(&working.state, &in_force.environment, lane))
            .is_some_and(|due| due <= now)
    }

    /// Plans what is in force, to see whether live has moved away from it.
    async fn scheduled_plan(&self, declared: &Declared) -> Option<Result<PlanSummary, CheckFailed>> {
        let in_force = declared.in_force.as_ref()?;
        let run = self.run_of(&in_force.environment, &in_force.revision, "scheduled".to_owned())?;
        let planned = self.world.plan(&run).await;
        self.world.clean_up(&run);
        completed(planned)
    }

    /// Compares AWS with Terraform's state.
    async fn read_aws(&self, declared: &Declared) -> Option<Result<Vec<Finding>, CheckFailed>> {
        let in_force = declared.in_force.as_ref()?;
        let aws = in_force.environment.aws.as_ref()?;
        let run = self.run_of(&in_force.environment, &in_force.revision, "state".to_owned())?;
        let found = self.world.aws_findings(&run, aws).await;
        self.world.clean_up(&run);
        completed(found)
    }

    /// Why Terraform must not run: a state that could not be written after an apply waits for a person.
    fn blocked(&self, declared: &Declared) -> Option<String> {
        let terraform = declared.effective().and_then(|declared| declared.environment.terraform.as_ref());
        self.world.blocked(self.name, terraform)
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

    /// Compares what is live with what is declared, and works the differences into the state.
    pub(crate) fn diff(
        &self,
        working: &mut WorkingState,
        declared: &Declared,
        observed: &Observed<W::Gateway>,
        source: Option<&SourceStatus>,
        now: Timestamp,
    ) {
        self.see_head(working, declared, source, now);
        let found = find(&mut working.state, declared, observed, now);
        let lanes = declared_lanes(&working.state, declared);
        lanes::note(&mut working.state, lanes.as_deref(), found.checks, now);
        let policy = declared.effective().map(|desired| &desired.environment.drift);
        let ignore = policy.map_or(&[][..], |policy| &policy.ignore);
        let today = now.to_zoned(TimeZone::UTC).date();
        let tracked = track(&working.state.drift, &found.lanes, found.findings, ignore, today, now);
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

/// What a look came to. One that the daemon's stop cut short was none.
fn completed<T>(result: Result<T, RunFailed>) -> Option<Result<T, CheckFailed>> {
    match result {
        Ok(found) => Some(Ok(found)),
        Err(error) => error.failed().map(Err),
    }
}

/// What this cycle's looks found, and which lanes may now be said not to have what they do not find any more.
struct Found {
    lanes: Vec<Lane>,
    checks: Vec<LaneCheck>,
    findings: Vec<Finding>,
}

fn find<G>(
    state: &mut EnvironmentState,
    declared: &Declared,
    observed: &Observed<G>,
    now: Timestamp,
) -> Found {
    let mut found = Found { lanes: Vec::new(), checks: Vec::new(), findings: Vec::new() };
    if let Some(expected) = expectation(state) {
        match declared.documents.in_force.as_ref().filter(|document| document.digest() == expected.stable) {
            Some(document) => {
                let findings = gateway_findings(document, expected.candidate, &observed.replicas);
                found.add(Lane::Gateway, lanes::replicas(&observed.replicas), findings);
            }
            None => {
                let failed = CheckFailed::stalled("the record does not have the document in force");
                found.checks.push((Lane::Gateway, Err(failed.into())));
            }
        }
    }
    match (&observed.plan, &observed.blocked) {
        (Some(Ok(plan)), _) => {
            state.last_checked.insert(Lane::Terraform, now);
            found.add(Lane::Terraform, Ok(()), plan.findings.clone());
            state.plan = Some(plan.clone());
        }
        (Some(Err(failed)), _) => {
            state.last_checked.insert(Lane::Terraform, now);
            found.checks.push((Lane::Terraform, Err(failed.clone().into())));
        }
        (None, Some(blocked)) => {
            found.checks.push((Lane::Terraform, Err(CheckFailed::stalled(blocked.clone()).into())));
        }
        (None, None) => {}
    }
    if let Some(aws) = &observed.aws {
        state.last_checked.insert(Lane::Aws, now);
        match aws {
            Ok(findings) => found.add(Lane::Aws, lanes::findings(findings), findings.clone()),
            // Nothing was asked of AWS: what was found there before is as it was.
            Err(failed) => {
                found.findings.extend(aws::state_unread(failed));
                let failed = failed.clone().after(&format!("{}: ", aws::STATE));
                found.checks.push((Lane::Aws, Err(failed.into())));
            }
        }
    }
    found
}

impl Found {
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

/// Replicas that are declared and cannot even be asked.
fn unreadable(environment: &Environment, failed: &CheckFailed) -> Vec<ReplicaReading> {
    let endpoints = match &environment.gateway.endpoints {
        Endpoints::Urls(urls) => urls.clone(),
        Endpoints::Ecs { ecs } => {
            vec![format!("ecs:{}/{}", ecs.cluster, ecs.service)]
        }
    };
    let reading = |endpoint| ReplicaReading { endpoint, result: Err(failed.clone()) };
    endpoints.into_iter().map(reading).collect()
}

/// When something is looked at again, as far as schedules say.
pub(crate) fn next_check(
    state: &EnvironmentState,
    declared: &Declared,
    is_blocked: bool,
    now: Timestamp,
) -> Option<Timestamp> {
    let replicas = schedule::replicas(state, &declared.effective()?.environment, now);
    let lane = |lane| schedule::lane(state, &declared.in_force.as_ref()?.environment, lane);
    let plan = lane(Lane::Terraform).filter(|_| !is_blocked);
    [replicas, plan, lane(Lane::Aws)].into_iter().flatten().min()
}
