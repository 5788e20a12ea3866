//! The recorded answers and streams of each provider, as each caller gets them; and what a caller sends back in its
//! next turn, as the provider gets it.

use moorline_translate::matrix::{self, Context};
use moorline_translate::{Caller, Stream};
use serde_json::{Value, json};

use crate::providers::{PROVIDERS, Provider};
use crate::{files, golden, pretty};

const CALLERS: [(&str, Caller); 3] = [
    ("openai_chat", Caller::OpenAiChat),
    ("responses", Caller::OpenAiResponses),
    ("messages", Caller::AnthropicMessages),
];

/// The context of a question.
fn context(provider: &Provider, caller: Caller, stream: bool) -> Context {
    let said = json!([{"role": "user", "content": "Hello"}]);
    let asked = match caller {
        Caller::OpenAiChat if stream => {
            json!({"messages": said, "stream": true, "stream_options": {"include_usage": true}})
        }
        Caller::OpenAiChat => json!({"messages": said}),
        Caller::OpenAiResponses => json!({"input": "Hello", "store": false, "stream": stream}),
        Caller::AnthropicMessages => json!({"messages": said, "max_tokens": 100, "stream": stream}),
    };
    let asked = asked.to_string();
    let created = 1_767_225_600;
    matrix::request(caller, provider.wire, asked.as_bytes(), provider.model, "house-model", "0198f2", created)
        .unwrap()
        .context
}

#[test]
fn every_answer_reaches_every_caller_as_recorded() {
    for provider in &PROVIDERS {
        for (name, path) in files("answers", &format!(".{}.json", provider.name)) {
            let said = std::fs::read(path).unwrap();
            for (caller_name, caller) in CALLERS {
                let text = match matrix::answer(&context(provider, caller, false), &said) {
                    Ok(answer) => format!("{:?}\n{}", answer.tokens, pretty(&answer.body)),
                    Err(error) => format!("unreadable: {error}"),
                };
                golden("answers", &format!("{name}.{}.{caller_name}", provider.name), &text);
            }
        }
    }
}

/// Whether a stream keeps to the order that Anthropic's clients insist on: one start; blocks numbered one after the
/// other, each opened, filled with what its kind takes and closed before the next; then the stop and the end.
fn grammatical(name: &str, stream: &str) {
    let (mut started, mut blocks, mut open, mut stopped, mut ended) =
        (false, 0, None::<String>, false, false);
    for event in stream.split("\n\n").filter(|event| !event.is_empty()) {
        let (kind, data) = event.split_once("\ndata: ").unwrap_or_else(|| panic!("{name}: {event}"));
        let data: Value = serde_json::from_str(data).unwrap();
        let kind = kind.strip_prefix("event: ").unwrap();
        assert_eq!(data["type"], kind, "{name}");
        assert!(!ended && (started || kind == "message_start" || kind == "error"), "{name}: {event}");
        match kind {
            "message_start" => {
                assert!(!std::mem::replace(&mut started, true), "{name}: a second start");
                assert!(data["message"]["usage"]["input_tokens"].is_u64(), "{name}: {event}");
            }
            "content_block_start" => {
                assert!(open.is_none() && !stopped && data["index"] == blocks, "{name}: {event}");
                let block = &data["content_block"];
                assert!(block["type"] != "tool_use" || block["input"] == json!({}), "{name}: {event}");
                open = Some(block["type"].as_str().unwrap().to_owned());
            }
            "content_block_delta" => {
                let takes = match open.as_deref() {
                    Some("text") => &["text_delta", "citations_delta"][..],
                    Some("tool_use") => &["input_json_delta"],
                    Some("thinking") => &["thinking_delta", "signature_delta"],
                    _ => &[],
                };
                let delta = data["delta"]["type"].as_str().unwrap();
                assert!(takes.contains(&delta) && data["index"] == blocks, "{name}: {event}");
            }
            "content_block_stop" => {
                assert!(open.take().is_some() && data["index"] == blocks, "{name}: {event}");
                blocks += 1;
            }
            "message_delta" => {
                assert!(open.is_none() && !std::mem::replace(&mut stopped, true), "{name}: {event}");
                assert!(data["delta"]["stop_reason"].is_string(), "{name}: {event}");
            }
            "message_stop" => {
                assert!(stopped, "{name}: {event}");
                ended = true;
            }
            "ping" => {}
            "error" => ended = true,
            other => panic!("{name}: {other}"),
        }
    }
    assert!(ended, "{name} has no end");
}

