//! A provider's whole answer.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::usage::{self, Usage};
use crate::chat::{Answer, Part, Stop, Unreadable};
use crate::read::Word;

#[derive(Deserialize)]
struct Body<'a> {
    id: Option<String>,
    model: Option<String>,
    #[serde(borrow)]
    content: Vec<Block<'a>>,
    #[serde(borrow)]
    stop_reason: Option<Word<'a>>,
    stop_sequence: Option<String>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(rename = "type", borrow)]
    kind: Word<'a>,
    text: Option<String>,
    thinking: Option<String>,
    signature: Option<String>,
    data: Option<String>,
    id: Option<String>,
    name: Option<String>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

/// Reads an answer. Blocks that only Anthropic's own tools give are never asked for, and not read.
pub(crate) fn read_answer(body: &[u8]) -> Result<Answer, Unreadable> {
    let body: Body<'_> = serde_json::from_slice(body)?;
    let stop = body.stop_reason.map_or(Stop::End, |reason| usage::stop(reason.as_str(), body.stop_sequence));
    Ok(Answer {
        id: body.id.unwrap_or_default(),
        model: body.model.unwrap_or_default(),
        parts: body.content.into_iter().filter_map(part).collect(),
        stop,
        usage: body.usage.map(Usage::read),
    })
}

fn part(block: Block<'_>) -> Option<Part> {
    match block.kind.as_str() {
        "text" => block.text.map(Part::Text),
        "thinking" => {
            let signature = block.signature.filter(|signature| !signature.is_empty());
            Some(Part::Reasoning { text: block.thinking.unwrap_or_default(), signature })
        }
        "redacted_thinking" => block.data.map(Part::RedactedReasoning),
        "tool_use" => Some(Part::ToolCall {
            id: block.id.unwrap_or_default(),
            name: block.name?,
            arguments: block.input.map(|input| input.get().to_owned()).unwrap_or_default(),
        }),
        _ => None,
    }
}
