//! The response object, which frames every answer and several events.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::chat::{Stop, Usage};
use crate::json::{self, Object};
use crate::matrix::Context;

/// What a response says of its request.
#[derive(Deserialize)]
struct Echo<'a> {
    #[serde(borrow)]
    instructions: Option<&'a RawValue>,
    #[serde(borrow)]
    max_output_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    parallel_tool_calls: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow)]
    safety_identifier: Option<&'a RawValue>,
    #[serde(borrow)]
    temperature: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_choice: Option<&'a RawValue>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    top_p: Option<&'a RawValue>,
    #[serde(borrow)]
    user: Option<&'a RawValue>,
}

/// The members of a response that say again what its request said, or what stands for what it did not say.
pub(crate) fn echo(body: &[u8]) -> Vec<u8> {
    let Ok(echo) = serde_json::from_slice::<Echo<'_>>(body) else { return Vec::new() };
    let members = [
        ("instructions", echo.instructions, "null"),
        ("max_output_tokens", echo.max_output_tokens, "null"),
        ("metadata", echo.metadata, "{}"),
        ("parallel_tool_calls", echo.parallel_tool_calls, "true"),
        ("reasoning", echo.reasoning, r#"{"effort":null,"summary":null}"#),
        ("safety_identifier", echo.safety_identifier, "null"),
        ("temperature", echo.temperature, "1.0"),
        ("text", echo.text, r#"{"format":{"type":"text"}}"#),
        ("tool_choice", echo.tool_choice, "\"auto\""),
        ("tools", echo.tools, "[]"),
        ("top_p", echo.top_p, "1.0"),
        ("user", echo.user, "null"),
    ];
    let mut out = Vec::new();
    json::object(&mut out, |o| {
        for (key, said, unsaid) in members {
            o.raw(key, said.map(RawValue::get).filter(|said| *said != "null").unwrap_or(unsaid));
        }
    });
    // Without its braces it is members of another object.
    out.pop();
    if !out.is_empty() {
        out.remove(0);
    }
    out
}

/// Where a response stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Status<'a> {
    InProgress,
    Completed,
    Incomplete(&'static str),
    Failed { code: &'a str, message: &'a str },
}

impl Status<'_> {
    /// What the end of an answer means. A refusal that stands in the answer is an answer.
    pub(super) const fn of(stop: &Stop, has_refused: bool) -> Self {
        match stop {
            Stop::Length => Self::Incomplete("max_output_tokens"),
            Stop::Refusal if !has_refused => Self::Incomplete("content_filter"),
            Stop::End | Stop::Sequence(_) | Stop::ToolCalls | Stop::Refusal | Stop::Pause => Self::Completed,
        }
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete(_) => "incomplete",
            Self::Failed { .. } => "failed",
        }
    }
}

/// Writes the members of a response; `output` is its items, written, with commas between them.
pub(super) fn write(
    context: &Context,
    status: Status<'_>,
    output: &[u8],
    usage: Option<&Usage>,
    o: &mut Object<'_>,
) {
    o.text("id", &format!("resp_{}", context.id));
    o.text("object", "response");
    o.number("created_at", context.created.max(0).unsigned_abs());
    o.text("status", status.word());
    o.boolean("background", false);
    match status {
        Status::Failed { code, message } => o.object("error", |o| {
            o.text("code", code);
            o.text("message", message);
        }),
        Status::InProgress | Status::Completed | Status::Incomplete(_) => o.null("error"),
    }
    match status {
        Status::Incomplete(reason) => o.object("incomplete_details", |o| o.text("reason", reason)),
        Status::InProgress | Status::Completed | Status::Failed { .. } => o.null("incomplete_details"),
    }
    o.text("model", &context.model);
    let place = o.key("output");
    place.push(b'[');
    place.extend_from_slice(output);
    place.push(b']');
    o.null("previous_response_id");
    o.boolean("store", false);
    o.text("truncation", "disabled");
    o.members(&context.echo);
    match usage {
        Some(usage) => o.object("usage", |o| write_usage(usage, o)),
        None => o.null("usage"),
    }
}

fn write_usage(usage: &Usage, o: &mut Object<'_>) {
    o.number("input_tokens", usage.input);
    o.object("input_tokens_details", |o| {
        o.number("cached_tokens", usage.cached_input);
        o.number("cache_write_tokens", usage.cache_written);
    });
    o.number("output_tokens", usage.output);
    o.object("output_tokens_details", |o| o.number("reasoning_tokens", usage.reasoning));
    o.number("total_tokens", usage.input.saturating_add(usage.output));
}
