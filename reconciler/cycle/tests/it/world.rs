//! A world of commits, replicas and a Terraform around the cycle that ships: each of its facilities is implemented here,
//! in memory, and time passes only when a script says so.

mod gateways;
mod source;
mod store;
mod terraform;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use moorline_cycle::fast_forward::fast_forward_all;
use moorline_cycle::{Cache, Cycle as Shipped, Head, News, Requeue, SourceStatus};
use moorline_model::config::{Config, Digest, Percent};
use moorline_model::declaration::Declaration;
use moorline_model::environment::{EnvironmentState, StoredDocument};
use moorline_model::intent::{Intent, Operation};
use moorline_model::notification::Notification;
use moorline_model::plan::PlanSummary;
use moorline_model::rollout::Rollout;
use moorline_model::{CheckFailed, CommitId, FailureClass, Revision};
use moorline_plan::Decision;
use moorline_record::{IntentId, OpenStep};
use serde_json::{Value, json};
use tokio::sync::watch;

/// SHA-256 of the key that probes show.
const KEY_SHA256: &str = "cd4fa85a3415965fe707f9c9f8dfb93bd64660b91c5b0bd8089e6e2aacfe31c1";

/// One replica.
#[derive(Debug, Clone)]
pub(crate) struct Replica {
    pub(crate) endpoint: String,
    pub(crate) is_up: bool,
    /// Digest and owner.
    pub(crate) stable: Option<(Digest, String)>,
    pub(crate) candidate: Option<(Digest, Percent)>,
    /// Number of the stable document; the candidate's is the next.
    pub(crate) generation: u64,
    /// When the stable document was put there.
    pub(crate) since: Timestamp,
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
    Fails { reason: String, class: FailureClass },
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
    /// When the last cycle wants the next.
    pub(crate) next: Timestamp,
    pub(crate) state: EnvironmentState,
    /// What commits declare from now on.
    pub(crate) options: Value,
    pub(crate) commits: BTreeMap<String, Commit>,
    pub(crate) documents: BTreeMap<Digest, Config>,
    /// Documents with which half of the requests fail.
    pub(crate) sick: BTreeSet<Digest>,
    /// Documents whose probes are answered wrongly.
    pub(crate) broken: BTreeSet<Digest>,
    pub(crate) head: Option<String>,
    /// Paths of commits that cannot be read just now.
    pub(crate) unreadable: BTreeSet<String>,
    pub(crate) replicas: Vec<Replica>,
    /// The tree that Terraform made the world after.
    pub(crate) live_tree: Option<String>,
    pub(crate) handed_over: Option<StoredDocument>,
    pub(crate) plan_outcomes: Vec<PlanOutcome>,
    /// A resource that somebody changed beside Terraform.
    pub(crate) drifts: Option<String>,
    pub(crate) apply_fails: Option<String>,
    pub(crate) blocked: Option<String>,
    pub(crate) crash: Option<Crash>,
    pub(crate) traffic_per_second: u64,
    pub(crate) applied_plans: Vec<String>,
    pub(crate) begun: Vec<CommitId>,
    pub(crate) told: Vec<Notification>,
    /// How many of them were shown in full.
    pub(crate) shown: usize,
    /// The state as last written; what only grew older since is lost when the daemon dies.
    written: EnvironmentState,
    version: u64,
    intents: Vec<(IntentId, Intent)>,
    asked: u64,
    kept: BTreeMap<Digest, StoredDocument>,
    /// Steps that were begun and whose end was not recorded.
    journal: Vec<OpenStep>,
    journaled: u64,
    /// Whether this cycle has begun a step.
    has_begun: bool,
    decided: Option<Decision>,
    plans: u64,
    rollouts: u64,
    kept_plan: Option<PlanSummary>,
    daemon: Arc<Cache>,
    runtime: Arc<tokio::runtime::Runtime>,
}

/// What a cycle came to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cycle {
    Took(Decision),
    Crashed(Decision),
}

/// The world, as the cycle sees it.
#[derive(Debug, Clone)]
struct Around(Arc<Mutex<World>>);

impl Around {
    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn commit_id(name: &str) -> CommitId {
    format!("{name:0<40}").parse().unwrap()
}

/// A gateway document, told from others by a tag.
pub(crate) fn document(tag: &str) -> Config {
    let value = json!({
        "version": 1,
        "name": "gateway",
        "tags": {"Document": tag},
        "providers": {"p": {"kind": "openai_compatible", "base_url": "http://127.0.0.1:1/v1"}},
        "models": {"gpt-4o": {"targets": [{"provider": "p", "model": "m"}]}},
        "routes": [{"path": "/v1/*"}],
        "keys": [{"name": "probe", "sha256": KEY_SHA256}],
    });
    Config::from_value("gateway.yaml", &value).unwrap()
}

impl Replica {
    pub(crate) fn new(endpoint: String, now: Timestamp) -> Self {
        Self { endpoint, is_up: true, stable: None, candidate: None, generation: 0, since: now }
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let replica = |name: &str| Replica::new(format!("http://{name}:8788"), now);
        Self {
            now,
            next: now,
            state: EnvironmentState::new("prod".parse().unwrap()),
            options: json!({}),
            commits: BTreeMap::new(),
            documents: BTreeMap::new(),
            sick: BTreeSet::new(),
            broken: BTreeSet::new(),
            head: None,
            unreadable: BTreeSet::new(),
            replicas: vec![replica("a"), replica("b")],
            live_tree: None,
            handed_over: None,
            plan_outcomes: Vec::new(),
            drifts: None,
            apply_fails: None,
            blocked: None,
            crash: None,
            traffic_per_second: 100,
            applied_plans: Vec::new(),
            begun: Vec::new(),
            told: Vec::new(),
            shown: 0,
            written: EnvironmentState::new("prod".parse().unwrap()),
            version: 0,
            intents: Vec::new(),
            asked: 0,
            kept: BTreeMap::new(),
            journal: Vec::new(),
            journaled: 0,
            has_begun: false,
            decided: None,
            plans: 0,
            rollouts: 0,
            kept_plan: None,
            daemon: Arc::default(),
            runtime: Arc::new(runtime.unwrap()),
        }
    }

