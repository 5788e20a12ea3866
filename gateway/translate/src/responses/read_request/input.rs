//! The conversation, in items.
//!
//! What the model says in one turn is several items here (thoughts, a message, calls) and one message elsewhere.

use serde::Deserialize;

use super::super::carrier;
use crate::chat::{Message, Part, Request, Role, ToolResult, Untranslatable};
use crate::read::{Content, Word, image};

#[derive(Deserialize)]
pub(super) struct Item<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Word<'a>>,
    #[serde(borrow)]
    role: Option<Word<'a>>,
    #[serde(borrow)]
    content: Option<Content<ContentPart<'a>>>,
    call_id: Option<String>,
    name: Option<String>,
    arguments: Option<String>,
    #[serde(borrow)]
    output: Option<Content<ContentPart<'a>>>,
    summary: Option<Vec<Summary>>,
    encrypted_content: Option<String>,
}

#[derive(Deserialize)]
struct ContentPart<'a> {
    #[serde(rename = "type", borrow)]
    kind: Word<'a>,
    text: Option<String>,
    refusal: Option<String>,
    image_url: Option<String>,
    #[serde(borrow)]
    detail: Option<Word<'a>>,
}

#[derive(Deserialize)]
struct Summary {
    text: String,
}

/// Reads the input.
pub(super) fn read(input: Content<Item<'_>>, request: &mut Request) -> Result<(), Untranslatable> {
    match input {
        Content::Text(text) => {
            request.messages.push(Message { role: Role::User, parts: vec![Part::Text(text)] });
        }
        Content::Parts(items) => items.into_iter().try_for_each(|item| one(item, request))?,
    }
    Ok(())
}

fn one(item: Item<'_>, request: &mut Request) -> Result<(), Untranslatable> {
    let lacks = |what: &str| Untranslatable::Invalid(format!("an item of `input` has no `{what}`"));
    let kind = item.kind.as_ref().map_or("message", Word::as_str);
    match kind {
        "message" => {
            let role = item.role.ok_or_else(|| lacks("role"))?;
            let parts = parts(item.content, request)?;
            message(role.as_str(), parts, request)?;
        }
        "function_call" => say(
            request,
            Part::ToolCall {
                id: item.call_id.ok_or_else(|| lacks("call_id"))?,
                name: item.name.ok_or_else(|| lacks("name"))?,
                arguments: item.arguments.unwrap_or_default(),
            },
        ),
        "function_call_output" => {
            let call_id = item.call_id.ok_or_else(|| lacks("call_id"))?;
            let parts = parts(item.output, request)?;
            hear(request, Part::ToolResult(ToolResult { call_id, parts, is_error: false }));
        }
        "reasoning" => reasoning(item.summary, item.encrypted_content, request),
        "item_reference" => {
            return Err(Untranslatable::Unsupported {
                field: "input[].item_reference",
                reason: "no conversations are kept; send the item itself",
            });
        }
        _ => {
            return Err(Untranslatable::Unsupported {
                field: "input[].type",
                reason: "it knows message, function_call, function_call_output and reasoning",
            });
        }
    }
    Ok(())
}

fn message(role: &str, parts: Vec<Part>, request: &mut Request) -> Result<(), Untranslatable> {
    match role {
        "user" => request.messages.push(Message { role: Role::User, parts }),
        "assistant" => parts.into_iter().for_each(|part| say(request, part)),
        "system" | "developer" => {
            for part in parts {
                let Part::Text(text) = part else {
                    return Err(Untranslatable::Invalid("instructions must be text".to_owned()));
                };
                request.instructions.push(text);
            }
        }
        _ => return Err(Untranslatable::Invalid("a message has an unknown role".to_owned())),
    }
    Ok(())
}

/// Adds to what the model says in its turn.
fn say(request: &mut Request, part: Part) {
    match request.messages.last_mut() {
        Some(message) if message.role == Role::Assistant => message.parts.push(part),
        _ => request.messages.push(Message { role: Role::Assistant, parts: vec![part] }),
    }
}

/// Adds to what tools say between two turns.
fn hear(request: &mut Request, result: Part) {
    let is_result = |part: &Part| matches!(part, Part::ToolResult(_));
    match request.messages.last_mut() {
        Some(message) if message.role == Role::User && message.parts.iter().all(is_result) => {
            message.parts.push(result);
        }
        _ => request.messages.push(Message { role: Role::User, parts: vec![result] }),
    }
}

fn reasoning(summary: Option<Vec<Summary>>, encrypted: Option<String>, request: &mut Request) {
    let text: String = summary.into_iter().flatten().map(|part| part.text).collect();
    match encrypted {
        Some(encrypted) => match carrier::read(&encrypted, text) {
            Some(part) => say(request, part),
            None => request.drop_field("input[].encrypted_content"),
        },
        None if text.is_empty() => {}
        None => say(request, Part::Reasoning { text, signature: None }),
    }
}

fn parts(
    content: Option<Content<ContentPart<'_>>>,
    request: &mut Request,
) -> Result<Vec<Part>, Untranslatable> {
    match content {
        None => Ok(Vec::new()),
        Some(Content::Text(text)) => Ok(vec![Part::Text(text)]),
        Some(Content::Parts(parts)) => parts.into_iter().map(|part| part_of(part, request)).collect(),
    }
}

fn part_of(part: ContentPart<'_>, request: &mut Request) -> Result<Part, Untranslatable> {
    let lacks = |what: &str| Untranslatable::Invalid(format!("a part of a message has no `{what}`"));
    match part.kind.as_str() {
        "input_text" | "output_text" | "text" => part.text.map(Part::Text).ok_or_else(|| lacks("text")),
        "refusal" => part.refusal.map(Part::Refusal).ok_or_else(|| lacks("refusal")),
        "input_image" => {
            if part.detail.is_some_and(|detail| detail.as_str() != "auto") {
                request.drop_field("input_image.detail");
            }
            let url = part.image_url.ok_or(Untranslatable::Unsupported {
                field: "input[].content[].file_id",
                reason: "it has no files of OpenAI; send `image_url`",
            })?;
            image(url).map(Part::Image)
        }
        "input_file" => Err(Untranslatable::Unsupported {
            field: "input[].content[].input_file",
            reason: "files are not translated; send text or images",
        }),
        "input_audio" => Err(Untranslatable::Unsupported {
            field: "input[].content[].input_audio",
            reason: "audio is not translated",
        }),
        _ => Err(Untranslatable::Invalid("a part of a message has an unknown type".to_owned())),
    }
}
