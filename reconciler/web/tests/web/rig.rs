//! A web that runs, and how often it wakes the cycles.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use moorline_api::views::GateStatus;
use moorline_model::environment::EnvironmentState;
use moorline_model::event::{Event, EventKind};
use moorline_model::intent::Outcome;
use moorline_model::{EnvironmentName, Secret};
use moorline_record::{Fence, IntentId, Record, Version, Write};
use moorline_web::{
    DeclaredDocument, Delivery, Documents, Explanation, Exposition, Gates, Kind, MetricsSource, Roles,
    TokenHash, Wake, Web,
};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) const WAIT: Duration = Duration::from_secs(10);
pub(crate) const HOOK_SECRET: &str = "hook-secret";

pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_795_000_000).unwrap()
}

pub(crate) fn name(text: &str) -> EnvironmentName {
    text.parse().unwrap()
}

fn hash(token: &str) -> Option<TokenHash> {
    TokenHash::of(&Secret::new(token.to_owned()))
}

/// Counts calls.
#[derive(Default)]
pub(crate) struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(&self, _: Option<&EnvironmentName>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct Daemon;

impl Gates for Daemon {
    fn waits_for(&self) -> Option<String> {
        Some("The repository cannot be fetched: <gone>".to_owned())
    }

    fn why(&self, _: &EnvironmentState, _: Timestamp) -> Option<Explanation> {
        let gates = vec![GateStatus::Open { gate: "hold".to_owned() }];
        Some(Explanation { sentence: "Nothing waits.".to_owned(), gates })
    }
}

impl MetricsSource for Daemon {
    fn write(&self, exposition: &mut Exposition, _: &[&EnvironmentName]) {
        exposition.family("moorline_cycles_total", Kind::Counter, "Cycles.").sample(&[], 3.0);
    }
}

pub(crate) struct Rig {
    pub(crate) address: SocketAddr,
    pub(crate) record: Record,
    pub(crate) store: String,
    pub(crate) http: Client,
    fence: Fence,
    wakes: Arc<Wakes>,
    cancel: CancellationToken,
    tasks: TaskTracker,
    _documents: watch::Sender<Option<Documents>>,
    _folder: TempDir,
}

impl Rig {
    /// On loopback, with all three tokens (`admin`, `operator`, `viewer`) and environments `prod` (its document comes
    /// by Terraform, token `document-prod`), `dev` (the same, `document-dev`) and `files` (from Git).
    pub(crate) async fn start() -> Self {
        Self::with("127.0.0.1:0", |_| {}).await
    }

    pub(crate) async fn with(listen: &str, change: impl FnOnce(&mut Web)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = format!("sqlite:{}", folder.path().join("moorline.db").display());
        let record = Record::open(&store).await.unwrap();
        let fence = record.lease("a", WAIT, now()).await.unwrap().unwrap().token;
        let wakes = Arc::new(Wakes::default());
        let (documents, seen) = watch::channel(Some(documents()));
        let mut web = Web {
            record: record.clone(),
            cycles: Arc::clone(&wakes) as Arc<dyn Wake>,
            gates: Arc::new(Daemon),
            metrics: Arc::new(Daemon),
            ready: Arc::new(|| true),
            roles: Roles { admin: hash("admin"), operator: hash("operator"), viewer: hash("viewer") },
            webhook_secret: Some(Secret::new(HOOK_SECRET.to_owned())),
            documents: seen,
            public_url: None,
            clock: now,
        };
        change(&mut web);
        let listener = TcpListener::bind(listen).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (cancel, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(moorline_web::serve(listener, web, cancel.clone()));
        let rig = Self {
            address: ([127, 0, 0, 1], port).into(),
            record,
            store,
            http: Client::builder()
                .timeout(WAIT)
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
            fence,
            wakes,
            cancel,
            tasks,
            _documents: documents,
            _folder: folder,
        };
        rig.commit(&EnvironmentState::new(name("prod")), &[]).await;
        rig
    }

    /// Commits a state with lines of history.
    pub(crate) async fn commit(&self, state: &EnvironmentState, messages: &[&str]) {
        let expected =
            self.record.load(&state.name).await.unwrap().map_or(Version(0), |(_, version)| version);
        let events = messages.iter().map(|message| event(&state.name, message)).collect();
        self.record.commit(self.fence, Write { events, ..Write::of(state, expected) }).await.unwrap();
    }

    /// Commits a state in which an intent was applied.
    pub(crate) async fn apply_intent(&self, state: &EnvironmentState, id: IntentId, outcome: Outcome) {
        let expected =
            self.record.load(&state.name).await.unwrap().map_or(Version(0), |(_, version)| version);
        let write = Write { applied_intents: vec![(id, outcome)], ..Write::of(state, expected) };
        self.record.commit(self.fence, write).await.unwrap();
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Response {
        self.request(Method::GET, path).bearer_auth(token).send().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: &Value) -> Response {
        self.request(Method::POST, path).bearer_auth(token).json(body).send().await.unwrap()
    }

    pub(crate) async fn page(&self, path: &str) -> String {
        let answer = self.get(path, "viewer").await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.text().await.unwrap()
    }

    pub(crate) fn wakes(&self) -> usize {
        self.wakes.0.load(Ordering::SeqCst)
    }

    pub(crate) async fn audit(&self) -> Vec<moorline_record::AuditRow> {
        self.record.audit_log(None, 100).await.unwrap()
    }

    /// From now on nothing can be written into a table.
    pub(crate) async fn break_table(&self, table: &str) {
        let raw = sqlx::SqlitePool::connect(self.store.strip_prefix("sqlite:").unwrap()).await.unwrap();
        let trigger = format!(
            "CREATE TRIGGER broken BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'broken'); END"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(trigger)).execute(&raw).await.unwrap();
        raw.close().await;
    }

    /// Ends the web and waits until it has ended.
    pub(crate) async fn stop(&self) {
        self.cancel.cancel();
        self.tasks.close();
        tokio::time::timeout(WAIT, self.tasks.wait()).await.unwrap();
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

fn documents() -> Documents {
    let by = |delivery, token: Option<&str>| DeclaredDocument {
        delivery,
        token: token.and_then(hash),
        endpoint: Some("http://10.0.1.10:8787".to_owned()),
    };
    BTreeMap::from([
        (name("prod"), by(Delivery::Terraform, Some("document-prod"))),
        (name("dev"), by(Delivery::Terraform, Some("document-dev"))),
        (name("files"), by(Delivery::Git, None)),
    ])
}

pub(crate) fn event(environment: &EnvironmentName, message: &str) -> Event {
    Event {
        at: now(),
        environment: environment.clone(),
        kind: EventKind::Rollout,
        severity: moorline_model::drift::Severity::Info,
        message: message.to_owned(),
        commit: None,
        rollout: None,
    }
}

/// A problem's kind: the word after `urn:moorline:problem:`.
pub(crate) async fn problem(answer: Response) -> (StatusCode, String, Value) {
    let status = answer.status();
    assert_eq!(answer.headers()["content-type"], "application/problem+json", "{status}");
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["status"], status.as_u16());
    let kind = body["type"].as_str().unwrap().strip_prefix("urn:moorline:problem:").unwrap().to_owned();
    (status, kind, body)
}
