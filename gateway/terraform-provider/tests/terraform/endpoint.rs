//! A small document endpoint with the semantics of a gateway's: ETag and If-Match, one owner at a time, break-glass
//! by hand, a token, and every mistake of a document at once.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use moorline_admin::Problem;
use moorline_config::{Config, Digest};
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

/// The token the endpoint wants.
pub(crate) const TOKEN: &str = "endpoint-token-5f1d";

#[derive(Default)]
struct Held {
    document: Option<Value>,
    origin: String,
    writes: Vec<Write>,
    generation: u64,
}

/// One write that was taken.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    pub(crate) if_match: Option<String>,
    pub(crate) commit: Option<String>,
    pub(crate) origin: String,
}

/// A running endpoint; stops when dropped.
pub(crate) struct Endpoint {
    pub(crate) url: String,
    held: Arc<Mutex<Held>>,
    _runtime: tokio::runtime::Runtime,
}

impl Endpoint {
    pub(crate) fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let held = Arc::<Mutex<Held>>::default();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let tasks = TaskTracker::new();
        tasks.spawn_on(accept(listener, Arc::clone(&held), tasks.clone()), runtime.handle());
        Self { url, held, _runtime: runtime }
    }

    /// What serves now.
    pub(crate) fn document(&self) -> Option<Value> {
        self.held.lock().unwrap().document.clone()
    }

    /// Every write taken so far.
    pub(crate) fn writes(&self) -> Vec<Write> {
        self.held.lock().unwrap().writes.clone()
    }

    /// Puts a document there without a write, as if another origin had.
    pub(crate) fn hold(&self, origin: &str, document: Value) {
        let mut held = self.held.lock().unwrap();
        held.origin = origin.to_owned();
        held.document = Some(document);
    }

    /// Forgets the document.
    pub(crate) fn lose(&self) {
        self.held.lock().unwrap().document = None;
    }

    /// Edits what serves, as if another origin had.
    pub(crate) fn edit(&self, origin: &str, edit: impl FnOnce(&mut Value)) {
        let mut document = self.document().unwrap();
        edit(&mut document);
        self.hold(origin, document);
    }
}

async fn accept(listener: tokio::net::TcpListener, held: Arc<Mutex<Held>>, tasks: TaskTracker) {
    while let Ok((stream, _)) = listener.accept().await {
        let held = Arc::clone(&held);
        tasks.spawn(async move {
            let service = hyper::service::service_fn(move |request| answer(Arc::clone(&held), request));
            // A client that goes away is no failure of a test.
            drop(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
        });
    }
}

async fn answer(
    held: Arc<Mutex<Held>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let header =
        |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    if header("authorization") != Some(format!("Bearer {TOKEN}")) {
        return Ok(problem(&Problem::new(
            401,
            "unauthorized",
            "Unauthorized",
            "The token is missing or wrong.",
        )));
    }
    let body = body.collect().await.unwrap().to_bytes();
    let mut held = held.lock().unwrap();
    // The daemon offers the same verbs at an address of its own.
    let path = match parts.uri.path() {
        "/api/v1/environments/demo/document" => "/admin/v1/config",
        path => path,
    };
    Ok(match (&parts.method, path) {
        (&Method::GET, "/admin/v1/config") => read(&held),
        (&Method::GET, "/admin/v1/status") => status(&held),
        (&Method::PUT, "/admin/v1/config") => {
            let asked = Write {
                if_match: header("if-match"),
                commit: header("moorline-commit"),
                origin: header("moorline-origin").unwrap_or_default(),
            };
            write(&mut held, asked, header("moorline-take-over").is_some(), &body)
        }
        _ => problem(&Problem::new(405, "malformed", "No such call", "GET and PUT /admin/v1/config.")),
    })
}

fn attestation(held: &Held) -> Option<Value> {
    let document = held.document.as_ref()?;
    Some(json!({
        "digest": Digest::of(document), "commit": "c0ffee", "generation": held.generation,
        "since": "2026-01-01T00:00:00Z", "origin": held.origin,
    }))
}

fn read(held: &Held) -> Response<Full<Bytes>> {
    let Some(document) = &held.document else {
        return problem(&Problem::new(404, "not-found", "Not found", "No document was declared yet."));
    };
    let digest = Digest::of(document);
    let body = json!({
        "digest": digest, "document": document, "attestation": attestation(held), "endpoint": "http://gateway.test:8787",
    });
    let mut response = json_response(StatusCode::OK, &body);
    response.headers_mut().insert("etag", format!("\"{digest}\"").parse().unwrap());
    response
}

fn status(held: &Held) -> Response<Full<Bytes>> {
    let body = json!({
        "instance": "i-1", "version": "0.1.0", "started": "2026-01-01T00:00:00Z", "stable": attestation(held),
    });
    json_response(StatusCode::OK, &body)
}

fn write(held: &mut Held, asked: Write, take_over: bool, body: &[u8]) -> Response<Full<Bytes>> {
    let document: Value = serde_json::from_slice(body).unwrap();
    if let Err(mistakes) = Config::from_value("request", &document) {
        let mut found =
            Problem::new(422, "invalid-document", "Invalid document", "The document has mistakes.");
        found.mistakes = mistakes.0;
        return problem(&found);
    }
    let now = held.document.as_ref().map(|document| format!("\"{}\"", Digest::of(document)));
    if asked.if_match.is_some() && asked.if_match != now {
        let detail = format!("{} serves.", now.unwrap_or_default());
        return problem(&Problem::new(412, "precondition-failed", "Precondition failed", detail));
    }
    if now.is_some() && held.origin != asked.origin && !take_over {
        let detail = format!("The document belongs to {}; {} may not write it.", held.origin, asked.origin);
        return problem(&Problem::new(409, "owned-by-another", "Owned by another", detail));
    }
    held.origin.clone_from(&asked.origin);
    held.writes.push(asked);
    held.generation += 1;
    held.document = Some(document);
    status(held)
}

fn problem(problem: &Problem) -> Response<Full<Bytes>> {
    json_response(StatusCode::from_u16(problem.status).unwrap(), &serde_json::to_value(problem).unwrap())
}

fn json_response(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response
}
