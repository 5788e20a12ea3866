//! A message of the conversation.

use serde::Deserialize;

use crate::chat::{Message as ChatMessage, Part, Request, Role, ToolResult, Untranslatable};
use crate::read::{Content, Word, image};

/// A message. What answers carry and requests need not (`annotations`, `audio`) is not looked at, so that callers can
/// send answers back as they came.
#[derive(Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    role: Word<'a>,
    #[serde(borrow)]
    content: Option<Content<ContentPart<'a>>>,
    refusal: Option<String>,
    #[serde(borrow)]
    tool_calls: Option<Vec<ToolCall<'a>>>,
    tool_call_id: Option<String>,
    reasoning_content: Option<String>,
    #[serde(borrow)]
    thinking_blocks: Option<Vec<ThinkingBlock<'a>>>,
}

#[derive(Deserialize)]
struct ContentPart<'a> {
    #[serde(rename = "type", borrow)]
    kind: Word<'a>,
    text: Option<String>,
    refusal: Option<String>,
    #[serde(borrow)]
    image_url: Option<ImageUrl<'a>>,
}

#[derive(Deserialize)]
struct ImageUrl<'a> {
    url: String,
    #[serde(borrow)]
    detail: Option<Word<'a>>,
}

#[derive(Deserialize)]
struct ToolCall<'a> {
    id: String,
    #[serde(rename = "type", borrow)]
    kind: Option<Word<'a>>,
    function: Option<Function>,
}

#[derive(Deserialize)]
struct Function {
    name: String,
    #[serde(default)]
    arguments: String,
}

/// Thoughts as our answers carry them.
#[derive(Deserialize)]
pub(crate) struct ThinkingBlock<'a> {
    #[serde(rename = "type", borrow)]
    kind: Word<'a>,
    thinking: Option<String>,
    signature: Option<String>,
    data: Option<String>,
}

impl ThinkingBlock<'_> {
    pub(crate) fn into_part(self) -> Option<Part> {
        match (self.kind.as_str(), self.data) {
            ("redacted_thinking", Some(data)) => Some(Part::RedactedReasoning(data)),
            ("thinking", _) => {
                Some(Part::Reasoning { text: self.thinking.unwrap_or_default(), signature: self.signature })
            }
            _ => None,
        }
    }
}

/// Adds a message to a request.
pub(super) fn read(message: Message<'_>, request: &mut Request) -> Result<(), Untranslatable> {
    match message.role.as_str() {
        "system" | "developer" => {
            for part in parts(message.content, request)? {
                let Part::Text(text) = part else {
                    return Err(Untranslatable::Invalid("instructions must be text".to_owned()));
                };
                request.instructions.push(text);
            }
        }
        "user" => {
            let parts = parts(message.content, request)?;
            request.messages.push(ChatMessage { role: Role::User, parts });
        }
        "assistant" => {
            let parts = assistant(message, request)?;
            request.messages.push(ChatMessage { role: Role::Assistant, parts });
        }
        "tool" => {
            let Some(call_id) = message.tool_call_id else {
                return Err(Untranslatable::Invalid("a tool message has no `tool_call_id`".to_owned()));
            };
            let parts = parts(message.content, request)?;
            let result = Part::ToolResult(ToolResult { call_id, parts, is_error: false });
            request.messages.push(ChatMessage { role: Role::User, parts: vec![result] });
        }
        "function" => {
            return Err(Untranslatable::Unsupported {
                field: "messages[].role",
                reason: "use messages of the role `tool`, which has taken the place of `function`",
            });
        }
        _ => return Err(Untranslatable::Invalid("a message has an unknown role".to_owned())),
    }
    Ok(())
}

fn assistant(message: Message<'_>, request: &mut Request) -> Result<Vec<Part>, Untranslatable> {
    let mut all: Vec<Part> =
        message.thinking_blocks.into_iter().flatten().filter_map(ThinkingBlock::into_part).collect();
    if let Some(text) = message.reasoning_content.filter(|text| all.is_empty() && !text.is_empty()) {
        all.push(Part::Reasoning { text, signature: None });
    }
    // Answers that only call tools come back with an empty text.
    let said = parts(message.content, request)?.into_iter();
    all.extend(said.filter(|part| !matches!(part, Part::Text(text) if text.is_empty())));
    all.extend(message.refusal.filter(|refusal| !refusal.is_empty()).map(Part::Refusal));
    for call in message.tool_calls.into_iter().flatten() {
        let is_function = call.kind.as_ref().is_none_or(|kind| kind.as_str() == "function");
        let Some(function) = call.function.filter(|_| is_function) else {
            return Err(Untranslatable::Unsupported {
                field: "messages[].tool_calls[].type",
                reason: "it knows calls of functions only",
            });
        };
        all.push(Part::ToolCall { id: call.id, name: function.name, arguments: function.arguments });
    }
    Ok(all)
}

fn parts(
    content: Option<Content<ContentPart<'_>>>,
    request: &mut Request,
) -> Result<Vec<Part>, Untranslatable> {
    let parts = match content {
        None => return Ok(Vec::new()),
        Some(Content::Text(text)) => return Ok(vec![Part::Text(text)]),
        Some(Content::Parts(parts)) => parts,
    };
    parts.into_iter().map(|part| one(part, request)).collect()
}

fn one(part: ContentPart<'_>, request: &mut Request) -> Result<Part, Untranslatable> {
    let lacks = |what: &str| Untranslatable::Invalid(format!("a part of a message has no `{what}`"));
    match part.kind.as_str() {
        "text" => part.text.map(Part::Text).ok_or_else(|| lacks("text")),
        "refusal" => part.refusal.map(Part::Refusal).ok_or_else(|| lacks("refusal")),
        "image_url" => {
            let given = part.image_url.ok_or_else(|| lacks("image_url"))?;
            if given.detail.is_some_and(|detail| detail.as_str() != "auto") {
                request.drop_field("image_url.detail");
            }
            image(given.url).map(Part::Image)
        }
        "input_audio" => Err(Untranslatable::Unsupported {
            field: "messages[].content[].input_audio",
            reason: "audio is not translated",
        }),
        "file" => Err(Untranslatable::Unsupported {
            field: "messages[].content[].file",
            reason: "files are not translated; send text or images",
        }),
        _ => Err(Untranslatable::Invalid("a part of a message has an unknown type".to_owned())),
    }
}
