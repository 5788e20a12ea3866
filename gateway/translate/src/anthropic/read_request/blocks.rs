//! The blocks of a message.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::chat::{Image, Part, Request, ToolResult, Untranslatable};
use crate::read::{Content, Word};

#[derive(Debug, Deserialize)]
pub(super) struct Block<'a> {
    #[serde(rename = "type", borrow)]
    kind: Word<'a>,
    text: Option<String>,
    #[serde(borrow)]
    source: Option<Source<'a>>,
    id: Option<String>,
    name: Option<String>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    tool_use_id: Option<String>,
    #[serde(borrow)]
    content: Option<Content<Self>>,
    is_error: Option<bool>,
    thinking: Option<String>,
    signature: Option<String>,
    data: Option<String>,
    cache_control: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Source<'a> {
    #[serde(rename = "type", borrow)]
    kind: Word<'a>,
    media_type: Option<String>,
    data: Option<String>,
    url: Option<String>,
}

/// Reads contents.
pub(super) fn read(content: Content<Block<'_>>, request: &mut Request) -> Result<Vec<Part>, Untranslatable> {
    match content {
        Content::Text(text) => Ok(vec![Part::Text(text)]),
        Content::Parts(blocks) => blocks.into_iter().map(|block| one(block, request)).collect(),
    }
}

fn one(block: Block<'_>, request: &mut Request) -> Result<Part, Untranslatable> {
    if block.cache_control.is_some() {
        request.drop_field("cache_control");
    }
    let lacks = |what: &str| Untranslatable::Invalid(format!("messages: a block has no `{what}`"));
    Ok(match block.kind.as_str() {
        "text" => Part::Text(block.text.ok_or_else(|| lacks("text"))?),
        "image" => Part::Image(image(block.source.ok_or_else(|| lacks("source"))?)?),
        "tool_use" => Part::ToolCall {
            id: block.id.ok_or_else(|| lacks("id"))?,
            name: block.name.ok_or_else(|| lacks("name"))?,
            arguments: block.input.map(|input| input.get().to_owned()).unwrap_or_default(),
        },
        "tool_result" => Part::ToolResult(ToolResult {
            call_id: block.tool_use_id.ok_or_else(|| lacks("tool_use_id"))?,
            parts: block.content.map(|content| read(content, request)).transpose()?.unwrap_or_default(),
            is_error: block.is_error.unwrap_or_default(),
        }),
        "thinking" => Part::Reasoning {
            text: block.thinking.unwrap_or_default(),
            signature: block.signature.filter(|signature| !signature.is_empty()),
        },
        "redacted_thinking" => Part::RedactedReasoning(block.data.ok_or_else(|| lacks("data"))?),
        "document" => {
            return Err(Untranslatable::Unsupported {
                field: "messages[].content[].document",
                reason: "documents are not translated; send text or images",
            });
        }
        _ => {
            return Err(Untranslatable::Unsupported {
                field: "messages[].content[].type",
                reason: "it knows text, image, tool_use, tool_result, thinking and redacted_thinking",
            });
        }
    })
}

fn image(source: Source<'_>) -> Result<Image, Untranslatable> {
    match (source.kind.as_str(), source.url, source.media_type.zip(source.data)) {
        ("url", Some(url), _) => Ok(Image::Url(url)),
        ("base64", _, Some((media_type, base64))) => Ok(Image::Data { media_type, base64 }),
        ("file", _, _) => Err(Untranslatable::Unsupported {
            field: "messages[].content[].source",
            reason: "it has no files of Anthropic",
        }),
        _ => Err(Untranslatable::Invalid("messages: an image's source is not complete".to_owned())),
    }
}
