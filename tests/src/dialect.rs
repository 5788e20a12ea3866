//! Providers as their documentation describes them, for callers that check: one that speaks OpenAI's protocol, one
//! that speaks Anthropic's. Both refuse what the real ones refuse (a wrong key, an unknown model, tool results that
//! answer no call), so that a client that gets through is right.
//!
//! What they answer is decided by the last prompt of the user: `say` (four words), `use tools` (two calls at once, then
//! the results of the tools), `structured` (JSON by schema), `refuse` (a 400), `limit always` and `limit once` (429 with
//! Retry-After; the second lets every other request through).

mod anthropic;
mod openai;
mod responses;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::gateway::PROVIDER_KEY;
use crate::tasks::Tasks;

/// The only model there is.
pub const MODEL: &str = "first";
/// What `say` is answered with, a piece each.
const WORDS: [&str; 4] = ["All ", "lines ", "are ", "fast."];
/// The cities of the two tool calls.
const CITIES: [&str; 2] = ["Bern", "Basel"];
/// What `structured` is answered with.
const BOAT: &str = r#"{"name":"Alma","berths":4}"#;

#[derive(Debug)]
pub struct Dialect {
    address: SocketAddr,
    _tasks: Tasks,
}

impl Dialect {
    /// Starts one that speaks OpenAI's protocol.
    ///
    /// # Panics
    /// When there is no port; this holds for all of this type.
    pub async fn openai() -> Self {
        Self::start(openai::routes(Arc::default())).await
    }

    /// Starts one that speaks Anthropic's.
    pub async fn anthropic() -> Self {
        Self::start(anthropic::routes(Arc::default())).await
    }

    async fn start(routes: Router) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let tasks = Tasks::new();
        tasks.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { address, _tasks: tasks }
    }

    /// `http://…`, without a path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// How a request is answered.
#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Say,
    CallTools,
    /// Repeats the results of the tools.
    RepeatResults(Vec<String>),
    Structured,
    Refuse,
    Limit,
}

/// What a provider remembers.
#[derive(Debug, Default)]
struct Memory {
    limited: AtomicU64,
}

impl Memory {
    /// The reply to a prompt. `None`: the prompt is not known.
    fn reply(&self, prompt: &str, results: Vec<String>) -> Option<Reply> {
        Some(match prompt {
            _ if !results.is_empty() => Reply::RepeatResults(results),
            "say" => Reply::Say,
            "use tools" => Reply::CallTools,
            "structured" => Reply::Structured,
            "refuse" => Reply::Refuse,
            "limit always" => Reply::Limit,
            "limit once" if self.limited.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) => Reply::Limit,
            "limit once" => Reply::Say,
            _ => return None,
        })
    }
}

/// Why a request is refused: status, kind and message, in the words that both protocols share.
type Refused = (StatusCode, &'static str, String);

fn refuse<T>(message: &str) -> Result<T, Refused> {
    Err((StatusCode::BAD_REQUEST, "invalid_request_error", message.to_owned()))
}

/// Text of a message, whether it is a string or blocks.
fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => blocks.iter().filter_map(|block| block["text"].as_str()).collect(),
        _ => String::new(),
    }
}

fn has_key(headers: &HeaderMap, name: &str, before: &str) -> bool {
    let given = headers.get(name).and_then(|value| value.to_str().ok());
    given.and_then(|given| given.strip_prefix(before)) == Some(PROVIDER_KEY)
}

fn respond(status: StatusCode, body: &Value) -> Response {
    let response = Response::builder().status(status).header("content-type", "application/json");
    let response = response.header("request-id", "req_011CSHoEeqs5C35K2UUqR7Fy");
    let is_limit = status == StatusCode::TOO_MANY_REQUESTS;
    let response = if is_limit { response.header("retry-after", "1") } else { response };
    response.body(Body::from(body.to_string())).unwrap()
}

/// A stream, an event a write.
fn streamed(events: Vec<String>) -> Response {
    let events = stream::iter(events).then(|event| async {
        tokio::task::yield_now().await;
        Ok::<_, std::io::Error>(Bytes::from(event))
    });
    let response = Response::builder().header("content-type", "text/event-stream; charset=utf-8");
    response.body(Body::from_stream(events)).unwrap()
}

/// Arguments in the pieces that providers send.
fn fragments(arguments: &str) -> Vec<&str> {
    let (begin, rest) = arguments.split_at(3);
    let (middle, end) = rest.split_at(rest.len() / 2);
    vec![begin, middle, end]
}
