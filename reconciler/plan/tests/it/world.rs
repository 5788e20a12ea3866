//! A world of commits, replicas and a Terraform, and the cycle that works on it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use moorline_model::config::{Config, Digest, Percent};
use moorline_model::declaration::Declaration;
use moorline_model::environment::EnvironmentState;
use moorline_model::intent::{Intent, Wish};
use moorline_model::notification::Notification;
use moorline_model::plan::{Action, PlanBinding, PlanSummary, ResourceChange};
use moorline_model::rollout::Phase;
use moorline_model::{CommitId, Revision};
use moorline_plan::drift::settle;
use moorline_plan::gateway::{
    CandidateServing, ReplicaReading, ReplicaStatus, Serving, expectation, gateway_findings,
};
use moorline_plan::intent::heed;
use moorline_plan::policy::Denial;
use moorline_plan::verify::{Observation, ProbeResult, Sample, judge};
use moorline_plan::{Acted, Decision, Desired, Inputs, Situation, advance, announce, axes, decide, desired};
use serde_json::{Value, json};

/// One replica.
#[derive(Debug, Clone)]
pub(crate) struct Replica {
    pub(crate) endpoint: String,
    pub(crate) is_up: bool,
    pub(crate) stable: Option<(Digest, String)>,
    pub(crate) candidate: Option<(Digest, Percent)>,
    pub(crate) generation: u64,
}

/// One commit.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    pub(crate) revision: Revision,
    pub(crate) document: Config,
    pub(crate) tree: Option<String>,
    pub(crate) is_denied: bool,
}

/// What the next plans come to; an empty list plans what the trees say.
#[derive(Debug, Clone)]
pub(crate) enum PlanOutcome {
    Changes(usize),
    Replaces(String),
    Fails { reason: String, transient: bool },
}

/// Where the daemon dies in the next step with an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crash {
    BeforeEffect,
    AfterEffect,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) state: EnvironmentState,
    pub(crate) options: Value,
    pub(crate) commits: BTreeMap<String, Commit>,
    pub(crate) documents: BTreeMap<Digest, Config>,
    pub(crate) sick: BTreeSet<Digest>,
    pub(crate) head: Option<String>,
    pub(crate) replicas: Vec<Replica>,
    /// The tree that Terraform made the world after.
    pub(crate) live_tree: Option<String>,
    pub(crate) handed_over: Option<Value>,
    pub(crate) plan_outcomes: Vec<PlanOutcome>,
    pub(crate) apply_fails: Option<String>,
    pub(crate) blocked: Option<String>,
    pub(crate) crash: Option<Crash>,
    pub(crate) traffic_per_second: u64,
    journal: Option<String>,
    pub(crate) intents: Vec<Intent>,
    pub(crate) applied_plans: Vec<String>,
    pub(crate) begun: Vec<CommitId>,
    pub(crate) told: Vec<Notification>,
    plans: u64,
    rollouts: u64,
    kept_plan: Option<PlanSummary>,
    read: Vec<(Key, Desired)>,
}

/// What is read at a commit depends on this: the commit, what is declared, and the document handed over.
type Key = (CommitId, String, Option<Value>);

/// What a cycle came to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cycle {
    Took(Decision),
    Crashed(Decision),
}

pub(crate) fn commit_id(name: &str) -> CommitId {
    format!("{name:0<40}").parse().unwrap()
}

impl World {
    pub(crate) fn new() -> Self {
        let replica = |name: &str| Replica {
            endpoint: format!("http://{name}:8788"),
            is_up: true,
            stable: None,
            candidate: None,
            generation: 0,
        };
        Self {
            now: "2026-11-21T12:00:00Z".parse().unwrap(),
            state: EnvironmentState::new("prod".parse().unwrap()),
            options: json!({}),
            commits: BTreeMap::new(),
            documents: BTreeMap::new(),
            sick: BTreeSet::new(),
            head: None,
            replicas: vec![replica("a"), replica("b")],
            live_tree: None,
            handed_over: None,
            plan_outcomes: Vec::new(),
            apply_fails: None,
            blocked: None,
            crash: None,
            traffic_per_second: 100,
            journal: None,
            intents: Vec::new(),
            applied_plans: Vec::new(),
            begun: Vec::new(),
            told: Vec::new(),
            plans: 0,
            rollouts: 0,
            kept_plan: None,
            read: Vec::new(),
        }
    }

