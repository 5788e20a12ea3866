//! A fleet of many environments: a repository that declares them, and one server that stands in for all their gateways, each at
//! a loopback address of its own. It speaks the admin API as far as a rollout at once needs it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use axum::extract::State;
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use futures_util::StreamExt as _;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use moorline_admin::{Attestation, Candidate, Generation, Origin, Weight};
use moorline_config::Config;
use moorline_daemon::clock;
use moorline_model::{CommitId, EnvironmentName};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;

use crate::daemon::Daemon;
use crate::declared::{self, CALLER_KEY};
use crate::gateway::ADMIN_TOKEN;
use crate::repository::{Files, Repository};
use crate::tasks::Tasks;

/// Gateways that are not there: what each was given, and how often any was asked.
#[derive(Debug, Clone, Default)]
struct Gateways(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    by_host: BTreeMap<String, Standin>,
    calls: u64,
}

#[derive(Debug, Clone, Default)]
struct Standin {
    generation: u64,
    /// Tells who follows it that a document changed.
    changed: watch::Sender<u64>,
    stable: Option<(Attestation, Value)>,
    candidate: Option<(Candidate, Value)>,
}

/// The fleet, its repository and a daemon that is not started.
pub struct Fleet {
    /// The watched repository.
    pub repository: Repository,
    pub daemon: Daemon,
    /// Each environment's document.
    pub documents: Vec<Value>,
    /// How often each environment looks for drift.
    pub drift: &'static str,
    gateways: Gateways,
    port: u16,
    _tasks: Tasks,
}

impl Fleet {
    /// A fleet of this many environments, below a folder. Nothing is pushed yet.
    ///
    /// # Panics
    /// When there is no port, or no repository can be made; this holds for all of this type.
    pub async fn new(folder: &Path, environments: usize) -> Self {
        let gateways = Gateways::default();
        let listener = TcpListener::bind(SocketAddr::from(([0, 0, 0, 0], 0))).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = Router::new()
            .route("/admin/v1/status", get(status))
            .route("/admin/v1/config", any(config))
            .route("/admin/v1/candidate", any(candidate))
            .route("/admin/v1/candidate/promote", any(promote))
            .route("/admin/v1/stats", get(stats))
            .route("/admin/v1/events", get(events))
            .route("/v1/chat/completions", post(completion))
            .with_state(gateways.clone());
        let tasks = Tasks::new();
        tasks.spawn(async move { drop(axum::serve(listener, router).await) });
        let repository = Repository::init(&folder.join("deploy.git"));
        let mut daemon = Daemon::new(folder, "moorlined", repository.path());
        daemon.set("GATEWAY_TOKEN", ADMIN_TOKEN);
        daemon.set("CALLER_KEY", CALLER_KEY);
        daemon.set("RUST_LOG", "info");
        daemon.settings["repository"]["poll"] = json!("30s");
        let document = declared::document("http://127.0.0.1:1/v1");
        Self {
            repository,
            daemon,
            documents: vec![document; environments],
            drift: "30s",
            gateways,
            port,
            _tasks: tasks,
        }
    }

    /// Pushes everything as it is declared now.
    pub fn push(&self, message: &str) -> CommitId {
        let environments: String = (0..self.documents.len()).map(|number| self.environment(number)).collect();
        let declaration = format!("version: 1\nenvironments:\n{environments}");
        let mut files: Files = self
            .documents
            .iter()
            .enumerate()
            .map(|(number, document)| (path(number), document.to_string()))
            .collect();
        files.insert("moorline.yaml".to_owned(), declaration);
        self.repository.push(&files, message)
    }

    /// An environment as people write it.
    fn environment(&self, number: usize) -> String {
        format!(
            "\
- name: {}
  gateway:
    document: [{}]
    endpoints: [http://{}]
    admin_token: env:GATEWAY_TOKEN
  schedule:
    drift: {}
  rollout:
    strategy: all_at_once
  verify:
    window: 1s
    min_requests: 0
    probes:
    - {{model: small, prompt: ping, key: env:CALLER_KEY}}
",
            name(number),
            path(number),
            self.host(number),
            self.drift,
        )
    }

    /// Changes an environment's document for the next push, and says its new digest.
    pub fn change(&mut self, number: usize, model: &str) -> String {
        declared::aim(&mut self.documents[number], model);
        declared::digest(&self.documents[number])
    }

    /// What an environment's gateway serves.
    #[must_use]
    pub fn serves(&self, number: usize) -> Option<String> {
        let known = self.gateways.known();
        let stable = known.by_host.get(&self.host(number))?.stable.as_ref();
        stable.map(|(attestation, _)| attestation.digest.to_string())
    }

    /// Somebody puts a document on an environment's gateway by hand.
    pub fn edit(&self, number: usize, model: &str) {
        let mut document = self.documents[number].clone();
        declared::aim(&mut document, model);
        let mut known = self.gateways.known();
        let gateway = known.by_host.entry(self.host(number)).or_default();
        let mut attestation = gateway.attest(&HeaderMap::new(), &document);
        attestation.origin = Origin::Manual;
        gateway.stable = Some((attestation, document));
    }

    /// How many gateways serve something.
    #[must_use]
    pub fn serving(&self) -> usize {
        self.gateways.known().by_host.values().filter(|gateway| gateway.stable.is_some()).count()
    }

    /// How often any gateway was asked anything.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.gateways.known().calls
    }

