//! A whole answer for a caller.

use super::usage;
use crate::chat::{Answer, Part};
use crate::json::{self, Object};
use crate::matrix::Context;

/// Writes an answer.
pub(crate) fn write_answer(answer: &Answer, context: &Context) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    json::object(&mut out, |o| {
        o.text("id", &format!("chatcmpl-{}", context.id));
        o.text("object", "chat.completion");
        o.number("created", context.created.max(0).unsigned_abs());
        o.text("model", &context.model);
        o.array("choices", |choices| {
            choices.object(|choice| {
                choice.number("index", 0);
                choice.object("message", |m| message(&answer.parts, context, m));
                choice.null("logprobs");
                choice.text("finish_reason", usage::finish_reason(&answer.stop));
            });
        });
        if let Some(used) = &answer.usage {
            o.object("usage", |o| usage::write(used, o));
        }
    });
    out
}

fn message(parts: &[Part], context: &Context, o: &mut Object<'_>) {
    let texts = |pick: fn(&Part) -> Option<&str>| {
        let mut texts = parts.iter().filter_map(pick).peekable();
        texts.peek().is_some().then(|| texts.collect::<String>())
    };
    let text = texts(|part| match part {
        Part::Text(text) => Some(text),
        _ => None,
    });
    let refusal = texts(|part| match part {
        Part::Refusal(text) => Some(text),
        _ => None,
    });
    let thoughts = texts(|part| match part {
        Part::Reasoning { text, .. } => Some(text).filter(|text| !text.is_empty()).map(String::as_str),
        _ => None,
    });
    let calls_tools = parts.iter().any(|part| matches!(part, Part::ToolCall { .. }));
    o.text("role", "assistant");
    // An answer that says nothing is still an answer: clients expect a string.
    let empty = (refusal.is_none() && !calls_tools).then_some("");
    o.text_or_null("content", text.as_deref().or(empty));
    o.text_or_null("refusal", refusal.as_deref());
    if let Some(thoughts) = thoughts {
        o.text("reasoning_content", &thoughts);
    }
    thinking_blocks(parts, o);
    if calls_tools {
        tool_calls(parts, context, o);
    }
}

/// The thoughts that must come back unchanged in the next turn.
fn thinking_blocks(parts: &[Part], o: &mut Object<'_>) {
    let is_signed =
        |part: &Part| matches!(part, Part::Reasoning { signature: Some(_), .. } | Part::RedactedReasoning(_));
    if !parts.iter().any(is_signed) {
        return;
    }
    o.array("thinking_blocks", |blocks| {
        for part in parts {
            match part {
                Part::Reasoning { text, signature } => {
                    blocks.object(|block| thinking_block(text, signature.as_deref(), block));
                }
                Part::RedactedReasoning(data) => blocks.object(|block| redacted_block(data, block)),
                _ => {}
            }
        }
    });
}

pub(super) fn thinking_block(text: &str, signature: Option<&str>, block: &mut Object<'_>) {
    block.text("type", "thinking");
    block.text("thinking", text);
    if let Some(signature) = signature {
        block.text("signature", signature);
    }
}

pub(super) fn redacted_block(data: &str, block: &mut Object<'_>) {
    block.text("type", "redacted_thinking");
    block.text("data", data);
}

fn tool_calls(parts: &[Part], context: &Context, o: &mut Object<'_>) {
    let calls = parts.iter().filter_map(|part| match part {
        Part::ToolCall { id, name, arguments } => Some((id, name, arguments)),
        _ => None,
    });
    o.array("tool_calls", |list| {
        for (number, (id, name, arguments)) in calls.enumerate() {
            list.object(|call| {
                call.text("id", &context.call_id(id, number));
                call.text("type", "function");
                call.object("function", |function| {
                    function.text("name", name);
                    function.text("arguments", if arguments.is_empty() { "{}" } else { arguments });
                });
            });
        }
    });
}
