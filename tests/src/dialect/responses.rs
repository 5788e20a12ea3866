//! OpenAI's other protocol: responses (platform.openai.com/docs/api-reference/responses,
//! …/responses-streaming). Nothing is kept: a conversation is sent whole each time.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::openai::{admit, arguments, error, words};
use super::{CITIES, MODEL, Memory, Refused, Reply, fragments, refuse, respond, streamed, text};

pub(super) async fn respond_to(
    State(memory): State<Arc<Memory>>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> Response {
    match admit(&headers, &request).and_then(|()| reply(&memory, &request)) {
        Ok(reply) if request["stream"] == true => streamed(events(&reply)),
        Ok(reply) => respond(StatusCode::OK, &response("completed", &items(&reply))),
        Err(refused) => error(refused),
    }
}

fn reply(memory: &Memory, request: &Value) -> Result<Reply, Refused> {
    if request.get("messages").is_some() || request.get("max_tokens").is_some() {
        return refuse("Unknown parameter: this is not a chat completion.");
    }
    let (prompt, results) = match &request["input"] {
        Value::String(prompt) => (prompt.clone(), Vec::new()),
        Value::Array(items) => {
            let prompt = items.iter().rev().find(|item| item["role"] == "user");
            (prompt.map(|message| text(&message["content"])).unwrap_or_default(), results(items)?)
        }
        _ => return refuse("input is missing"),
    };
    let Some(reply) = memory.reply(&prompt, results) else {
        return refuse(&format!("not understood: {prompt}"));
    };
    match reply {
        Reply::Refuse => refuse("the prompt is too long"),
        Reply::Limit => Err((StatusCode::TOO_MANY_REQUESTS, "tokens", "Rate limit reached.".to_owned())),
        // Flatter than in chats.
        Reply::CallTools if request["tools"][0]["parameters"]["properties"]["city"].is_null() => {
            refuse("tools is missing")
        }
        Reply::Structured if request["text"]["format"]["schema"]["properties"]["berths"].is_null() => {
            refuse("text.format is missing")
        }
        reply => Ok(reply),
    }
}

/// Results of tools, each an answer to a call before it.
fn results(items: &[Value]) -> Result<Vec<String>, Refused> {
    let (mut open, mut results): (Vec<&str>, Vec<String>) = (Vec::new(), Vec::new());
    for item in items {
        match item["type"].as_str() {
            Some("function_call") => open.extend(item["call_id"].as_str()),
            Some("function_call_output") => {
                let Some(at) = open.iter().position(|call| item["call_id"] == *call) else {
                    return refuse("No tool call found for function call output.");
                };
                open.remove(at);
                results.push(text(&item["output"]));
            }
            _ => {}
        }
    }
    if open.is_empty() { Ok(results) } else { refuse("No tool output found for function call.") }
}

fn message(status: &str, text: &str) -> Value {
    let content = json!([{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]);
    let content = if status == "completed" { content } else { json!([]) };
    json!({"id": "msg_67ccd2bf", "type": "message", "status": status, "role": "assistant", "content": content})
}

fn call(status: &str, number: usize, arguments: &str) -> Value {
    json!({
        "id": format!("fc_{number}67ccd2"), "type": "function_call", "status": status,
        "call_id": format!("call_{number}vXk2mQ7"), "name": "weather", "arguments": arguments,
    })
}

/// The items of an answer.
fn items(reply: &Reply) -> Vec<Value> {
    if *reply == Reply::CallTools {
        let calls = CITIES.iter().enumerate();
        return calls.map(|(number, city)| call("completed", number, &arguments(city))).collect();
    }
    vec![message("completed", &words(reply).concat())]
}

fn response(status: &str, output: &[Value]) -> Value {
    let usage = json!({
        "input_tokens": 17, "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 4, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 21,
    });
    let usage = if status == "completed" { usage } else { Value::Null };
    json!({
        "id": "resp_67ccd2bed1ec", "object": "response", "created_at": 1_764_000_000, "status": status,
        "error": null, "incomplete_details": null, "instructions": null, "max_output_tokens": null, "model": MODEL,
        "output": output, "parallel_tool_calls": true, "previous_response_id": null,
        "reasoning": {"effort": null, "summary": null}, "store": true, "temperature": 1.0,
        "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_p": 1.0,
        "truncation": "disabled", "usage": usage, "user": null, "metadata": {},
    })
}

fn events(reply: &Reply) -> Vec<String> {
    let mut events = vec![
        json!({"type": "response.created", "response": response("in_progress", &[])}),
        json!({"type": "response.in_progress", "response": response("in_progress", &[])}),
    ];
    if *reply == Reply::CallTools {
        for (number, city) in CITIES.iter().enumerate() {
            events.extend(call_events(number, &arguments(city)));
        }
    } else {
        events.extend(message_events(&words(reply)));
    }
    events.push(json!({"type": "response.completed", "response": response("completed", &items(reply))}));
    let numbered = events.into_iter().enumerate().map(|(number, mut event)| {
        event["sequence_number"] = number.into();
        format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())
    });
    numbered.collect()
}

fn message_events(words: &[String]) -> Vec<Value> {
    let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []});
    let at = |kind: &str, more: Value| {
        let mut event =
            json!({"type": kind, "item_id": "msg_67ccd2bf", "output_index": 0, "content_index": 0});
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    let item = |kind: &str, item: Value| json!({"type": kind, "output_index": 0, "item": item});
    let text = words.concat();
    let mut events = vec![
        item("response.output_item.added", message("in_progress", "")),
        at("response.content_part.added", json!({"part": part("")})),
    ];
    let delta = |word| at("response.output_text.delta", json!({"delta": word, "logprobs": []}));
    events.extend(words.iter().map(delta));
    events.extend([
        at("response.output_text.done", json!({"text": text, "logprobs": []})),
        at("response.content_part.done", json!({"part": part(&text)})),
        item("response.output_item.done", message("completed", &text)),
    ]);
    events
}

fn call_events(number: usize, arguments: &str) -> Vec<Value> {
    let id = format!("fc_{number}67ccd2");
    let item = |kind: &str, item: Value| json!({"type": kind, "output_index": number, "item": item});
    let delta = |piece| {
        let kind = "response.function_call_arguments.delta";
        json!({"type": kind, "item_id": id, "output_index": number, "delta": piece})
    };
    let mut events = vec![item("response.output_item.added", call("in_progress", number, ""))];
    events.extend(fragments(arguments).into_iter().map(delta));
    let done = "response.function_call_arguments.done";
    events.extend([
        json!({"type": done, "item_id": id, "output_index": number, "name": "weather", "arguments": arguments}),
        item("response.output_item.done", call("completed", number, arguments)),
    ]);
    events
}
