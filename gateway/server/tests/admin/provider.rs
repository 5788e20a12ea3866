//! A provider that notes which key each request came with, and answers each with a completion.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use http::HeaderMap;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::harness::{DEADLINE, Gateway};
use crate::serving::Serving;

/// The key of callers in [`Provider::document`].
pub(crate) const CALLER: &str = "vk-caller-marker-4716";

type Keys = Arc<Mutex<Vec<String>>>;

/// A running provider.
pub(crate) struct Provider {
    keys: Keys,
    serving: Serving,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let keys = Keys::default();
        let router = Router::new().route("/v1/chat/completions", post(answer)).with_state(Arc::clone(&keys));
        Self { keys, serving: Serving::start(router).await }
    }

    /// The keys of all requests so far.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.keys.lock().unwrap().clone()
    }

    /// A document with a model for each reference, all served here.
    pub(crate) fn document(&self, references: &[(&str, &str)]) -> Value {
        let of = |make: &dyn Fn(&str, &str) -> Value| -> serde_json::Map<String, Value> {
            references.iter().map(|(name, reference)| ((*name).to_owned(), make(name, reference))).collect()
        };
        let base_url = format!("{}/v1", self.serving.url);
        json!({
            "version": 1,
            "name": "g",
            "providers": of(&|_, reference| {
                json!({"kind": "openai_compatible", "base_url": base_url, "api_key": reference})
            }),
            "models": of(&|name, _| json!({"targets": [{"provider": name, "model": "m"}]})),
            "routes": [{"path": "/v1/chat/*"}],
            "keys": [{"name": "team", "sha256": hex::encode(Sha256::digest(CALLER))}],
        })
    }
}

async fn answer(State(keys): State<Keys>, headers: HeaderMap) -> Json<Value> {
    let key = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    keys.lock().unwrap().push(key.trim_start_matches("Bearer ").to_owned());
    Json(json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "pong"}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }))
}

/// Asks a model; the status.
pub(crate) async fn ask(http: &reqwest::Client, gateway: &Gateway, model: &str) -> u16 {
    let body = json!({"model": model, "messages": [{"role": "user", "content": "ping"}]});
    let request = http
        .post(format!("{}/v1/chat/completions", gateway.data))
        .bearer_auth(CALLER)
        .timeout(DEADLINE)
        .json(&body);
    request.send().await.unwrap().status().as_u16()
}
