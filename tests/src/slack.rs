//! A stand-in for Slack's Web API: records what is posted and updated, and answers as Slack does.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, State};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::tasks::Tasks;

/// A call of the Web API.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// `chat.postMessage` or `chat.update`.
    pub method: String,
    /// What was sent.
    pub body: Value,
}

type Calls = Arc<Mutex<Vec<Call>>>;

#[derive(Debug)]
pub struct Slack {
    address: SocketAddr,
    calls: Calls,
    _tasks: Tasks,
}

impl Slack {
    /// Starts it on a free port.
    ///
    /// # Panics
    /// When there is none.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Calls::default();
        let router = Router::new().route("/{method}", post(answer)).with_state(Arc::clone(&calls));
        let tasks = Tasks::new();
        tasks.spawn(async move { drop(axum::serve(listener, router).await) });
        Self { address, calls, _tasks: tasks }
    }

    /// What `notifications.slack.api_url` is.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every call so far, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn answer(
    Path(method): Path<String>,
    State(calls): State<Calls>,
    Json(body): Json<Value>,
) -> Json<Value> {
    let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
    calls.push(Call { method, body: body.clone() });
    // Slack names a message by the time it was posted; an update keeps it.
    let ts = body["ts"].as_str().map_or_else(|| format!("1700000000.{:06}", calls.len()), str::to_owned);
    Json(json!({
        "ok": true, "channel": "C024BE91L", "ts": ts, "text": body["text"].as_str().unwrap_or_default(),
        "message": {"ts": ts, "text": body["text"].as_str().unwrap_or_default(), "type": "message"},
    }))
}
