//! A whole answer for a caller.

use super::items::{self, Kind};
use super::object::{self, Status};
use crate::chat::{Answer, Part};
use crate::json::{self, Object};
use crate::matrix::Context;

/// Writes an answer. Each part is an item.
pub(crate) fn write_answer(answer: &Answer, context: &Context) -> Vec<u8> {
    let mut output = Vec::with_capacity(1024);
    let (mut number, mut calls) = (0, 0);
    for part in &answer.parts {
        let kind = match part {
            Part::Text(_) => Kind::Message,
            Part::Refusal(_) => Kind::Refusal,
            Part::Reasoning { .. } => Kind::Reasoning,
            Part::RedactedReasoning(_) => Kind::Redacted,
            Part::ToolCall { .. } => Kind::Call,
            // Said by callers only.
            Part::Image(_) | Part::ToolResult(_) => continue,
        };
        if number > 0 {
            output.push(b',');
        }
        json::object(&mut output, |o| item(part, kind, &kind.id(&context.id, number), context, calls, o));
        number += 1;
        calls += usize::from(kind == Kind::Call);
    }
    let has_refused = answer.parts.iter().any(|part| matches!(part, Part::Refusal(_)));
    let status = Status::of(&answer.stop, has_refused);
    let mut out = Vec::with_capacity(output.len() + context.echo.len() + 512);
    json::object(&mut out, |o| object::write(context, status, &output, answer.usage.as_ref(), o));
    out
}

fn item(part: &Part, kind: Kind, id: &str, context: &Context, calls: usize, o: &mut Object<'_>) {
    match part {
        Part::Text(text) | Part::Refusal(text) => items::message(id, kind, Some(text), "completed", o),
        Part::Reasoning { text, signature } => items::reasoning(id, text, signature.as_deref(), o),
        Part::RedactedReasoning(data) => items::redacted(id, data, o),
        Part::ToolCall { id: call_id, name, arguments } => {
            let arguments = if arguments.is_empty() { "{}" } else { arguments };
            items::call(id, &context.call_id(call_id, calls), name, arguments, "completed", o);
        }
        Part::Image(_) | Part::ToolResult(_) => {}
    }
}
