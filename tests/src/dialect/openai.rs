//! OpenAI's protocol: chat completions, embeddings, models, and by its own module responses (platform.openai.com/docs/api-reference).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{
    BOAT, CITIES, MODEL, Memory, Refused, Reply, WORDS, fragments, has_key, refuse, respond, responses,
    streamed, text,
};

const VECTORS: [[f32; 2]; 2] = [[0.25, -1.0], [0.5, 2.0]];

pub(super) fn routes(memory: Arc<Memory>) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/responses", post(responses::respond_to))
        .route("/v1/embeddings", post(embeddings))
        .route("/v1/models", get(models))
        .with_state(memory)
}

async fn chat(State(memory): State<Arc<Memory>>, headers: HeaderMap, Json(request): Json<Value>) -> Response {
    match admit(&headers, &request).and_then(|()| reply(&memory, &request)) {
        Ok(reply) if request["stream"] == true => streamed(events(&reply, &request)),
        Ok(reply) => respond(StatusCode::OK, &whole(&reply)),
        Err(refused) => error(refused),
    }
}

pub(super) fn error((status, kind, message): Refused) -> Response {
    let code = match status {
        StatusCode::UNAUTHORIZED => json!("invalid_api_key"),
        StatusCode::NOT_FOUND => json!("model_not_found"),
        StatusCode::TOO_MANY_REQUESTS => json!("rate_limit_exceeded"),
        _ => Value::Null,
    };
    respond(status, &json!({"error": {"message": message, "type": kind, "param": null, "code": code}}))
}

pub(super) fn admit(headers: &HeaderMap, request: &Value) -> Result<(), Refused> {
    if !has_key(headers, "authorization", "Bearer ") {
        let message = "Incorrect API key provided.".to_owned();
        return Err((StatusCode::UNAUTHORIZED, "invalid_request_error", message));
    }
    if request["model"] != MODEL {
        let message = format!("The model `{}` does not exist.", request["model"]);
        return Err((StatusCode::NOT_FOUND, "invalid_request_error", message));
    }
    Ok(())
}

fn reply(memory: &Memory, request: &Value) -> Result<Reply, Refused> {
    let Some(messages) = request["messages"].as_array() else { return refuse("messages is missing") };
    let prompt = messages.iter().rev().find(|message| message["role"] == "user");
    let prompt = prompt.map(|message| text(&message["content"])).unwrap_or_default();
    let results = results(messages)?;
    let Some(reply) = memory.reply(&prompt, results) else {
        return refuse(&format!("not understood: {prompt}"));
    };
    match reply {
        Reply::Refuse => refuse("the prompt is too long"),
        Reply::Limit => Err((StatusCode::TOO_MANY_REQUESTS, "tokens", "Rate limit reached.".to_owned())),
        Reply::CallTools if request["tools"][0]["function"]["parameters"]["properties"]["city"].is_null() => {
            refuse("tools is missing")
        }
        Reply::Structured
            if request["response_format"]["json_schema"]["schema"]["properties"]["berths"].is_null() =>
        {
            refuse("response_format is missing")
        }
        reply => Ok(reply),
    }
}

/// Results of tools, each an answer to a call right before.
fn results(messages: &[Value]) -> Result<Vec<String>, Refused> {
    let (mut open, mut results): (Vec<&str>, Vec<String>) = (Vec::new(), Vec::new());
    for message in messages {
        if message["role"] == "tool" {
            let id = message["tool_call_id"].as_str().unwrap_or_default();
            let Some(at) = open.iter().position(|call| *call == id) else {
                return refuse("a message with role `tool` must answer a preceding tool call");
            };
            open.remove(at);
            results.push(text(&message["content"]));
        } else if open.is_empty() {
            let calls = message["tool_calls"].as_array().into_iter().flatten();
            open = calls.filter_map(|call| call["id"].as_str()).collect();
        } else {
            return refuse("tool calls must be followed by messages that answer each of them");
        }
    }
    Ok(results)
}

fn usage() -> Value {
    json!({
        "prompt_tokens": 17, "completion_tokens": 4, "total_tokens": 21,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    })
}

