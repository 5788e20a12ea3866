//! Tools, and the choice among them. A function's fields stand beside its `type` here.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::chat::{Tool as ChatTool, ToolChoice, Untranslatable};
use crate::openai::{WordOr, word_of_choice};
use crate::read::Word;

#[derive(Deserialize)]
pub(super) struct Tool<'a> {
    #[serde(rename = "type", borrow)]
    kind: Word<'a>,
    name: Option<String>,
    description: Option<String>,
    parameters: Option<Box<RawValue>>,
    strict: Option<bool>,
}

pub(super) fn tool(tool: Tool<'_>) -> Result<ChatTool, Untranslatable> {
    let is_function = tool.kind.as_str() == "function";
    let Some(name) = tool.name.filter(|_| is_function) else {
        return Err(Untranslatable::Unsupported {
            field: "tools[].type",
            reason: "it knows functions only, and cannot run OpenAI's own tools",
        });
    };
    Ok(ChatTool { name, description: tool.description, parameters: tool.parameters, strict: tool.strict })
}

pub(super) type Choice<'a> = WordOr<Named<'a>>;

#[derive(Deserialize)]
pub(super) struct Named<'a> {
    #[serde(rename = "type", borrow)]
    kind: Word<'a>,
    name: Option<String>,
}

pub(super) fn choice(choice: Choice<'_>) -> Result<ToolChoice, Untranslatable> {
    match choice {
        WordOr::Word(word) => word_of_choice(&word),
        WordOr::Object(Named { kind, name: Some(name) }) if kind.as_str() == "function" => {
            Ok(ToolChoice::Named(name))
        }
        WordOr::Object(_) => Err(Untranslatable::Unsupported {
            field: "tool_choice",
            reason: "it can be auto, none, required or one function",
        }),
    }
}
