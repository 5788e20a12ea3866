//! The conversation.

use crate::chat::{Image, Message, Part, Request, Role, ToolResult};
use crate::json::{Array, Object};
use crate::read::image_url;

/// Writes `messages`.
pub(super) fn write(request: &Request, list: &mut Array<'_>) {
    for text in request.instructions.iter().filter(|text| !text.is_empty()) {
        list.object(|o| {
            o.text("role", "system");
            o.text("content", text);
        });
    }
    for message in &request.messages {
        match message.role {
            Role::User => user(message, list),
            Role::Assistant => assistant(message, list),
        }
    }
}

fn user(message: &Message, list: &mut Array<'_>) {
    let results = message.parts.iter().filter_map(|part| match part {
        Part::ToolResult(result) => Some(result),
        _ => None,
    });
    // Results know no images: those in one are shown by the user.
    let shown: Vec<&Part> = results
        .clone()
        .flat_map(|result| &result.parts)
        .filter(|part| matches!(part, Part::Image(_)))
        .chain(message.parts.iter().filter(|part| is_shown(part)))
        .collect();
    results.for_each(|result| list.object(|o| tool(result, o)));
    match shown.as_slice() {
        [] => {}
        [Part::Text(text)] => list.object(|o| {
            o.text("role", "user");
            o.text("content", text);
        }),
        parts => list.object(|o| {
            o.text("role", "user");
            o.array("content", |blocks| parts.iter().for_each(|part| block(part, blocks)));
        }),
    }
}

fn is_shown(part: &Part) -> bool {
    match part {
        Part::Text(text) | Part::Refusal(text) => !text.is_empty(),
        Part::Image(_) => true,
        _ => false,
    }
}

fn block(part: &Part, blocks: &mut Array<'_>) {
    match part {
        Part::Text(text) | Part::Refusal(text) => blocks.object(|o| {
            o.text("type", "text");
            o.text("text", text);
        }),
        Part::Image(image) => blocks.object(|o| write_image(image, o)),
        _ => {}
    }
}

fn write_image(image: &Image, o: &mut Object<'_>) {
    o.text("type", "image_url");
    o.object("image_url", |o| o.text("url", &image_url(image)));
}

fn tool(result: &ToolResult, o: &mut Object<'_>) {
    o.text("role", "tool");
    o.text("tool_call_id", &result.call_id);
    let texts = result.parts.iter().filter_map(|part| match part {
        Part::Text(text) => Some(text.as_str()),
        _ => None,
    });
    o.text("content", &texts.collect::<Vec<_>>().join("\n"));
}

/// Thoughts that go back: Cohere's are not signed.
pub(super) fn is_thought(part: &Part) -> Option<&str> {
    match part {
        Part::Reasoning { text, signature: None } if !text.is_empty() => Some(text),
        _ => None,
    }
}

fn assistant(message: &Message, list: &mut Array<'_>) {
    let has_calls = message.parts.iter().any(|part| matches!(part, Part::ToolCall { .. }));
    let texts: Vec<&str> = message
        .parts
        .iter()
        .filter_map(|part| match part {
            Part::Text(text) | Part::Refusal(text) if !text.is_empty() => Some(text.as_str()),
            _ => None,
        })
        .collect();
    let thoughts: Vec<&str> = message.parts.iter().filter_map(is_thought).collect();
    let in_content = if has_calls { &[] } else { texts.as_slice() };
    if texts.is_empty() && !has_calls && thoughts.is_empty() {
        return;
    }
    list.object(|o| {
        o.text("role", "assistant");
        // What is said beside calls is the plan for them.
        if has_calls && !texts.is_empty() {
            o.text("tool_plan", &texts.join("\n"));
        }
        if !thoughts.is_empty() || !in_content.is_empty() {
            o.array("content", |blocks| {
                for thought in thoughts {
                    blocks.object(|o| {
                        o.text("type", "thinking");
                        o.text("thinking", thought);
                    });
                }
                for text in in_content {
                    blocks.object(|o| {
                        o.text("type", "text");
                        o.text("text", text);
                    });
                }
            });
        }
        if has_calls {
            o.array("tool_calls", |calls| message.parts.iter().for_each(|part| call(part, calls)));
        }
    });
}

fn call(part: &Part, calls: &mut Array<'_>) {
    let Part::ToolCall { id, name, arguments } = part else { return };
    calls.object(|o| {
        o.text("id", id);
        o.text("type", "function");
        o.object("function", |o| {
            o.text("name", name);
            o.text("arguments", if arguments.trim().is_empty() { "{}" } else { arguments });
        });
    });
}