/// The words of an answer.
pub(super) fn words(reply: &Reply) -> Vec<String> {
    match reply {
        Reply::RepeatResults(results) => vec![format!("Results: {}.", results.join(", "))],
        Reply::Structured => vec![BOAT.to_owned()],
        _ => WORDS.map(str::to_owned).to_vec(),
    }
}

fn call(number: usize, arguments: &str) -> Value {
    json!({
        "id": format!("call_{number}vXk2mQ7"), "type": "function",
        "function": {"name": "weather", "arguments": arguments},
    })
}

pub(super) fn arguments(city: &str) -> String {
    json!({"city": city}).to_string()
}

fn whole(reply: &Reply) -> Value {
    let (mut message, mut finish) = (json!({"role": "assistant", "content": null, "refusal": null}), "stop");
    if *reply == Reply::CallTools {
        let calls = CITIES.iter().enumerate().map(|(number, city)| call(number, &arguments(city)));
        message["tool_calls"] = calls.collect();
        finish = "tool_calls";
    } else {
        message["content"] = words(reply).concat().into();
    }
    json!({
        "id": "chatcmpl-9vXk2mQ7", "object": "chat.completion", "created": 1_764_000_000, "model": MODEL,
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": finish}],
        "usage": usage(), "service_tier": "default", "system_fingerprint": "fp_44709d6fcb",
    })
}

fn events(reply: &Reply, request: &Value) -> Vec<String> {
    let includes_usage = request["stream_options"]["include_usage"] == true;
    let chunk = |choices: Value, usage: Value| {
        let mut chunk = json!({
            "id": "chatcmpl-9vXk2mQ7", "object": "chat.completion.chunk", "created": 1_764_000_000, "model": MODEL,
            "service_tier": "default", "system_fingerprint": "fp_44709d6fcb", "choices": choices,
        });
        if includes_usage {
            chunk["usage"] = usage;
        }
        format!("data: {chunk}\n\n")
    };
    let delta = |delta: Value, finish: Value| {
        let choice = json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]);
        chunk(choice, Value::Null)
    };
    let mut deltas = Vec::new();
    if *reply == Reply::CallTools {
        deltas.push(json!({"role": "assistant", "content": null}));
        for (number, city) in CITIES.iter().enumerate() {
            let mut begin = call(number, "");
            begin["index"] = number.into();
            deltas.push(json!({"tool_calls": [begin]}));
            for piece in fragments(&arguments(city)) {
                deltas.push(json!({"tool_calls": [{"index": number, "function": {"arguments": piece}}]}));
            }
        }
    } else {
        deltas.push(json!({"role": "assistant", "content": "", "refusal": null}));
        deltas.extend(words(reply).into_iter().map(|word| json!({"content": word})));
    }
    let finish = if *reply == Reply::CallTools { "tool_calls" } else { "stop" };
    let mut events: Vec<String> = deltas.into_iter().map(|content| delta(content, Value::Null)).collect();
    events.push(delta(json!({}), finish.into()));
    if includes_usage {
        events.push(chunk(json!([]), usage()));
    }
    events.push("data: [DONE]\n\n".to_owned());
    events
}

async fn embeddings(headers: HeaderMap, Json(request): Json<Value>) -> Response {
    if let Err(refused) = admit(&headers, &request) {
        return error(refused);
    }
    let inputs = request["input"].as_array().map_or(1, Vec::len);
    let vectors = VECTORS.iter().cycle().take(inputs).enumerate().map(|(index, vector)| {
        let embedding = if request["encoding_format"] == "base64" {
            let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
            json!(STANDARD.encode(bytes))
        } else {
            json!(vector)
        };
        json!({"object": "embedding", "index": index, "embedding": embedding})
    });
    let data: Vec<Value> = vectors.collect();
    let usage = json!({"prompt_tokens": inputs, "total_tokens": inputs});
    respond(StatusCode::OK, &json!({"object": "list", "data": data, "model": MODEL, "usage": usage}))
}

async fn models() -> Response {
    let model = json!({"id": MODEL, "object": "model", "created": 1_764_000_000, "owned_by": "tests"});
    respond(StatusCode::OK, &json!({"object": "list", "data": [model]}))
}