    fn takes_document_from_terraform(&self) -> bool {
        self.options["gateway"]["document"].is_object()
    }

    /// A commit with a document of its own, or another's, and a tree of its own, or the head's.
    pub(crate) fn push(&mut self, name: &str, document_of: Option<&str>, new_tree: bool, sick: bool) {
        let document = match document_of.and_then(|other| self.commits.get(other)) {
            Some(other) => other.document.clone(),
            None => {
                let value = json!({"version": 1, "name": "gateway", "tags": {"Document": name}});
                Config::from_value("gateway.yaml", &value).unwrap()
            }
        };
        let before = self.head.as_ref().and_then(|head| self.commits.get(head));
        let tree = match before {
            Some(before) if !new_tree => before.tree.clone(),
            _ => Some(format!("tree-{name}")),
        };
        if sick {
            self.sick.insert(document.digest());
        }
        self.documents.insert(document.digest(), document.clone());
        let revision = Revision {
            commit: commit_id(name),
            author: "ann".to_owned(),
            message: format!("change {name}"),
            committed_at: self.now,
        };
        let commit = Commit { revision, document, tree, is_denied: false };
        self.commits.insert(name.to_owned(), commit);
        self.head = Some(name.to_owned());
    }

    pub(crate) fn ask(&mut self, actor: &str, wish: Wish) {
        let environment = self.state.name.clone();
        let (actor, reason, at) = (actor.to_owned(), String::new(), self.now);
        self.intents.push(Intent { environment, wish, actor, reason, at });
    }

    pub(crate) fn waiting_plan(&self) -> String {
        let plan = self.state.rollout.as_ref().and_then(|rollout| rollout.terraform.as_ref());
        plan.map(|plan| plan.binding.plan_sha256.clone()).unwrap_or_default()
    }

    fn desired_at(&mut self, commit: &CommitId) -> Option<Desired> {
        let commit = self.commits.values().find(|known| known.revision.commit == *commit)?;
        // Reading is most of a cycle's work here, and nothing about it changes between two cycles.
        let key = (commit.revision.commit.clone(), self.options.to_string(), self.handed_over.clone());
        if let Some((_, desired)) = self.read.iter().find(|(known, _)| *known == key) {
            return Some(desired.clone());
        }
        let mut environment = json!({
            "name": "prod",
            "gateway": {
                "document": ["gateway.yaml"],
                "endpoints": ["http://a:8788"],
                "admin_token": "env:TOKEN",
            },
        });
        merge(&mut environment, &self.options);
        let text = json!({"version": 1, "environments": [environment]}).to_string();
        let declaration = Declaration::parse("moorline.yaml", &text).unwrap();
        let files = vec![("gateway.yaml".to_owned(), commit.document.value().to_string())];
        let name = &self.state.name;
        let (revision, tree) = (commit.revision.clone(), commit.tree.clone());
        let desired = desired(revision, name, &declaration, &files, self.handed_over.as_ref(), tree).ok()?;
        self.read.push((key, desired.clone()));
        Some(desired)
    }

    pub(crate) fn readings(&self, expected: Option<Digest>) -> Vec<ReplicaReading> {
        let read = |replica: &Replica| ReplicaReading {
            endpoint: replica.endpoint.clone(),
            result: if replica.is_up {
                Ok(self.status(replica, expected))
            } else {
                Err("no answer".to_owned())
            },
        };
        self.replicas.iter().map(read).collect()
    }

    fn status(&self, replica: &Replica, expected: Option<Digest>) -> ReplicaStatus {
        let document = replica.stable.as_ref().filter(|(digest, _)| Some(*digest) != expected);
        ReplicaStatus {
            instance: replica.endpoint.clone(),
            stable: replica.stable.as_ref().map(|(digest, origin)| Serving {
                digest: *digest,
                commit: None,
                generation: replica.generation,
                origin: origin.clone(),
                actor: None,
                reason: None,
                since: self.now,
            }),
            candidate: replica.candidate.map(|(digest, weight)| CandidateServing {
                digest,
                generation: replica.generation + 1,
                weight,
            }),
            document: document.map(|(digest, _)| self.documents[digest].value().clone()),
        }
    }

