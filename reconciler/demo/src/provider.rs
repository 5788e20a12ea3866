//! A provider on this machine that speaks the OpenAI protocol: answers at once, JSON or stream, with usage.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The words it answers with, one a chunk when streaming.
const WORDS: [&str; 6] = ["All", " lines", " are", " fast", " and", " steady."];

/// Starts the provider on a free port of this machine; its base URL is `http://ADDRESS/v1`.
///
/// # Errors
/// The operating system's, when no port can be had.
pub async fn start(tasks: &TaskTracker, cancel: CancellationToken) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let router = Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/embeddings", post(embeddings))
        .route("/v1/models", get(models));
    tasks.spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(cancel.cancelled_owned()).await;
        if let Err(error) = served {
            tracing::warn!(error = &error as &dyn std::error::Error, "the demo's provider stopped");
        }
    });
    Ok(address)
}

async fn chat(Json(request): Json<Value>) -> Response {
    let Some(model) = request.get("model").and_then(Value::as_str) else {
        let error =
            json!({"error": {"message": "model is required", "type": "invalid_request_error", "code": null}});
        return (StatusCode::BAD_REQUEST, Json(error)).into_response();
    };
    let usage =
        json!({"prompt_tokens": 9, "completion_tokens": WORDS.len(), "total_tokens": 9 + WORDS.len()});
    if request.get("stream").and_then(Value::as_bool) != Some(true) {
        let message = json!({"role": "assistant", "content": WORDS.concat()});
        let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
        return Json(json!({
            "id": "chatcmpl-demo", "object": "chat.completion", "created": 0, "model": model,
            "choices": [choice], "usage": usage,
        }))
        .into_response();
    }
    let with_usage = request.pointer("/stream_options/include_usage").and_then(Value::as_bool) == Some(true);
    let chunk = |choices: Value, usage: Option<&Value>| {
        let mut chunk = json!({
            "id": "chatcmpl-demo", "object": "chat.completion.chunk", "created": 0, "model": model, "choices": choices,
        });
        if let Some(usage) = usage {
            chunk["usage"] = usage.clone();
        }
        format!("data: {chunk}\n\n")
    };
    let mut events: Vec<String> = WORDS
        .iter()
        .map(|word| chunk(json!([{"index": 0, "delta": {"content": word}, "finish_reason": null}]), None))
        .collect();
    events.push(chunk(json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]), None));
    if with_usage {
        events.push(chunk(json!([]), Some(&usage)));
    }
    events.push("data: [DONE]\n\n".to_owned());
    let body = Body::from_stream(stream::iter(events.into_iter().map(Ok::<_, Infallible>)));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

async fn embeddings(Json(request): Json<Value>) -> Response {
    Json(json!({
        "object": "list", "model": request.get("model"),
        "data": [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2, 0.3]}],
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }))
    .into_response()
}

async fn models() -> Response {
    Json(json!({"object": "list", "data": [{"id": "small-1", "object": "model"}]})).into_response()
}