#[test]
fn every_stream_reaches_every_caller_as_recorded() {
    for provider in &PROVIDERS {
        for (name, path) in files("streams", &format!(".{}.txt", provider.name)) {
            let bytes = (provider.stream)(&std::fs::read_to_string(path).unwrap());
            for (caller_name, caller) in CALLERS {
                let streamed = |pieces: &[&[u8]]| {
                    let (mut stream, mut out) = (Stream::new(context(provider, caller, true)), Vec::new());
                    pieces.iter().for_each(|piece| stream.feed(piece, &mut out).unwrap());
                    stream.end(&mut out).unwrap();
                    let state = (stream.is_done(), stream.has_failed(), stream.tokens());
                    (state, String::from_utf8(out).unwrap())
                };
                let whole = streamed(&[&bytes]);
                let text = format!("done, failed, tokens: {:?}\n{}", whole.0, whole.1);
                golden("streams", &format!("{name}.{}.{caller_name}", provider.name), &text);
                assert!(whole.0.0 != whole.0.1, "{name}: done or failed, and not both");
                if caller == Caller::AnthropicMessages {
                    grammatical(&format!("{name}.{}", provider.name), &whole.1);
                }
                assert_eq!(streamed(&bytes.chunks(1).collect::<Vec<_>>()), whole, "{name} byte by byte");
            }
        }
    }
}

/// The next turn of an OpenAI Chat caller that sends the message back as it came.
fn next_chat(answer: &Value) -> Value {
    let message = &answer["choices"][0]["message"];
    let calls = message["tool_calls"].as_array().unwrap().iter();
    let results = calls.map(|call| json!({"role": "tool", "tool_call_id": call["id"], "content": "7"}));
    let messages =
        [json!({"role": "user", "content": "Weather?"}), message.clone()].into_iter().chain(results);
    let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
    json!({"model": "m", "messages": messages.collect::<Vec<_>>(), "tools": [tool("weather"), tool("time")]})
}

/// The next turn of an Anthropic caller that sends the contents back as they came.
fn next_messages(answer: &Value) -> Value {
    let calls = answer["content"].as_array().unwrap().iter().filter(|block| block["type"] == "tool_use");
    let results = calls.map(|call| json!({"type": "tool_result", "tool_use_id": call["id"], "content": "7"}));
    let tool = |name: &str| json!({"name": name, "input_schema": {"type": "object"}});
    json!({
        "model": "m", "max_tokens": 100, "tools": [tool("weather"), tool("time")],
        "messages": [
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": answer["content"]},
            {"role": "user", "content": results.collect::<Vec<_>>()},
        ],
    })
}

/// The next turn of a Responses caller that sends the items back as they came.
fn next_responses(answer: &Value) -> Value {
    let items = answer["output"].as_array().unwrap();
    let calls = items.iter().filter(|item| item["type"] == "function_call");
    let results =
        calls.map(|call| json!({"type": "function_call_output", "call_id": call["call_id"], "output": "7"}));
    let question = json!({"type": "message", "role": "user", "content": "Weather?"});
    let input = std::iter::once(question).chain(items.iter().cloned()).chain(results);
    let tool = |name: &str| json!({"type": "function", "name": name});
    json!({"model": "m", "store": false, "input": input.collect::<Vec<_>>(), "tools": [tool("weather"), tool("time")]})
}

/// What the provider must get back: each call's thoughts and signature, and the results after the calls.
#[test]
fn thoughts_and_calls_survive_the_way_to_every_caller_and_back() {
    for provider in &PROVIDERS {
        let (_, path) = files("answers", &format!("tools.{}.json", provider.name)).pop().unwrap();
        let said = std::fs::read(path).unwrap();
        for (name, caller) in CALLERS {
            let answer = matrix::answer(&context(provider, caller, false), &said).unwrap();
            let answer = serde_json::from_slice(&answer.body).unwrap();
            let next = match caller {
                Caller::OpenAiChat => next_chat(&answer),
                Caller::AnthropicMessages => next_messages(&answer),
                Caller::OpenAiResponses => next_responses(&answer),
            };
            let model = provider.thinking_model;
            let asked = next.to_string();
            let outgoing =
                matrix::request(caller, provider.wire, asked.as_bytes(), model, "m", "0198f3", 0).unwrap();
            golden("answers", &format!("tools.{}.{name}.back", provider.name), &pretty(&outgoing.body));
            let body = String::from_utf8(outgoing.body).unwrap();
            assert!(!body.contains("skip_thought_signature_validator"), "{name}: {body}");
            for kept in provider.kept {
                assert!(body.contains(kept), "{} {name}: {kept} is lost in {body}", provider.name);
            }
        }
    }
}
