//! A request to a provider.
//!
//! What the protocol has no word for is left out and named: `top_k`, thoughts of earlier turns, that a tool failed (its
//! result says so in words). Two things depend on the model, and its name tells: OpenAI's own models take
//! `max_completion_tokens` where others know `max_tokens`, and those before GPT-5 that do not think refuse
//! `reasoning_effort`.

use std::borrow::Cow;

use crate::chat::{
    Effort, Message, Output, Part, Reasoning, Request, Role, Tool, ToolChoice, ToolResult, Untranslatable,
};
use crate::json::{self, Array, Object};
use crate::read::image_url;

/// The longest name of a user that OpenAI takes (`user`, `safety_identifier`).
const USER_CHARS_MAX: usize = 64;

/// Writes a request.
pub(crate) fn write_request(request: &mut Request) -> Result<Vec<u8>, Untranslatable> {
    drop_unsayable(request);
    let request = &*request;
    let mut out = Vec::with_capacity(4096);
    json::object(&mut out, |o| {
        o.text("model", &request.model);
        o.array("messages", |list| messages(request, list));
        if request.stream {
            o.boolean("stream", true);
            o.object("stream_options", |o| o.boolean("include_usage", true));
        }
        if let Some(max) = request.tokens_max {
            let key = if is_openai_s(&request.model) { "max_completion_tokens" } else { "max_tokens" };
            o.number(key, max);
        }
        sampling(request, o);
        tools(request, o);
        output(&request.output, o);
        if let Some(effort) = effort(request.reasoning) {
            o.text("reasoning_effort", effort);
        }
        if let Some(user) = &request.user {
            o.text("user", user);
        }
    });
    Ok(out)
}

fn drop_unsayable(request: &mut Request) {
    if request.sampling.top_k.take().is_some() {
        request.drop_field("top_k");
    }
    if request.user.as_ref().is_some_and(|user| user.chars().count() > USER_CHARS_MAX) {
        request.user = None;
        request.drop_field("user");
    }
    // What a model does that is not told, and not all can be told not to.
    let is_off = request.reasoning == Some(Reasoning::Off);
    if request.reasoning.is_some() && (is_off || !may_think(&request.model)) {
        request.reasoning = None;
        request.drop_field("reasoning");
    }
    let parts = || request.messages.iter().flat_map(|message| &message.parts);
    let thought = parts().any(|part| matches!(part, Part::Reasoning { .. } | Part::RedactedReasoning(_)));
    let failed = parts().any(|part| matches!(part, Part::ToolResult(result) if result.is_error));
    if thought {
        request.drop_field("thinking");
    }
    if failed {
        request.drop_field("is_error");
    }
}

/// Whether the name is one of OpenAI's own models.
fn is_openai_s(model: &str) -> bool {
    let numbered = |prefix: &str| {
        model.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    numbered("gpt-") || numbered("o") || model.starts_with("chatgpt")
}

/// Whether the model takes `reasoning_effort`, as far as its name tells.
fn may_think(model: &str) -> bool {
    !["gpt-3", "gpt-4", "chatgpt"].iter().any(|prefix| model.starts_with(prefix))
}

/// The word for how much to think.
const fn effort(reasoning: Option<Reasoning>) -> Option<&'static str> {
    Some(match reasoning {
        None | Some(Reasoning::Off) => return None,
        Some(Reasoning::Effort(effort)) => match effort {
            Effort::Minimal => "minimal",
            Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::High => "high",
            Effort::XHigh => "xhigh",
            Effort::Max => "max",
        },
        Some(Reasoning::Budget(tokens)) => match tokens {
            0..=2_048 => "low",
            2_049..=8_192 => "medium",
            _ => "high",
        },
    })
}

fn messages(request: &Request, list: &mut Array<'_>) {
    for text in &request.instructions {
        list.object(|message| {
            message.text("role", "system");
            message.text("content", text);
        });
    }
    for message in &request.messages {
        match message.role {
            Role::User => user(message, list),
            Role::Assistant => list.object(|o| assistant(message, o)),
        }
    }
}

/// A user's message. Results of tools are messages of their own and stand first; images in them, which the protocol
/// does not know there, move to the user's own part.
fn user(message: &Message, list: &mut Array<'_>) {
    let mut own: Vec<&Part> = Vec::new();
    for part in &message.parts {
        if let Part::ToolResult(result) = part {
            list.object(|o| tool_result(result, o));
            own.extend(result.parts.iter().filter(|part| matches!(part, Part::Image(_))));
        } else {
            own.push(part);
        }
    }
    if own.is_empty() {
        return;
    }
    list.object(|o| {
        o.text("role", "user");
        if let [Part::Text(text)] = own.as_slice() {
            return o.text("content", text);
        }
        o.array("content", |parts| own.iter().for_each(|part| content(part, parts)));
    });
}