    /// One cycle of the daemon.
    pub(crate) fn cycle(&mut self) -> Cycle {
        let saved = self.state.clone();
        let intents = std::mem::take(&mut self.intents);
        let heeded = heed(self.state.clone(), &intents, self.now);
        self.state = heeded.state;
        let head_commit = self.head.as_ref().map(|head| self.commits[head].revision.clone());
        let head = head_commit.as_ref().and_then(|revision| self.desired_at(&revision.commit));
        if let Some(revision) = &head_commit {
            let _new = advance::saw_head(&mut self.state, revision, self.now);
        }
        self.look();
        let commit = self.state.rollout_under_way().map(|rollout| rollout.revision.commit.clone());
        let current = commit.as_ref().and_then(|commit| self.desired_at(commit));
        let denials = self.denials(commit.as_ref());
        let expected = expectation(&self.state).map(|expected| expected.stable);
        let readings = self.readings(expected);
        let situation = Situation {
            head: head.as_ref().map(Ok),
            current: current.as_ref(),
            replicas: &readings,
            denials: Ok(&denials),
            interrupted: self.journal.as_deref(),
            blocked: self.blocked.as_deref(),
        };
        let decision = heeded.begin.unwrap_or_else(|| decide(&self.state, &situation, self.now));
        let Some(acted) = self.act(&decision) else {
            self.state = saved;
            self.intents = intents;
            return Cycle::Crashed(decision);
        };
        self.journal = None;
        self.remember(&decision, acted);
        Cycle::Took(decision)
    }

    fn denials(&self, commit: Option<&CommitId>) -> Vec<Denial> {
        let is_denied =
            self.commits.values().any(|known| Some(&known.revision.commit) == commit && known.is_denied);
        let denial = Denial { rule: "moorline.test".to_owned(), message: "not like this".to_owned() };
        if is_denied { vec![denial] } else { Vec::new() }
    }

    /// Reads the gateway lane and works it into the state.
    fn look(&mut self) {
        use moorline_model::drift::Lane;
        let Some(expected) = expectation(&self.state) else { return };
        let declared = self.documents[&expected.stable].clone();
        let readings = self.readings(Some(expected.stable));
        let findings = gateway_findings(&declared, expected.candidate, &readings);
        let before = self.state.drift.clone();
        let today = self.now.to_zoned(jiff::tz::TimeZone::UTC).date();
        let settled = settle(&before, &[Lane::Gateway], findings, &[], today, self.now);
        let heal = [Lane::Gateway];
        let heal = if self.options["drift"]["heal"].is_array() { &heal[..] } else { &[] };
        let told = announce::drift(&self.state.name, &before, &settled, heal, self.now);
        self.told.extend(told.notifications);
        self.state.drift = settled.drift;
        let looked = axes::Looked { replicas: Some(&readings), ..axes::Looked::default() };
        let told = axes::note_axes(&mut self.state, &looked, self.now);
        self.told.extend(told.notifications);
    }

    /// Carries a decision out; `None` when the daemon died over it.
    fn act(&mut self, decision: &Decision) -> Option<Acted> {
        let has_effect = !matches!(
            decision,
            Decision::Rest { .. }
                | Decision::Begin { .. }
                | Decision::Move { .. }
                | Decision::Watch
                | Decision::Finish { .. }
        );
        if !has_effect {
            return Some(Acted::Rested);
        }
        self.journal = Some("a step".to_owned());
        match self.crash.take() {
            Some(Crash::BeforeEffect) => None,
            Some(Crash::AfterEffect) => {
                let _lost = self.effect(decision);
                None
            }
            None => Some(self.effect(decision)),
        }
    }

