//! Tools, and the choice among them.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::chat::{Request, Tool as ChatTool, ToolChoice, Untranslatable};
use crate::read::Word;

#[derive(Deserialize)]
pub(super) struct Tool<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Word<'a>>,
    name: Option<String>,
    description: Option<String>,
    input_schema: Option<Box<RawValue>>,
    strict: Option<bool>,
    cache_control: Option<IgnoredAny>,
    defer_loading: Option<bool>,
    input_examples: Option<IgnoredAny>,
    eager_input_streaming: Option<IgnoredAny>,
}

#[derive(Deserialize)]
pub(super) struct Choice<'a> {
    #[serde(rename = "type", borrow)]
    kind: Word<'a>,
    name: Option<String>,
    disable_parallel_tool_use: Option<bool>,
}

/// Reads both into a request.
pub(super) fn read(
    tools: Option<Vec<Tool<'_>>>,
    choice: Option<Choice<'_>>,
    request: &mut Request,
) -> Result<(), Untranslatable> {
    for given in tools.into_iter().flatten() {
        let read = tool(given, request)?;
        request.tools.push(read);
    }
    let Some(choice) = choice else { return Ok(()) };
    request.parallel_tool_calls = choice.disable_parallel_tool_use.map(|is_disabled| !is_disabled);
    request.tool_choice = Some(match (choice.kind.as_str(), choice.name) {
        ("auto", _) => ToolChoice::Auto,
        ("any", _) => ToolChoice::Required,
        ("none", _) => ToolChoice::None,
        ("tool", Some(name)) => ToolChoice::Named(name),
        _ => return Err(Untranslatable::Invalid("tool_choice: not a known choice".to_owned())),
    });
    Ok(())
}

fn tool(tool: Tool<'_>, request: &mut Request) -> Result<ChatTool, Untranslatable> {
    if tool.kind.is_some_and(|kind| kind.as_str() != "custom") {
        return Err(Untranslatable::Unsupported {
            field: "tools[].type",
            reason: "it cannot run Anthropic's own tools",
        });
    }
    let dropped = [
        (tool.cache_control.is_some(), "cache_control"),
        (tool.defer_loading == Some(true), "tools[].defer_loading"),
        (tool.input_examples.is_some(), "tools[].input_examples"),
        (tool.eager_input_streaming.is_some(), "tools[].eager_input_streaming"),
    ];
    dropped.into_iter().filter(|(is_said, _)| *is_said).for_each(|(_, field)| request.drop_field(field));
    Ok(ChatTool {
        name: tool.name.ok_or_else(|| Untranslatable::Invalid("tools: a tool has no name".to_owned()))?,
        description: tool.description,
        parameters: tool.input_schema,
        strict: tool.strict,
    })
}