fn content(part: &Part, parts: &mut Array<'_>) {
    match part {
        Part::Text(text) => parts.object(|o| {
            o.text("type", "text");
            o.text("text", text);
        }),
        Part::Image(image) => parts.object(|o| {
            o.text("type", "image_url");
            o.object("image_url", |o| o.text("url", &image_url(image)));
        }),
        // Said by the model only.
        Part::ToolCall { .. }
        | Part::ToolResult(_)
        | Part::Reasoning { .. }
        | Part::RedactedReasoning(_)
        | Part::Refusal(_) => {}
    }
}

fn tool_result(result: &ToolResult, o: &mut Object<'_>) {
    o.text("role", "tool");
    o.text("tool_call_id", &result.call_id);
    o.text("content", &joined(&result.parts, "\n"));
}

/// All texts of some parts.
fn joined<'a>(parts: &'a [Part], separator: &str) -> Cow<'a, str> {
    let mut texts = parts.iter().filter_map(|part| match part {
        Part::Text(text) => Some(text.as_str()),
        _ => None,
    });
    let first = texts.next().unwrap_or_default();
    let Some(second) = texts.next() else { return Cow::Borrowed(first) };
    let mut all = first.to_owned();
    for text in std::iter::once(second).chain(texts) {
        all.push_str(separator);
        all.push_str(text);
    }
    Cow::Owned(all)
}

fn assistant(message: &Message, o: &mut Object<'_>) {
    o.text("role", "assistant");
    let calls_tools = message.parts.iter().any(|part| matches!(part, Part::ToolCall { .. }));
    let refusal = message.parts.iter().find_map(|part| match part {
        Part::Refusal(refusal) => Some(refusal),
        _ => None,
    });
    let text = joined(&message.parts, "");
    if text.is_empty() && (calls_tools || refusal.is_some()) {
        o.null("content");
    } else {
        o.text("content", &text);
    }
    if let Some(refusal) = refusal {
        o.text("refusal", refusal);
    }
    if !calls_tools {
        return;
    }
    o.array("tool_calls", |calls| {
        for part in &message.parts {
            let Part::ToolCall { id, name, arguments } = part else { continue };
            calls.object(|call| {
                call.text("id", id);
                call.text("type", "function");
                call.object("function", |function| {
                    function.text("name", name);
                    function.text("arguments", if arguments.is_empty() { "{}" } else { arguments });
                });
            });
        }
    });
}

fn sampling(request: &Request, o: &mut Object<'_>) {
    let sampling = &request.sampling;
    let floats = [
        ("temperature", sampling.temperature),
        ("top_p", sampling.top_p),
        ("frequency_penalty", sampling.frequency_penalty),
        ("presence_penalty", sampling.presence_penalty),
    ];
    for (key, value) in floats {
        if let Some(value) = value {
            o.float(key, value);
        }
    }
    if let Some(seed) = sampling.seed {
        o.raw("seed", &seed.to_string());
    }
    if !sampling.stop.is_empty() {
        o.array("stop", |list| sampling.stop.iter().for_each(|text| list.text(text)));
    }
}

fn tools(request: &Request, o: &mut Object<'_>) {
    if request.tools.is_empty() {
        return;
    }
    o.array("tools", |list| request.tools.iter().for_each(|one| list.object(|o| tool(one, o))));
    match &request.tool_choice {
        None => {}
        Some(ToolChoice::Auto) => o.text("tool_choice", "auto"),
        Some(ToolChoice::None) => o.text("tool_choice", "none"),
        Some(ToolChoice::Required) => o.text("tool_choice", "required"),
        Some(ToolChoice::Named(name)) => o.object("tool_choice", |o| {
            o.text("type", "function");
            o.object("function", |o| o.text("name", name));
        }),
    }
    if let Some(parallel) = request.parallel_tool_calls {
        o.boolean("parallel_tool_calls", parallel);
    }
}

fn tool(tool: &Tool, o: &mut Object<'_>) {
    o.text("type", "function");
    o.object("function", |o| {
        o.text("name", &tool.name);
        if let Some(description) = &tool.description {
            o.text("description", description);
        }
        if let Some(parameters) = &tool.parameters {
            o.raw("parameters", parameters.get());
        }
        if let Some(strict) = tool.strict {
            o.boolean("strict", strict);
        }
    });
}

fn output(output: &Output, o: &mut Object<'_>) {
    match output {
        Output::Text => {}
        Output::JsonObject => o.object("response_format", |o| o.text("type", "json_object")),
        Output::JsonSchema { name, schema, strict } => o.object("response_format", |o| {
            o.text("type", "json_schema");
            o.object("json_schema", |o| {
                o.text("name", name);
                o.raw("schema", schema.get());
                if let Some(strict) = strict {
                    o.boolean("strict", *strict);
                }
            });
        }),
    }
}
