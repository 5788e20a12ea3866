//! A provider's whole answer.

use serde::Deserialize;

use super::read_request::ThinkingBlock;
use super::usage::{self, Usage};
use crate::chat::{Answer, Part, Stop, Unreadable};
use crate::read::{Content, Word};

#[derive(Deserialize)]
struct Body<'a> {
    id: Option<String>,
    model: Option<String>,
    #[serde(borrow)]
    choices: Vec<Choice<'a>>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    message: Message<'a>,
    #[serde(borrow)]
    finish_reason: Option<Word<'a>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    content: Option<Content<TextPart>>,
    refusal: Option<String>,
    reasoning_content: Option<String>,
    /// vLLM's and OpenRouter's word for it; some say both.
    reasoning: Option<String>,
    #[serde(borrow)]
    thinking_blocks: Option<Vec<ThinkingBlock<'a>>>,
    tool_calls: Option<Vec<ToolCall>>,
}

/// Some servers answer in parts; those that are no text say nothing that can be translated.
#[derive(Deserialize)]
pub(super) struct TextPart {
    pub(super) text: Option<String>,
}

impl Content<TextPart> {
    /// The text it says.
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Parts(parts) => parts.into_iter().filter_map(|part| part.text).collect(),
        }
    }
}

#[derive(Deserialize)]
struct ToolCall {
    id: Option<String>,
    function: Function,
}

#[derive(Deserialize)]
struct Function {
    name: String,
    arguments: Option<String>,
}

/// Reads an answer; its first choice, for more are never asked for.
pub(crate) fn read_answer(body: &[u8]) -> Result<Answer, Unreadable> {
    let body: Body<'_> = serde_json::from_slice(body)?;
    let choice = body.choices.into_iter().next().ok_or(Unreadable::Empty)?;
    let parts = parts(choice.message);
    let calls_tools = parts.iter().any(|part| matches!(part, Part::ToolCall { .. }));
    let stop = match choice.finish_reason {
        Some(word) => usage::stop(word.as_str(), calls_tools),
        None if calls_tools => Stop::ToolCalls,
        None => Stop::End,
    };
    Ok(Answer {
        id: body.id.unwrap_or_default(),
        model: body.model.unwrap_or_default(),
        parts,
        stop,
        usage: body.usage.map(Usage::read),
    })
}

fn parts(message: Message<'_>) -> Vec<Part> {
    let mut parts: Vec<Part> =
        message.thinking_blocks.into_iter().flatten().filter_map(ThinkingBlock::into_part).collect();
    if let Some(text) =
        message.reasoning_content.or(message.reasoning).filter(|text| parts.is_empty() && !text.is_empty())
    {
        parts.push(Part::Reasoning { text, signature: None });
    }
    let text = message.content.map(Content::into_text).filter(|text| !text.is_empty());
    parts.extend(text.map(Part::Text));
    parts.extend(message.refusal.filter(|refusal| !refusal.is_empty()).map(Part::Refusal));
    parts.extend(message.tool_calls.into_iter().flatten().map(|call| Part::ToolCall {
        id: call.id.unwrap_or_default(),
        name: call.function.name,
        arguments: call.function.arguments.unwrap_or_default(),
    }));
    parts
}
