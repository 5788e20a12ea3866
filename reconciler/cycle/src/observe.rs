//! The observe stage: what replicas, Terraform and AWS say now.
//!
//! Replicas are read in each cycle: it costs a call each. Terraform is planned and AWS read when their schedule is
//! due, or when a finding waits for its second read, and only while no rollout is under way.

use jiff::Timestamp;
use moorline_config::Digest;
use moorline_model::declaration::{Endpoints, Environment};
use moorline_model::drift::{Finding, Lane};
use moorline_model::environment::EnvironmentState;
use moorline_model::plan::PlanSummary;
use moorline_model::{CheckFailed, CommitId, EnvironmentName};
use moorline_plan::gateway::{ReplicaReading, expectation};

use crate::cycle::Cycle;
use crate::desired::Declared;
use crate::facilities::{Facilities, RunFailed};
use crate::fleet::Replicas;
use crate::schedule;
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
}

/// What a look came to. One that the daemon's stop cut short was none.
fn completed<T>(result: Result<T, RunFailed>) -> Option<Result<T, CheckFailed>> {
    match result {
        Ok(found) => Some(Ok(found)),
        Err(error) => error.failed().map(Err),
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
