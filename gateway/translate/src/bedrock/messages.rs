//! Instructions and the conversation.

use serde_json::value::RawValue;

use super::model::Family;
use crate::anthropic::{call_id, can_come_back};
use crate::arguments;
use crate::chat::{Image, Part, Request, Role, ToolResult, Untranslatable};
use crate::json::{Array, Object};

/// The longest id of a call.
const ID_CHARS_MAX: usize = 64;

/// Writes `system` and `messages`.
pub(super) fn write(request: &Request, family: Family, o: &mut Object<'_>) {
    let instructions: Vec<&str> =
        request.instructions.iter().map(String::as_str).filter(|text| !is_empty(text)).collect();
    let turns = turns(request, family);
    let write_instructions = |list: &mut Array<'_>| instructions.iter().for_each(|one| text(one, list));
    if turns.is_empty() {
        // Instructions alone are what the caller wants answered.
        o.array("messages", |list| {
            list.object(|o| {
                o.text("role", "user");
                o.array("content", write_instructions);
            });
        });
        return;
    }
    if !instructions.is_empty() {
        o.array("system", write_instructions);
    }
    o.array("messages", |list| {
        for (role, parts) in turns {
            list.object(|o| {
                o.text("role", if role == Role::User { "user" } else { "assistant" });
                o.array("content", |blocks| parts.iter().for_each(|part| block(part, family, blocks)));
            });
        }
    });
}

/// What is said, a turn at a time: neighbours of one role are one turn, results of tools stand first in it, and what
/// Bedrock refuses as empty is left out.
fn turns(request: &Request, family: Family) -> Vec<(Role, Vec<&Part>)> {
    let mut turns: Vec<(Role, Vec<&Part>)> = Vec::new();
    for message in &request.messages {
        let parts = message.parts.iter().filter(|part| is_said(part, family));
        match turns.last_mut().filter(|(role, _)| *role == message.role) {
            Some((_, turn)) => turn.extend(parts),
            None => turns.push((message.role, parts.collect())),
        }
    }
    turns.retain(|(_, parts)| !parts.is_empty());
    for (_, parts) in &mut turns {
        parts.sort_by_key(|part| !matches!(part, Part::ToolResult(_)));
    }
    turns
}

/// Whether the request says anything at all.
pub(super) fn is_empty_request(request: &Request, family: Family) -> bool {
    request.instructions.iter().all(|text| is_empty(text)) && turns(request, family).is_empty()
}

/// Texts without anything but space are refused.
fn is_empty(text: &str) -> bool {
    text.trim().is_empty()
}

fn is_said(part: &Part, family: Family) -> bool {
    match part {
        Part::Text(text) | Part::Refusal(text) => !is_empty(text),
        Part::Reasoning { .. } | Part::RedactedReasoning(_) => {
            family == Family::Claude && can_come_back(part)
        }
        Part::Image(_) | Part::ToolCall { .. } | Part::ToolResult(_) => true,
    }
}

/// Whether there are thoughts that do not go back.
pub(super) fn loses_thoughts(request: &Request, family: Family) -> bool {
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    let mut thoughts =
        parts.filter(|part| matches!(part, Part::Reasoning { .. } | Part::RedactedReasoning(_)));
    thoughts.any(|part| !is_said(part, family))
}

/// Refuses images that Bedrock cannot take.
pub(super) fn check_images(request: &Request) -> Result<(), Untranslatable> {
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    for part in parts.flat_map(shown) {
        match part {
            Part::Image(Image::Url(url)) if !url.starts_with("s3://") => {
                return Err(Untranslatable::Unsupported {
                    field: "image_url",
                    reason: "Bedrock fetches no images from the web; they must be given inline",
                });
            }
            Part::Image(Image::Data { media_type, .. }) if format(media_type).is_none() => {
                return Err(Untranslatable::Unsupported {
                    field: "image_url",
                    reason: "Bedrock takes images in PNG, JPEG, GIF and WebP",
                });
            }
            _ => {}
        }
    }
    Ok(())
}

/// A part, or those of a result.
fn shown(part: &Part) -> &[Part] {
    match part {
        Part::ToolResult(result) => &result.parts,
        other => std::slice::from_ref(other),
    }
}

fn format(media_type: &str) -> Option<&'static str> {
    Some(match media_type {
        "image/png" => "png",
        "image/jpeg" | "image/jpg" => "jpeg",
        "image/gif" => "gif",
        "image/webp" => "webp",
        _ => return None,
    })
}

fn text(text: &str, blocks: &mut Array<'_>) {
    blocks.object(|o| o.text("text", text));
}

fn block(part: &Part, family: Family, blocks: &mut Array<'_>) {
    match part {
        Part::Text(said) | Part::Refusal(said) => text(said, blocks),
        Part::Image(image) => blocks.object(|o| write_image(image, o)),
        Part::ToolCall { id, name, arguments } => blocks.object(|o| {
            o.object("toolUse", |o| {
                o.text("toolUseId", &tool_use_id(id));
                o.text("name", name);
                o.raw("input", arguments::object(arguments).get());
            });
        }),
        Part::ToolResult(result) => {
            blocks.object(|o| o.object("toolResult", |o| tool_result(result, family, o)));
        }
        Part::Reasoning { text, signature } => blocks.object(|o| {
            o.object("reasoningContent", |o| {
                o.object("reasoningText", |o| {
                    o.text("text", text);
                    o.text("signature", signature.as_deref().unwrap_or_default());
                });
            });
        }),
        Part::RedactedReasoning(data) => blocks.object(|o| {
            o.object("reasoningContent", |o| o.text("redactedContent", data));
        }),
    }
}

/// The start of an id is enough to tell the calls of one conversation apart.
fn tool_use_id(id: &str) -> String {
    call_id(id).chars().take(ID_CHARS_MAX).collect()
}

fn tool_result(result: &ToolResult, family: Family, o: &mut Object<'_>) {
    o.text("toolUseId", &tool_use_id(&result.call_id));
    o.array("content", |blocks| {
        for part in result.parts.iter().filter(|part| is_said(part, family)) {
            match part {
                Part::Text(said) if is_object(said) => blocks.object(|o| o.raw("json", said.trim())),
                Part::Text(said) | Part::Refusal(said) => text(said, blocks),
                Part::Image(image) => blocks.object(|o| write_image(image, o)),
                _ => {}
            }
        }
    });
    if result.is_error && family.takes_status() {
        o.text("status", "error");
    }
}

fn is_object(text: &str) -> bool {
    text.trim_start().starts_with('{') && serde_json::from_str::<&RawValue>(text).is_ok()
}

fn write_image(image: &Image, o: &mut Object<'_>) {
    o.object("image", |o| match image {
        Image::Data { media_type, base64 } => {
            o.text("format", format(media_type).unwrap_or("png"));
            o.object("source", |o| o.text("bytes", base64));
        }
        Image::Url(uri) => {
            let extension = uri.rsplit('.').next().unwrap_or_default();
            o.text("format", format(&format!("image/{}", extension.to_ascii_lowercase())).unwrap_or("png"));
            o.object("source", |o| o.object("s3Location", |o| o.text("uri", uri)));
        }
    });
}