    fn effect(&mut self, decision: &Decision) -> Acted {
        let rollout = self.state.rollout.clone();
        let digest = rollout.as_ref().and_then(|rollout| rollout.digest);
        let reached = self.replicas.iter().all(|replica| replica.is_up);
        let (commit, from) = rollout.map_or((None, None), |rollout| {
            (Some(rollout.revision.commit), rollout.from.map(|from| from.revision.commit))
        });
        // One replica after the other: those that answer are changed, whatever the others do.
        let acted = match decision {
            Decision::PlanTerraform => self.plan(&commit.unwrap(), Acted::Planned),
            Decision::UndoPlan => self.plan(&from.unwrap(), Acted::UndoPlanned),
            Decision::ApplyTerraform => self.apply(false),
            Decision::UndoApply => self.apply(true),
            Decision::Heal { endpoints } => self.heal(endpoints),
            Decision::Stage => {
                let digest = digest.unwrap();
                for replica in self.replicas.iter_mut().filter(|replica| replica.is_up) {
                    let holds = replica.stable.as_ref().is_some_and(|(stable, _)| *stable == digest)
                        || replica.candidate.is_some_and(|(candidate, _)| candidate == digest);
                    if !holds {
                        replica.candidate = Some((digest, Percent::ZERO));
                    }
                }
                Acted::Staged { generations: BTreeMap::new() }
            }
            Decision::Shift { weight } => {
                for replica in self.replicas.iter_mut().filter(|replica| replica.is_up) {
                    replica.candidate = replica.candidate.map(|(digest, _)| (digest, *weight));
                }
                Acted::Shifted
            }
            Decision::Promote => {
                let digest = digest.unwrap();
                self.put_everywhere(digest);
                Acted::Promoted
            }
            Decision::UndoDocument { restore } => {
                for replica in self.replicas.iter_mut().filter(|replica| replica.is_up) {
                    replica.candidate = None;
                }
                if let Some(digest) = restore {
                    self.put_everywhere(*digest);
                }
                Acted::Undone
            }
            Decision::Supersede { .. } => {
                for replica in self.replicas.iter_mut().filter(|replica| replica.is_up) {
                    replica.candidate = None;
                }
                Acted::Superseded
            }
            _ => Acted::Rested,
        };
        let is_on_gateways = matches!(
            decision,
            Decision::Stage
                | Decision::Shift { .. }
                | Decision::Promote
                | Decision::UndoDocument { .. }
                | Decision::Supersede { .. }
        );
        if is_on_gateways && !reached {
            return Acted::ActFailed { reason: "a replica does not answer".to_owned() };
        }
        acted
    }

    fn put_everywhere(&mut self, digest: Digest) {
        for replica in self.replicas.iter_mut().filter(|replica| replica.is_up) {
            if replica.stable.as_ref().is_none_or(|(stable, _)| *stable != digest) {
                replica.stable = Some((digest, "git".to_owned()));
                replica.generation += 1;
            }
            replica.candidate = None;
        }
    }

    fn heal(&mut self, endpoints: &[String]) -> Acted {
        let digest = self.state.applied.as_ref().unwrap().digest;
        let own = self.state.rollout_under_way().and_then(|rollout| rollout.digest);
        for replica in self.replicas.iter_mut().filter(|replica| endpoints.contains(&replica.endpoint)) {
            if !replica.is_up {
                return Acted::ActFailed { reason: "no answer".to_owned() };
            }
            replica.stable = Some((digest, "git".to_owned()));
            replica.candidate = replica.candidate.filter(|(candidate, _)| Some(*candidate) == own);
        }
        Acted::Healed
    }

    fn plan(&mut self, commit: &CommitId, planned: fn(PlanSummary) -> Acted) -> Acted {
        let tree = self.commits.values().find(|known| known.revision.commit == *commit).unwrap().tree.clone();
        let outcome = if self.plan_outcomes.is_empty() {
            PlanOutcome::Changes(usize::from(self.live_tree != tree))
        } else {
            self.plan_outcomes.remove(0)
        };
        let change = |address: String, action| ResourceChange {
            resource_type: address.split('.').next().unwrap_or_default().to_owned(),
            address,
            action,
            attributes: vec!["limits".to_owned()],
        };
        let changes = match outcome {
            PlanOutcome::Fails { reason, transient } => return Acted::PlanFailed { reason, transient },
            PlanOutcome::Replaces(address) => vec![change(address, Action::Replace)],
            PlanOutcome::Changes(count) => {
                (0..count).map(|index| change(format!("aws_lb.{index}"), Action::Update)).collect()
            }
        };
        self.plans += 1;
        let plan = PlanSummary {
            binding: PlanBinding {
                commit: commit.clone(),
                plan_sha256: format!("plan-{}", self.plans),
                state_serial: Some(1),
                state_lineage: None,
                made_at: self.now,
            },
            changes,
            outputs: Vec::new(),
            findings: Vec::new(),
            resource_count: 10,
        };
        self.kept_plan = Some(plan.clone());
        planned(plan)
    }

