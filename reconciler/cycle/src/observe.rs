//! The observe and diff stages: what replicas, Terraform and AWS say now, and in what that differs from what is
//! declared.
//!
//! Replicas are read in each cycle: it costs a call each. Terraform is planned and AWS read when their schedule is
//! due, or when a finding waits for its second read, and only while no rollout is under way.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use moorline_config::Digest;
use moorline_model::CommitId;
use moorline_model::condition::{ConditionStatus, ConditionType};
use moorline_model::declaration::{Endpoints, Environment};
use moorline_model::drift::{Finding, Lane};
use moorline_model::environment::{EnvironmentState, Replica};
use moorline_model::plan::PlanSummary;
use moorline_model::rollout::RequestCounts;
use moorline_plan::advance::{Followed, follow, saw_head};
use moorline_plan::announce::{self, Told};
use moorline_plan::conditions::{Looked, SourceReading, Voice, note_conditions, tells_of_source};
use moorline_plan::drift::settle;
use moorline_plan::gateway::{ReplicaReading, expectation, gateway_findings, remembered};
use moorline_plan::lanes::{self, Look};

use crate::aws;
use crate::cycle::Cycle;
use crate::desired::Wanted;
use crate::facilities::{Facilities, RunFailed};
use crate::fleet::Replicas;
use crate::memory::Memory;
use crate::record::channels;
use crate::report::Report;
use crate::schedule;

/// What is live.
pub(crate) struct Live<G> {
    /// The replicas' admin APIs.
    pub(crate) fleet: Replicas<G>,
    /// What they attest, in the same order.
    pub(crate) replicas: Vec<ReplicaReading>,
    /// What callers asked of each in the last minute, by admin URL. Empty while a rollout is under way: it has its own numbers.
    pub(crate) recent: BTreeMap<String, RequestCounts>,
    /// Terraform's plan, when it was due.
    pub(crate) plan: Option<Result<PlanSummary, String>>,
    /// What AWS says, when it was due.
    pub(crate) aws: Option<Vec<Finding>>,
    /// Why Terraform must not run until a person looked.
    pub(crate) blocked: Option<String>,
}

