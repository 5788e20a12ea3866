//! Anthropic's protocol: messages (docs.anthropic.com/en/api/messages, …/messages-streaming, …/errors).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{
    BOAT, CITIES, MODEL, Memory, Refused, Reply, WORDS, fragments, has_key, refuse, respond, streamed, text,
};

pub(super) fn routes(memory: Arc<Memory>) -> Router {
    Router::new().route("/v1/messages", post(messages)).with_state(memory)
}

async fn messages(
    State(memory): State<Arc<Memory>>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> Response {
    match admit(&headers, &request).and_then(|()| reply(&memory, &request)) {
        Ok(reply) if request["stream"] == true => streamed(events(&reply)),
        Ok(reply) => respond(StatusCode::OK, &message(&blocks(&reply), stop(&reply), 4)),
        Err((status, kind, message)) => {
            let error = json!({"type": kind, "message": message});
            let id = "req_011CSHoEeqs5C35K2UUqR7Fy";
            respond(status, &json!({"type": "error", "error": error, "request_id": id}))
        }
    }
}

fn admit(headers: &HeaderMap, request: &Value) -> Result<(), Refused> {
    // Today's SDKs show the key as a bearer token; `x-api-key` is the older way, which gateways use.
    if !has_key(headers, "x-api-key", "") && !has_key(headers, "authorization", "Bearer ") {
        return Err((StatusCode::UNAUTHORIZED, "authentication_error", "invalid x-api-key".to_owned()));
    }
    if headers.get("anthropic-version").is_none() {
        return refuse("anthropic-version: header is required");
    }
    if request["max_tokens"].as_u64().is_none_or(|tokens| tokens == 0) {
        return refuse("max_tokens: Field required");
    }
    if request["model"] != MODEL {
        return Err((StatusCode::NOT_FOUND, "not_found_error", format!("model: {}", request["model"])));
    }
    Ok(())
}

fn reply(memory: &Memory, request: &Value) -> Result<Reply, Refused> {
    let Some(messages) = request["messages"].as_array() else { return refuse("messages: Field required") };
    if messages.iter().any(|message| message["role"] != "user" && message["role"] != "assistant") {
        return refuse("messages: Unexpected role. The system prompt is the parameter `system`.");
    }
    let prompt = messages
        .iter()
        .rev()
        .find(|message| message["role"] == "user" && !text(&message["content"]).is_empty());
    let prompt = prompt.map(|message| text(&message["content"])).unwrap_or_default();
    let results = results(messages)?;
    let Some(reply) = memory.reply(&prompt, results) else {
        return refuse(&format!("not understood: {prompt}"));
    };
    match reply {
        Reply::Refuse => refuse("prompt is too long"),
        Reply::Limit => {
            let message = "This request would exceed your rate limit.".to_owned();
            Err((StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", message))
        }
        Reply::CallTools if request["tools"][0]["input_schema"]["properties"]["city"].is_null() => {
            refuse("tools: Field required")
        }
        Reply::Structured
            if request["output_config"]["format"]["schema"]["properties"]["berths"].is_null() =>
        {
            refuse("output_config: Field required")
        }
        reply => Ok(reply),
    }
}

fn of_type<'a>(message: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    message["content"].as_array().into_iter().flatten().filter(move |block| block["type"] == kind)
}

/// Results of tools: all of them in the message after the calls, each an answer to one.
fn results(messages: &[Value]) -> Result<Vec<String>, Refused> {
    let mut results = Vec::new();
    let before = std::iter::once(&Value::Null).chain(messages);
    for (before, message) in before.zip(messages) {
        let mut called: Vec<&str> =
            of_type(before, "tool_use").filter_map(|call| call["id"].as_str()).collect();
        let mut answered: Vec<&str> =
            of_type(message, "tool_result").filter_map(|result| result["tool_use_id"].as_str()).collect();
        called.sort_unstable();
        answered.sort_unstable();
        if called != answered {
            return refuse("each `tool_use` block must have a `tool_result` block in the next message");
        }
        results.extend(of_type(message, "tool_result").map(|result| text(&result["content"])));
    }
    Ok(results)
}

fn blocks(reply: &Reply) -> Vec<Value> {
    let text = |text: String| vec![json!({"type": "text", "text": text})];
    match reply {
        Reply::CallTools => {
            CITIES.iter().enumerate().map(|(number, city)| call(number, &json!({"city": city}))).collect()
        }
        Reply::RepeatResults(results) => text(format!("Results: {}.", results.join(", "))),
        Reply::Structured => text(BOAT.to_owned()),
        _ => text(WORDS.concat()),
    }
}

fn call(number: usize, input: &Value) -> Value {
    json!({"type": "tool_use", "id": format!("toolu_0{number}A09q90qw90lq"), "name": "weather", "input": input})
}

const fn stop(reply: &Reply) -> &'static str {
    if matches!(reply, Reply::CallTools) { "tool_use" } else { "end_turn" }
}

fn message(content: &[Value], stop: impl Into<Value>, output: u32) -> Value {
    json!({
        "id": "msg_01XFDUDYJgAACzvnptvVoYEL", "type": "message", "role": "assistant", "model": MODEL,
        "content": content, "stop_reason": stop.into(), "stop_sequence": null,
        "usage": {
            "input_tokens": 17, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": output,
        },
    })
}

fn events(reply: &Reply) -> Vec<String> {
    let mut events = vec![json!({"type": "message_start", "message": message(&[], Value::Null, 1)})];
    for (index, block) in blocks(reply).into_iter().enumerate() {
        let (begin, deltas) = if *reply == Reply::CallTools {
            let arguments = block["input"].to_string();
            let pieces = fragments(&arguments).into_iter();
            let deltas: Vec<Value> =
                pieces.map(|piece| json!({"type": "input_json_delta", "partial_json": piece})).collect();
            (call(index, &json!({})), deltas)
        } else {
            let words = if *reply == Reply::Say {
                WORDS.to_vec()
            } else {
                vec![block["text"].as_str().unwrap_or_default()]
            };
            let deltas = words.into_iter().map(|word| json!({"type": "text_delta", "text": word})).collect();
            (json!({"type": "text", "text": ""}), deltas)
        };
        events.push(json!({"type": "content_block_start", "index": index, "content_block": begin}));
        if index == 0 {
            events.push(json!({"type": "ping"}));
        }
        events.extend(
            deltas
                .into_iter()
                .map(|delta| json!({"type": "content_block_delta", "index": index, "delta": delta})),
        );
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    let delta = json!({"stop_reason": stop(reply), "stop_sequence": null});
    events.push(json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 4}}));
    events.push(json!({"type": "message_stop"}));
    events
        .into_iter()
        .map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()))
        .collect()
}