    /// A commit with a document of its own, or another's, and a tree of its own, or the head's.
    pub(crate) fn push(&mut self, name: &str, document_of: Option<&str>, new_tree: bool, sick: bool) {
        let document = match document_of.and_then(|other| self.commits.get(other)) {
            Some(other) => other.document.clone(),
            None => document(name),
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

    pub(crate) fn ask(&mut self, actor: &str, operation: Operation) {
        let environment = self.state.name.clone();
        let (actor, reason, at) = (actor.to_owned(), String::new(), self.now);
        self.asked += 1;
        self.intents.push((IntentId(self.asked), Intent { environment, operation, actor, reason, at }));
    }

    /// The record is gone, with all that was remembered.
    pub(crate) fn lose_the_record(&mut self) {
        self.state = EnvironmentState::new(self.state.name.clone());
        self.written = self.state.clone();
        self.version = 0;
        self.kept.clear();
        self.journal.clear();
        self.daemon = Arc::default();
    }

    /// A person's word for what waits for approval, as that person sees it.
    pub(crate) fn approval(&self) -> Operation {
        let waiting = self.state.rollout.as_ref().and_then(Rollout::waits_for_approval);
        Operation::Approve(waiting.unwrap_or_default())
    }

    /// A person's word for what gateways served when they were first met, as that person sees it.
    pub(crate) fn adoption(&self) -> Operation {
        let waits = self.state.found.iter().filter(|found| found.adopted.is_none());
        Operation::Adopt { seen: waits.map(|found| (found.endpoint.clone(), found.digest)).collect() }
    }

    /// One cycle of the daemon: the one that ships.
    pub(crate) fn cycle(&mut self) -> Cycle {
        self.has_begun = false;
        self.decided = None;
        let (name, daemon, runtime) =
            (self.state.name.clone(), Arc::clone(&self.daemon), Arc::clone(&self.runtime));
        let (_reports, source) = watch::channel(self.report());
        let around = Around(Arc::new(Mutex::new(std::mem::replace(self, Self::new()))));
        let cycle = Shipped { name: &name, world: &around, source: &source, cache: &daemon };
        // The task that fetches does this once for a head, before the environments hear of it.
        let new_head = source.borrow().as_ref().and_then(|status| status.head.clone());
        let ran = runtime.block_on(async {
            if let Some(head) = new_head {
                fast_forward_all(&around, &daemon, &head).await.unwrap();
            }
            Box::pin(cycle.run()).await
        });
        let inside = Arc::into_inner(around.0).unwrap();
        *self = inside.into_inner().unwrap();
        let decision = self.decided.take().unwrap();
        match ran {
            Ok(next) => {
                self.next = match next {
                    Requeue::Now => self.now,
                    Requeue::At(at) | Requeue::AtFetch(at) => at,
                };
                Cycle::Took(decision)
            }
            // The only errors here are the deaths that a script asks for.
            Err(_) => {
                // What was kept in memory is gone with the daemon.
                self.daemon = Arc::default();
                self.state = self.written.clone();
                Cycle::Crashed(decision)
            }
        }
    }

    /// What the repository says, fetched just now.
    fn report(&self) -> Option<SourceStatus> {
        let commit = &self.commits[self.head.as_ref()?];
        let declaration = self
            .read("moorline.yaml")
            .map(|()| Arc::new(Declaration::parse("moorline.yaml", &commit.declaration()).unwrap()));
        let head = Head { revision: commit.revision.clone(), declaration };
        Some(SourceStatus {
            head: Some(head),
            error: None,
            trouble_since: None,
            checked_at: self.now,
            news: News::default(),
        })
    }

    /// How often a cycle was written down.
    pub(crate) fn writes(&self) -> u64 {
        self.version
    }

    /// Whether a path can be read, whatever the commit.
    fn read(&self, path: &str) -> Result<(), CheckFailed> {
        match self.unreadable.contains(path) {
            true => Err(CheckFailed::transient(format!("reading {path} took longer than 10 s"))),
            false => Ok(()),
        }
    }

    fn at(&self, commit: &CommitId) -> Option<&Commit> {
        self.commits.values().find(|known| known.revision.commit == *commit)
    }
}
