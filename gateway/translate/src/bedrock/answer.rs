//! A whole answer, and a count.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::stop;
use super::usage::Counts;
use crate::chat::{Answer, Part, Unreadable};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(borrow)]
    output: Output<'a>,
    stop_reason: String,
    usage: Option<Counts>,
}

#[derive(Deserialize)]
struct Output<'a> {
    #[serde(borrow)]
    message: Message<'a>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: Vec<Block<'a>>,
}

/// One of them is said. Others there are (images, audio) come only to those who ask for them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Block<'a> {
    text: Option<String>,
    #[serde(borrow)]
    tool_use: Option<ToolUse<'a>>,
    reasoning_content: Option<Reasoning>,
    citations_content: Option<Citations>,
    image: Option<serde::de::IgnoredAny>,
    audio: Option<serde::de::IgnoredAny>,
    video: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolUse<'a> {
    tool_use_id: String,
    name: String,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reasoning {
    reasoning_text: Option<ReasoningText>,
    redacted_content: Option<String>,
}

#[derive(Deserialize)]
struct ReasoningText {
    #[serde(default)]
    text: String,
    signature: Option<String>,
}

#[derive(Deserialize)]
struct Citations {
    #[serde(default)]
    content: Vec<Cited>,
}

#[derive(Deserialize)]
struct Cited {
    text: Option<String>,
}

/// Reads an answer.
///
/// # Errors
/// [`Unreadable`], when it is none.
pub fn read_answer(body: &[u8]) -> Result<Answer, Unreadable> {
    let body: Body<'_> = serde_json::from_slice(body)?;
    let stop = stop::read(&body.stop_reason)
        .map_err(|_| Unreadable::Protocol("the model said something that cannot be read"))?;
    let mut parts = Vec::new();
    for block in body.output.message.content {
        parts.extend(part(block)?);
    }
    // The header says the request's id; the body says neither that nor the model.
    Ok(Answer { id: String::new(), model: String::new(), parts, stop, usage: body.usage.map(Into::into) })
}

fn part(block: Block<'_>) -> Result<Option<Part>, Unreadable> {
    if block.image.is_some() || block.audio.is_some() || block.video.is_some() {
        return Err(Unreadable::Protocol("it holds an image, sound or film"));
    }
    let reasoning = block.reasoning_content.and_then(|reasoning| {
        let redacted = reasoning.redacted_content.map(Part::RedactedReasoning);
        let said = |said: ReasoningText| Part::Reasoning { text: said.text, signature: said.signature };
        redacted.or(reasoning.reasoning_text.map(said))
    });
    let call = block.tool_use.map(|call| Part::ToolCall {
        id: call.tool_use_id,
        name: call.name,
        arguments: call.input.map_or_else(String::new, |input| input.get().to_owned()),
    });
    let cited = block.citations_content.map(|cited| {
        let texts = cited.content.into_iter().filter_map(|cited| cited.text);
        texts.collect::<String>()
    });
    let text = block.text.or(cited).filter(|text| !text.is_empty()).map(Part::Text);
    Ok(text.or(call).or(reasoning))
}

/// Reads how many tokens a request has.
///
/// # Errors
/// [`Unreadable`], when the answer does not say.
pub fn read_count(body: &[u8]) -> Result<u64, Unreadable> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Count {
        input_tokens: u64,
    }
    Ok(serde_json::from_slice::<Count>(body)?.input_tokens)
}