impl<W: Facilities> Cycle<'_, W> {
    /// Reads what is live.
    pub(crate) async fn observe(&self, memory: &Memory, wanted: &Wanted, now: Timestamp) -> Live<W::Gateway> {
        let expected = expectation(&memory.state).map(|expectation| expectation.stable);
        let (fleet, replicas) = self.read_replicas(wanted, expected).await;
        let recent = match memory.state.rollout_under_way() {
            Some(_) => BTreeMap::new(),
            None => fleet.recent(&replicas, now).await,
        };
        let blocked = self.blocked(wanted);
        let plan = match &blocked {
            None if Self::is_due(memory, wanted, Lane::Terraform, now) => self.scheduled_plan(wanted).await,
            _ => None,
        };
        let aws = match Self::is_due(memory, wanted, Lane::Aws, now) {
            true => self.read_aws(wanted).await,
            false => None,
        };
        Live { fleet, replicas, recent, plan, aws, blocked }
    }

    /// Reads the gateways that are declared, and those of the commit that a rollout goes back to. Where only the other
    /// commit's token opens a gateway, that one is taken.
    async fn read_replicas(
        &self,
        wanted: &Wanted,
        expected: Option<Digest>,
    ) -> (Replicas<W::Gateway>, Vec<ReplicaReading>) {
        let (mut fleet, mut again, mut unasked) = (Replicas::none(), Replicas::none(), Vec::new());
        for declared in wanted.declared().into_iter().chain(&wanted.from) {
            let token = Some(declared.environment.gateway.admin_token.clone());
            match self.world.gateways(&declared.environment) {
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
                    unasked.extend(unreadable(&declared.environment, &because));
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
        let Ok(declaration) = self.declaration(&commit).await else { return false };
        let names = |environment: &&Environment| matches!(&environment.gateway.endpoints, Endpoints::Urls(urls) if urls.contains(&reading.endpoint));
        let mut owners = declaration.environments.iter().filter(names).map(|environment| &environment.name);
        let other = owners.next().filter(|owner| *owner != self.name);
        other.is_some_and(|other| {
            serving.belongs_to(other);
            true
        })
    }

    /// Whether a lane with a schedule is to be read now.
    fn is_due(memory: &Memory, wanted: &Wanted, lane: Lane, now: Timestamp) -> bool {
        let in_force = wanted.standing.as_ref().filter(|_| memory.begin.is_none());
        in_force
            .and_then(|in_force| schedule::lane(&memory.state, &in_force.environment, lane))
            .is_some_and(|due| due <= now)
    }

    /// Plans what is in force, to see whether live has moved away from it.
    async fn scheduled_plan(&self, wanted: &Wanted) -> Option<Result<PlanSummary, String>> {
        let in_force = wanted.standing.as_ref()?;
        let run = self.run_of(&in_force.environment, &in_force.revision, "scheduled".to_owned())?;
        let planned = self.world.plan(&run).await;
        self.world.tidy(&run);
        looked(planned)
    }

    /// Compares AWS with Terraform's state.
    async fn read_aws(&self, wanted: &Wanted) -> Option<Vec<Finding>> {
        let in_force = wanted.standing.as_ref()?;
        let declared = in_force.environment.aws.as_ref()?;
        let run = self.run_of(&in_force.environment, &in_force.revision, "state".to_owned())?;
        let state = self.world.state(&run).await;
        self.world.tidy(&run);
        Some(aws::findings(self.world, declared, looked(state)?).await)
    }

    /// Why Terraform must not run: a state that could not be written after an apply waits for a person.
    fn blocked(&self, wanted: &Wanted) -> Option<String> {
        let declared = wanted.declared().and_then(|declared| declared.environment.terraform.as_ref());
        self.world.blocked(self.name, declared)
    }

    /// Remembers the head. One that declares what is in force takes its place at once.
    fn see_head(&self, memory: &mut Memory, wanted: &Wanted, source: Option<&Report>, now: Timestamp) {
        let Some(head) = source.and_then(|report| report.head.as_ref()) else { return };
        let declared = wanted.head.as_ref().and_then(|head| head.as_ref().ok());
        if declared.is_some() {
            memory.state.undeclared_since = None;
        }
        let followed = match (declared, &wanted.standing) {
            (Some(declared), Some(in_force)) => follow(&mut memory.state, declared, in_force, now),
            _ => None,
        };
        let event = match followed {
            Some(Followed(event)) => event,
            None => saw_head(&mut memory.state, &head.revision, now),
        };
        memory.events.extend(event);
    }

    /// Compares what is live with what is declared, and works the differences into the state.
    pub(crate) fn diff(
        &self,
        memory: &mut Memory,
        wanted: &Wanted,
        live: &Live<W::Gateway>,
        source: Option<&Report>,
        now: Timestamp,
    ) {
        self.see_head(memory, wanted, source, now);
        let found = find(&mut memory.state, wanted, live, now);
        let declared = declared_lanes(&memory.state, wanted);
        lanes::note(&mut memory.state, declared.as_deref(), found.looks, now);
        let policy = wanted.declared().map(|declared| &declared.environment.drift);
        let ignore = policy.map_or(&[][..], |policy| &policy.ignore);
        let today = now.to_zoned(TimeZone::UTC).date();
        let settled = settle(&memory.state.drift, &found.lanes, found.findings, ignore, today, now);
        let heal = policy.map_or(&[][..], |policy| &policy.heal);
        let as_read = |reading: &ReplicaReading| Replica {
            recent: live.recent.get(&reading.endpoint).copied(),
            ..remembered(reading, self.world.now())
        };
        memory.state.replicas = live.replicas.iter().map(as_read).collect();
        let told = announce::drift(&mut memory.state, settled, heal, now);
        memory.tell(told);
        let mut floor = self.kept.speaker.floor();
        let (trouble, everybody) = (source.and_then(|report| report.trouble_since), floor.everybody());
        let reading = source.and_then(|report| source_reading(&memory.state, report, wanted));
        // Mistakes in an environment's own document, while the repository is well.
        let is_its_own = trouble.is_none() && matches!(reading, Some(SourceReading::Invalid { .. }));
        let looked = Looked {
            source: reading,
            voice: if is_its_own { Voice::ItsOwn } else { floor.voice(self.name, trouble, &everybody) },
            plan: live.plan.as_ref().map(|plan| plan.as_ref().map_err(String::as_str)),
            replicas: Some(&live.replicas),
        };
        if wanted.declared().is_some_and(|declared| declared.environment.terraform.is_none()) {
            memory.state.conditions.note(
                ConditionType::Plan,
                ConditionStatus::Good,
                "no Terraform is declared",
                now,
            );
        }
        let told = note_conditions(&mut memory.state, &looked, now);
        let can_tell =
            wanted.declared().is_some_and(|declared| !channels(&declared.notifications).is_empty());
        if can_tell && tells_of_source(&memory.state, &told) {
            floor.spoke(self.name, trouble);
        }
        drop(floor);
        memory.tell(told);
    }
}

impl Memory {
    fn tell(&mut self, told: Told) {
        self.events.extend(told.events);
        self.notifications.extend(told.notifications);
    }
}

/// What a look came to. One that the daemon's stop cut short was none.
fn looked<T>(result: Result<T, RunFailed>) -> Option<Result<T, String>> {
    match result {
        Err(RunFailed::Interrupted) => None,
        other => Some(other.map_err(|error| error.to_string())),
    }
}

/// What this cycle's looks found, and which lanes may now be said not to have what they do not find any more.
struct Found {
    lanes: Vec<Lane>,
    looks: Vec<Look>,
    findings: Vec<Finding>,
}

fn find<G>(state: &mut EnvironmentState, wanted: &Wanted, live: &Live<G>, now: Timestamp) -> Found {
    let mut found = Found { lanes: Vec::new(), looks: Vec::new(), findings: Vec::new() };
    if let Some(expected) = expectation(state) {
        match wanted.in_force.as_ref().filter(|document| document.digest() == expected.stable) {
            Some(document) => {
                let findings = gateway_findings(document, expected.candidate, &live.replicas);
                found.add(Lane::Gateway, lanes::replicas(&live.replicas), findings);
            }
            None => {
                let why = "the record does not have the document in force".to_owned();
                found.looks.push((Lane::Gateway, Err(why)));
            }
        }
    }
    match (&live.plan, &live.blocked) {
        (Some(Ok(plan)), _) => {
            state.last_checked.insert(Lane::Terraform, now);
            found.add(Lane::Terraform, Ok(()), plan.findings.clone());
            state.plan = Some(plan.clone());
        }
        (Some(Err(error)), _) => {
            state.last_checked.insert(Lane::Terraform, now);
            found.looks.push((Lane::Terraform, Err(error.clone())));
        }
        (None, Some(blocked)) => found.looks.push((Lane::Terraform, Err(blocked.clone()))),
        (None, None) => {}
    }
    if let Some(aws) = &live.aws {
        state.last_checked.insert(Lane::Aws, now);
        found.add(Lane::Aws, lanes::findings(aws), aws.clone());
        if aws::state_was_unread(aws) {
            // Nothing was asked of AWS: what was found there before is as it was.
            found.lanes.retain(|lane| *lane != Lane::Aws);
        }
    }
    found
}

impl Found {
    fn add(&mut self, lane: Lane, look: Result<(), String>, findings: Vec<Finding>) {
        self.lanes.push(lane);
        self.looks.push((lane, look));
        self.findings.extend(findings);
    }
}

/// The lanes that are declared for what is in force. While a rollout brings something else they stay as they are.
fn declared_lanes(state: &EnvironmentState, wanted: &Wanted) -> Option<Vec<Lane>> {
    let declared = match state.rollout_under_way() {
        Some(_) if !state.lanes.is_empty() => None,
        _ => wanted.standing.as_ref().or(wanted.declared()),
    };
    declared.map(|declared| lanes::declared(&declared.environment))
}

/// What the last fetch came to; `None` when that was noted before: many cycles may read one fetch, and the condition's age is
/// the fetch's.
fn source_reading<'a>(
    state: &EnvironmentState,
    report: &'a Report,
    wanted: &'a Wanted,
) -> Option<SourceReading<'a>> {
    let noted = state.conditions.0.get(&ConditionType::Source);
    let is_new = noted.is_none_or(|reading| reading.checked_at < report.checked_at);
    if let Some(error) = &report.error {
        return is_new.then_some(SourceReading::Unreachable(error));
    }
    let head = report.head.as_ref()?;
    match wanted.head.as_ref()? {
        Ok(_) => is_new.then_some(SourceReading::Valid(&head.revision)),
        // A mistake does not go away by looking again: the second reading of it may follow at once.
        Err(mistakes) => Some(SourceReading::Invalid { head: &head.revision, mistakes }),
    }
}

/// Replicas that are declared and cannot even be asked.
fn unreadable(environment: &Environment, error: &str) -> Vec<ReplicaReading> {
    let endpoints = match &environment.gateway.endpoints {
        Endpoints::Urls(urls) => urls.clone(),
        Endpoints::Ecs { ecs } => {
            vec![format!("ecs:{}/{}", ecs.cluster, ecs.service)]
        }
    };
    let reading = |endpoint| ReplicaReading { endpoint, result: Err(error.to_owned()) };
    endpoints.into_iter().map(reading).collect()
}

/// When something is looked at again, as far as schedules say.
pub(crate) fn next_look(
    state: &EnvironmentState,
    wanted: &Wanted,
    is_blocked: bool,
    now: Timestamp,
) -> Option<Timestamp> {
    let replicas = schedule::replicas(state, &wanted.declared()?.environment, now);
    let lane = |lane| schedule::lane(state, &wanted.standing.as_ref()?.environment, lane);
    let plan = lane(Lane::Terraform).filter(|_| !is_blocked);
    [replicas, plan, lane(Lane::Aws)].into_iter().flatten().min()
}
