//! A whole answer.

use serde::Deserialize;

use super::stop;
use super::usage::Usage;
use crate::chat::{Answer, Part, Unreadable};

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    id: String,
    finish_reason: String,
    message: Message,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Message {
    tool_plan: Option<String>,
    content: Option<Vec<Content>>,
    tool_calls: Option<Vec<Call>>,
}

#[derive(Deserialize)]
struct Content {
    text: Option<String>,
    thinking: Option<String>,
}

#[derive(Deserialize)]
struct Call {
    #[serde(default)]
    id: String,
    function: Function,
}

#[derive(Deserialize)]
struct Function {
    name: String,
    #[serde(default)]
    arguments: String,
}

/// Reads an answer.
///
/// # Errors
/// [`Unreadable`], when it is none.
pub fn read_answer(body: &[u8]) -> Result<Answer, Unreadable> {
    let body: Body = serde_json::from_slice(body)?;
    let stop = stop::read(&body.finish_reason).map_err(|_| Unreadable::Protocol("the provider gave up"))?;
    let message = body.message;
    let thought = |text: Option<String>| text.map(|text| Part::Reasoning { text, signature: None });
    let content = message.content.unwrap_or_default().into_iter().flat_map(|content| {
        let text = content.text.filter(|text| !text.is_empty()).map(Part::Text);
        [thought(content.thinking.filter(|text| !text.is_empty())), text]
    });
    let plan = message.tool_plan.filter(|plan| !plan.is_empty()).map(Part::Text);
    let calls = message.tool_calls.unwrap_or_default().into_iter().map(|call| Part::ToolCall {
        id: call.id,
        name: call.function.name,
        arguments: call.function.arguments,
    });
    Ok(Answer {
        id: body.id,
        // It is not said.
        model: String::new(),
        parts: content.flatten().chain(plan).chain(calls).collect(),
        stop,
        usage: body.usage.and_then(Usage::read),
    })
}
