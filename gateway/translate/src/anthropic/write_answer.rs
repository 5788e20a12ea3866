//! A whole answer for a caller.

use super::usage;
use crate::arguments;
use crate::chat::{Answer, Part};
use crate::json::{self, Array};
use crate::matrix::Context;

/// Writes an answer.
pub(crate) fn write_answer(answer: &Answer, context: &Context) -> Vec<u8> {
    let has_refused = answer.parts.iter().any(|part| matches!(part, Part::Refusal(_)));
    let mut out = Vec::with_capacity(1024);
    json::object(&mut out, |o| {
        o.text("id", &format!("msg_{}", context.id));
        o.text("type", "message");
        o.text("role", "assistant");
        o.text("model", &context.model);
        o.array("content", |blocks| {
            let mut calls = 0;
            for part in &answer.parts {
                block(part, context, &mut calls, blocks);
            }
        });
        usage::write_stop(&answer.stop, has_refused, o);
        o.object("usage", |o| usage::write(&answer.usage.unwrap_or_default(), o));
    });
    out
}

fn block(part: &Part, context: &Context, calls: &mut usize, blocks: &mut Array<'_>) {
    match part {
        Part::Text(text) | Part::Refusal(text) => blocks.object(|o| {
            o.text("type", "text");
            o.text("text", text);
        }),
        Part::Reasoning { text, signature } => blocks.object(|o| {
            o.text("type", "thinking");
            o.text("thinking", text);
            o.text("signature", signature.as_deref().unwrap_or_default());
        }),
        Part::RedactedReasoning(data) => blocks.object(|o| {
            o.text("type", "redacted_thinking");
            o.text("data", data);
        }),
        Part::ToolCall { id, name, arguments } => {
            blocks.object(|o| {
                o.text("type", "tool_use");
                o.text("id", &context.call_id(id, *calls));
                o.text("name", name);
                o.raw("input", arguments::object(arguments).get());
            });
            *calls += 1;
        }
        // Said by callers only.
        Part::Image(_) | Part::ToolResult(_) => {}
    }
}
