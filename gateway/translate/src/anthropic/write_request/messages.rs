//! Instructions and the conversation.

use std::borrow::Cow;

use crate::arguments;
use crate::chat::{Image, Part, Request, Role, ToolResult, signature};
use crate::json::{Array, Object};

/// Writes `system` and `messages`.
pub(super) fn write(request: &Request, o: &mut Object<'_>) {
    let instructions: Vec<&str> =
        request.instructions.iter().map(String::as_str).filter(|text| !is_empty(text)).collect();
    if request.messages.is_empty() {
        o.array("messages", |list| {
            list.object(|o| {
                o.text("role", "user");
                o.array("content", |blocks| instructions.iter().for_each(|one| text(one, blocks)));
            });
        });
        return;
    }
    match instructions.as_slice() {
        [] => {}
        [one] => o.text("system", one),
        many => o.array("system", |blocks| many.iter().for_each(|one| text(one, blocks))),
    }
    o.array("messages", |list| {
        let mut rest = request.messages.as_slice();
        while let Some(first) = rest.first() {
            let same = rest.iter().take_while(|message| message.role == first.role).count();
            let (turn, after) = rest.split_at(same);
            rest = after;
            let parts: Vec<&Part> =
                turn.iter().flat_map(|message| &message.parts).filter(|part| says_something(part)).collect();
            if !parts.is_empty() {
                list.object(|o| write_turn(first.role, &parts, o));
            }
        }
    });
}

/// The provider refuses texts without anything but space.
fn is_empty(text: &str) -> bool {
    text.trim().is_empty()
}

fn says_something(part: &Part) -> bool {
    match part {
        Part::Text(text) | Part::Refusal(text) => !is_empty(text),
        Part::Reasoning { .. } | Part::RedactedReasoning(_) => can_come_back(part),
        Part::Image(_) | Part::ToolCall { .. } | Part::ToolResult(_) => true,
    }
}

/// Whether thoughts can come back: only with Claude's own signature.
pub(crate) fn can_come_back(part: &Part) -> bool {
    match part {
        Part::Reasoning { signature: Some(proof), .. } | Part::RedactedReasoning(proof) => {
            signature::for_claude(proof).is_some()
        }
        _ => false,
    }
}

fn write_turn(role: Role, parts: &[&Part], o: &mut Object<'_>) {
    o.text("role", if role == Role::User { "user" } else { "assistant" });
    if let [Part::Text(text)] = parts {
        return o.text("content", text);
    }
    let is_result = |part: &Part| matches!(part, Part::ToolResult(_));
    o.array("content", |blocks| {
        parts.iter().filter(|part| is_result(part)).for_each(|part| block(part, blocks));
        parts.iter().filter(|part| !is_result(part)).for_each(|part| block(part, blocks));
    });
}

fn text(text: &str, blocks: &mut Array<'_>) {
    blocks.object(|o| {
        o.text("type", "text");
        o.text("text", text);
    });
}

fn block(part: &Part, blocks: &mut Array<'_>) {
    match part {
        Part::Text(said) | Part::Refusal(said) => text(said, blocks),
        Part::Image(image) => blocks.object(|o| write_image(image, o)),
        Part::ToolCall { id, name, arguments } => blocks.object(|o| {
            o.text("type", "tool_use");
            o.text("id", &call_id(id));
            o.text("name", name);
            o.raw("input", arguments::object(arguments).get());
        }),
        Part::ToolResult(result) => blocks.object(|o| tool_result(result, o)),
        Part::Reasoning { text, signature } => blocks.object(|o| {
            o.text("type", "thinking");
            o.text("thinking", text);
            o.text("signature", signature.as_deref().unwrap_or_default());
        }),
        Part::RedactedReasoning(data) => blocks.object(|o| {
            o.text("type", "redacted_thinking");
            o.text("data", data);
        }),
    }
}

fn write_image(image: &Image, o: &mut Object<'_>) {
    o.text("type", "image");
    o.object("source", |o| match image {
        Image::Url(url) => {
            o.text("type", "url");
            o.text("url", url);
        }
        Image::Data { media_type, base64 } => {
            o.text("type", "base64");
            o.text("media_type", media_type);
            o.text("data", base64);
        }
    });
}

fn tool_result(result: &ToolResult, o: &mut Object<'_>) {
    o.text("type", "tool_result");
    o.text("tool_use_id", &call_id(&result.call_id));
    let parts: Vec<&Part> = result.parts.iter().filter(|part| says_something(part)).collect();
    match parts.as_slice() {
        [] => {}
        [Part::Text(text)] => o.text("content", text),
        _ => o.array("content", |blocks| parts.iter().for_each(|part| block(part, blocks))),
    }
    if result.is_error {
        o.boolean("is_error", true);
    }
}

/// Ids of calls are of letters, digits, `_` and `-` here; those of other providers need not be.
pub(crate) fn call_id(id: &str) -> Cow<'_, str> {
    let is_taken = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !id.is_empty() && id.chars().all(is_taken) {
        return Cow::Borrowed(id);
    }
    let id: String = id.chars().map(|c| if is_taken(c) { c } else { '_' }).collect();
    Cow::Owned(if id.is_empty() { "_".to_owned() } else { id })
}
