//! A world of commits, replicas and a Terraform, and the cycle that works on it.

mod effects;
mod verify;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use moorline_model::config::{Config, Digest, Percent};
use moorline_model::declaration::Declaration;
use moorline_model::environment::EnvironmentState;
use moorline_model::intent::{Intent, Wish};
use moorline_model::notification::Notification;
use moorline_model::plan::PlanSummary;
use moorline_model::rollout::Rollout;
use moorline_model::{CommitId, Revision};
use moorline_plan::decide::foreign;
use moorline_plan::drift::settle;
use moorline_plan::gateway::{
    CandidateServing, ReplicaReading, ReplicaStatus, Serving, expectation, gateway_findings, remembered,
};
use moorline_plan::intent::heed;
use moorline_plan::lanes;
use moorline_plan::policy::Denial;
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
    /// What it declares beside the document.
    pub(crate) options: Value,
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
    /// Documents whose probes are answered wrongly.
    pub(crate) broken: BTreeSet<Digest>,
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
    /// Replicas that refuse a rollout's writes: somebody else's document is there.
    refusing: BTreeSet<String>,
    pub(crate) intents: Vec<Intent>,
    pub(crate) applied_plans: Vec<String>,
    pub(crate) begun: Vec<CommitId>,
    pub(crate) told: Vec<Notification>,
    /// How many of them were shown in full.
    pub(crate) shown: usize,
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
            broken: BTreeSet::new(),
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
            refusing: BTreeSet::new(),
            intents: Vec::new(),
            applied_plans: Vec::new(),
            begun: Vec::new(),
            told: Vec::new(),
            shown: 0,
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
        let commit = Commit { revision, document, tree, is_denied: false, options: self.options.clone() };
        self.commits.insert(name.to_owned(), commit);
        self.head = Some(name.to_owned());
    }

    pub(crate) fn ask(&mut self, actor: &str, wish: Wish) {
        let environment = self.state.name.clone();
        let (actor, reason, at) = (actor.to_owned(), String::new(), self.now);
        self.intents.push(Intent { environment, wish, actor, reason, at });
    }

    /// A person's word for what waits for approval, as that person sees it.
    pub(crate) fn approval(&self) -> Wish {
        let waiting = self.state.rollout.as_ref().and_then(Rollout::waits_for_approval);
        Wish::Approve(waiting.unwrap_or_default())
    }

    /// A person's word for what gateways served when they were first met, as that person sees it.
    pub(crate) fn adoption(&self) -> Wish {
        let waits = self.state.found.iter().filter(|found| found.adopted.is_none());
        Wish::Adopt { seen: waits.map(|found| (found.endpoint.clone(), found.digest)).collect() }
    }

    fn desired_at(&mut self, commit: &CommitId) -> Option<Desired> {
        let commit = self.commits.values().find(|known| known.revision.commit == *commit)?;
        // Reading is most of a cycle's work here, and nothing about it changes between two cycles.
        let key = (commit.revision.commit.clone(), commit.options.to_string(), self.handed_over.clone());
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
        merge(&mut environment, &commit.options);
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
                Err("refuses connections".to_owned())
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
        let (saved, told) = (self.state.clone(), self.told.len());
        let intents = std::mem::take(&mut self.intents);
        let heeded = heed(self.state.clone(), &intents, self.now);
        self.state = heeded.state;
        self.told.extend(heeded.notifications);
        let head_commit = self.head.as_ref().map(|head| self.commits[head].revision.clone());
        let head = head_commit.as_ref().and_then(|revision| self.desired_at(&revision.commit));
        if let Some(revision) = &head_commit {
            let _new = advance::saw_head(&mut self.state, revision, self.now);
        }
        self.look();
        self.meet();
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
        let rollout = self.state.rollout_under_way();
        let refuses = |reading: &&ReplicaReading| {
            rollout.is_some_and(|rollout| foreign(&self.state, rollout, &situation, reading).is_some())
        };
        self.refusing = readings.iter().filter(refuses).map(|reading| reading.endpoint.clone()).collect();
        let mut begin = heeded.begin;
        let decision = match (heeded.restore, heeded.heal.is_empty()) {
            (Some(restore), _) => restore,
            (None, false) => Decision::Heal { endpoints: heeded.heal },
            (None, true) => begin.take().unwrap_or_else(|| decide(&self.state, &situation, self.now)),
        };
        let Some(acted) = self.act(&decision) else {
            self.state = saved;
            self.told.truncate(told);
            self.intents = intents;
            return Cycle::Crashed(decision);
        };
        self.journal = None;
        self.remember(&decision, acted);
        if let Some(begin) = begin {
            self.remember(&begin, Acted::Rested);
        }
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
        self.state.replicas = readings.iter().map(|reading| remembered(reading, self.now)).collect();
        let told = announce::drift(&mut self.state, settled, heal, self.now);
        self.told.extend(told.notifications);
        lanes::note(
            &mut self.state,
            Some(&[Lane::Gateway]),
            vec![(Lane::Gateway, lanes::replicas(&readings))],
            self.now,
        );
        let looked = axes::Looked { replicas: Some(&readings), ..axes::Looked::default() };
        let told = axes::note_axes(&mut self.state, &looked, self.now);
        self.told.extend(told.notifications);
    }

    /// Remembers what replicas serve that nobody brought them.
    fn meet(&mut self) {
        let digest = self.state.rollout_under_way().and_then(|rollout| rollout.digest);
        let brought = digest.and_then(|digest| self.documents.get(&digest).cloned());
        let readings = self.readings(None);
        let may = self.options["gateway"]["adopt"] == true;
        let _met = moorline_plan::adopt::meet(&mut self.state, brought.as_ref(), may, &readings, self.now);
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
        let document = |digest: Option<Digest>| digest.and_then(|digest| self.documents.get(&digest));
        let in_force = document(self.state.applied.as_ref().map(|applied| applied.digest));
        let brought = document(self.state.rollout.as_ref().and_then(|rollout| rollout.digest));
        let inputs = Inputs { id, desired: declared.as_ref(), in_force, brought };
        let next = advance(&self.state, decision, acted, &inputs, self.now);
        self.state = next.state;
        self.told.extend(next.notifications);
        self.verify();
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