    fn apply(&mut self, is_undo: bool) -> Acted {
        let wanted = self.state.rollout.as_ref().and_then(|rollout| rollout.terraform.clone()).unwrap();
        let stale = |reason: &str| Acted::PlanStale { reason: reason.to_owned() };
        match &self.kept_plan {
            Some(kept) if *kept == wanted => {}
            _ => return stale("the plan file is gone"),
        }
        if self.now.duration_since(wanted.binding.made_at) > moorline_plan::decide::PLAN_AGE_MAX {
            return stale("it is older than ten minutes");
        }
        // A naive Terraform: it would run the same plan twice if it were told to.
        self.applied_plans.push(wanted.binding.plan_sha256.clone());
        if let Some(reason) = self.apply_fails.take() {
            self.live_tree = Some("half done".to_owned());
            return Acted::ApplyFailed { reason };
        }
        let commit =
            self.commits.values().find(|known| known.revision.commit == wanted.binding.commit).unwrap();
        self.live_tree.clone_from(&commit.tree);
        let mut digest = None;
        if self.takes_document_from_terraform() {
            self.handed_over = Some(commit.document.value().clone());
            digest = Some(commit.document.digest());
        }
        if is_undo { Acted::UndoApplied } else { Acted::Applied { digest } }
    }

    /// Writes a step down, and verifies what is being tried.
    fn remember(&mut self, decision: &Decision, acted: Acted) {
        self.rollouts += 1;
        let id = format!("00000000-0000-7000-8000-{:012}", self.rollouts).parse().unwrap();
        let about = match decision {
            Decision::Begin { revision, .. } => {
                self.begun.push(revision.commit.clone());
                Some(revision.commit.clone())
            }
            _ => self.state.rollout.as_ref().map(|rollout| rollout.revision.commit.clone()),
        };
        let declared = about.and_then(|commit| self.desired_at(&commit));
        let inputs = Inputs { id, desired: declared.as_ref() };
        let next = advance(&self.state, decision, acted, &inputs, self.now);
        self.state = next.state;
        self.told.extend(next.notifications);
        self.verify();
    }

    fn verify(&mut self) {
        let Some(rollout) = self.state.rollout_under_way() else { return };
        let Some(expected) = rollout.digest else { return };
        let hold = match rollout.phase {
            Phase::Staging | Phase::Baking => None,
            Phase::Shifting { step } => rollout.plan.steps.get(step).map(|step| step.hold.get()),
            _ => return,
        };
        let since: SignedDuration = self.now.duration_since(rollout.phase_since);
        let elapsed: std::time::Duration = since.try_into().unwrap_or_default();
        let is_sick = self.sick.contains(&expected);
        let share = match rollout.phase {
            Phase::Shifting { step } => {
                rollout.plan.steps.get(step).map_or(0.0, |step| step.weight.as_fraction())
            }
            Phase::Baking => 1.0,
            _ => 0.0,
        };
        let sample = |share: f64, is_sick: bool| {
            let requests = (elapsed.as_secs_f64() * self.traffic_per_second as f64 * share) as u64;
            let faults = if is_sick { requests / 2 } else { 0 };
            Sample { requests, faults, p95_ms: Some(80.0), p99_ms: Some(120.0), ..Sample::default() }
        };
        let candidate = sample(share, is_sick);
        let stable = sample(1.0 - share, false);
        let probe = |reading: &ReplicaReading| ProbeResult {
            model: "gpt-4o".to_owned(),
            endpoint: reading.endpoint.clone(),
            outcome: Ok(200),
            expected: 200,
        };
        let readings = self.readings(Some(expected));
        let probes: Vec<_> = readings.iter().filter(|reading| reading.result.is_ok()).map(probe).collect();
        let observation = Observation {
            phase: &rollout.phase,
            candidate: &candidate,
            stable: (share < 1.0).then_some(&stable),
            probes: &probes,
            attested: &readings,
            expected,
            elapsed,
            aws: &[],
        };
        let evidence = judge(&rollout.verify, hold, &observation, rollout.evidence.as_ref(), self.now);
        let next = moorline_plan::advance::witness(&self.state, evidence, self.now);
        self.state = next.state;
        self.told.extend(next.notifications);
    }
}

fn merge(into: &mut Value, over: &Value) {
    match (into, over) {
        (Value::Object(into), Value::Object(over)) => {
            for (key, value) in over {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, over) => *into = over.clone(),
    }
}