    fn host(&self, number: usize) -> String {
        format!("127.1.{}.{}:{}", number / 250, number % 250 + 1, self.port)
    }
}

/// An environment's name.
///
/// # Panics
/// Never: it is a name.
#[must_use]
pub fn name(number: usize) -> EnvironmentName {
    format!("env-{number:04}").parse().unwrap()
}

fn path(number: usize) -> String {
    format!("gateways/{}.yaml", name(number))
}

impl Gateways {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something to the gateway that was asked.
    fn at<T>(&self, headers: &HeaderMap, work: impl FnOnce(&mut Standin, &str) -> T) -> T {
        let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
        let mut known = self.known();
        known.calls += 1;
        work(known.by_host.entry(host.clone()).or_default(), &host)
    }
}

impl Standin {
    fn attest(&mut self, headers: &HeaderMap, document: &Value) -> Attestation {
        self.generation += 1;
        self.changed.send_replace(self.generation);
        let digest = Config::from_value("document", document).unwrap().digest();
        let commit =
            headers.get("moorline-commit").and_then(|commit| commit.to_str().ok()).map(str::to_owned);
        let (generation, since) = (Generation(self.generation), clock::now());
        Attestation { digest, commit, generation, since, origin: Origin::Git, actor: None, reason: None }
    }

    fn status(&self, host: &str) -> Response {
        let stable = self.stable.as_ref().map(|(attestation, _)| attestation);
        let candidate = self.candidate.as_ref().map(|(candidate, _)| candidate);
        Json(json!({
            "instance": "stand-in", "endpoint": format!("http://{host}"), "version": "0", "started": Timestamp::UNIX_EPOCH, "stable": stable,
            "candidate": candidate, "recent": {"asked": 0, "faults": 0},
        }))
        .into_response()
    }
}

async fn status(State(gateways): State<Gateways>, headers: HeaderMap) -> Response {
    gateways.at(&headers, |gateway, host| gateway.status(host))
}

async fn config(
    State(gateways): State<Gateways>,
    method: http::Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    gateways.at(&headers, |gateway, host| {
        if method == http::Method::PUT {
            let document = serde_json::from_slice(&body).unwrap();
            gateway.stable = Some((gateway.attest(&headers, &document), document));
            gateway.candidate = None;
            return gateway.status(host);
        }
        match &gateway.stable {
            Some((attestation, document)) => {
                let digest = attestation.digest;
                Json(json!({"digest": digest, "document": document, "attestation": attestation}))
                    .into_response()
            }
            None => {
                let problem =
                    json!({"type": "not-found", "title": "nothing was declared yet", "status": 404});
                (StatusCode::NOT_FOUND, Json(problem)).into_response()
            }
        }
    })
}

async fn candidate(
    State(gateways): State<Gateways>,
    method: http::Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    gateways.at(&headers, |gateway, host| {
        if method == http::Method::DELETE {
            gateway.candidate = None;
            return gateway.status(host);
        }
        let document: Value = serde_json::from_slice(&body).unwrap();
        let attestation = gateway.attest(&headers, &document);
        let weight: Weight = serde_json::from_value(json!("0%")).unwrap();
        let candidate = Candidate { attestation, weight };
        let mut answer = serde_json::to_value(&candidate).unwrap();
        answer["probe_key"] = json!("pin");
        gateway.candidate = Some((candidate, document));
        Json(answer).into_response()
    })
}

async fn promote(State(gateways): State<Gateways>, headers: HeaderMap) -> Response {
    gateways.at(&headers, |gateway, host| {
        if let Some((candidate, document)) = gateway.candidate.take() {
            gateway.stable = Some((candidate.attestation, document));
        }
        gateway.status(host)
    })
}

async fn stats(State(gateways): State<Gateways>, headers: HeaderMap) -> Response {
    gateways.at(&headers, |gateway, _| {
        let now = clock::now();
        let nothing = moorline_admin::Usage::default();
        let generation = gateway.generation;
        Json(json!({"generation": generation, "since": now, "until": now, "total": nothing})).into_response()
    })
}

/// Events come as a gateway sends them, with a comment while nothing happens.
async fn events(State(gateways): State<Gateways>, headers: HeaderMap) -> Response {
    let changed = gateways.at(&headers, |gateway, _| gateway.changed.subscribe());
    let events = WatchStream::from_changes(changed).map(|generation| {
        let (stable, candidate) = (Some(Generation(generation)), None);
        sse::Event::default().json_data(moorline_admin::Event::ConfigChanged { stable, candidate })
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(moorline_admin::KEEP_ALIVE)).into_response()
}

/// The answer to a probe.
async fn completion() -> Json<Value> {
    Json(json!({
        "id": "c", "object": "chat.completion", "created": 0, "model": "small",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "pong"}, "finish_reason": "stop"}],
    }))
}
