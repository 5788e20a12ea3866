//! A caller's Messages request.
//!
//! Every field of the protocol is one of: read, left out and named in [`Request::dropped`], or refused. Fields that are
//! not known are left out and named as such: Anthropic's own clients try new ones with each release, and would be
//! locked out by each. The table is in [`crate::matrix`].

mod blocks;
mod tools;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use self::blocks::Block;
use crate::chat::{
    Effort, Message as ChatMessage, Output, Part, Reasoning, Request, Role, Sampling, Untranslatable,
};
use crate::read::{Content, Word, invalid, known_fields};

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(rename = "model")]
    _model: Option<IgnoredAny>,
    #[serde(borrow)]
    messages: Vec<Message<'a>>,
    #[serde(borrow)]
    system: Option<Content<Block<'a>>>,
    max_tokens: Option<u64>,
    stream: Option<bool>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<u64>,
    stop_sequences: Option<Vec<String>>,
    #[serde(borrow)]
    tools: Option<Vec<tools::Tool<'a>>>,
    #[serde(borrow)]
    tool_choice: Option<tools::Choice<'a>>,
    #[serde(borrow)]
    thinking: Option<Thinking<'a>>,
    #[serde(borrow)]
    output_config: Option<OutputConfig<'a>>,
    /// The word of the time before `output_config.format`.
    #[serde(borrow)]
    output_format: Option<Format<'a>>,
    metadata: Option<Metadata>,
    cache_control: Option<IgnoredAny>,
    service_tier: Option<IgnoredAny>,
    speed: Option<IgnoredAny>,
    inference_geo: Option<IgnoredAny>,
    diagnostics: Option<IgnoredAny>,
    user_profile_id: Option<IgnoredAny>,
    workspace_id: Option<IgnoredAny>,
    container: Option<IgnoredAny>,
    mcp_servers: Option<Vec<IgnoredAny>>,
    context_management: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: Word<'a>,
    #[serde(borrow)]
    content: Content<Block<'a>>,
}

#[derive(Deserialize)]
struct Thinking<'a> {
    #[serde(rename = "type", borrow)]
    kind: Word<'a>,
    budget_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct OutputConfig<'a> {
    #[serde(borrow)]
    effort: Option<Word<'a>>,
    #[serde(borrow)]
    format: Option<Format<'a>>,
}

#[derive(Deserialize)]
struct Format<'a> {
    #[serde(rename = "type", borrow)]
    kind: Word<'a>,
    schema: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Metadata {
    user_id: Option<String>,
}

/// Reads a request.
pub(crate) fn read_request(body: &[u8]) -> Result<Request, Untranslatable> {
    let request = read_count_request(body)?;
    if request.tokens_max.is_none() {
        return Err(missing("max_tokens"));
    }
    Ok(request)
}

/// Reads the question how many tokens a request has: it is the request, which need not say how long its answer may be.
pub(crate) fn read_count_request(body: &[u8]) -> Result<Request, Untranslatable> {
    let mut has_unknown = false;
    let body: Body<'_> = known_fields(body, &mut has_unknown).map_err(invalid)?;
    refuse(&body)?;
    let mut request = Request {
        stream: body.stream.unwrap_or_default(),
        tokens_max: body.max_tokens,
        user: body.metadata.as_ref().and_then(|metadata| metadata.user_id.clone()),
        dropped: dropped(&body, has_unknown),
        reasoning: reasoning(&body)?,
        sampling: Sampling {
            temperature: body.temperature,
            top_p: body.top_p,
            top_k: body.top_k,
            stop: body.stop_sequences.unwrap_or_default(),
            ..Sampling::default()
        },
        ..Request::default()
    };
    let format = body.output_config.and_then(|config| config.format).or(body.output_format);
    request.output = format.map(output).transpose()?.unwrap_or_default();
    if let Some(system) = body.system {
        instructions(system, &mut request)?;
    }
    for message in body.messages {
        read_message(message, &mut request)?;
    }
    tools::read(body.tools, body.tool_choice, &mut request)?;
    Ok(request)
}

fn missing(field: &str) -> Untranslatable {
    Untranslatable::Invalid(format!("{field}: Field required"))
}

/// Refuses what no other protocol can say and what would change the answer when left out.
fn refuse(body: &Body<'_>) -> Result<(), Untranslatable> {
    let refused = [
        (body.container.is_some(), "container", "it has no containers of Anthropic"),
        (
            body.mcp_servers.as_ref().is_some_and(|servers| !servers.is_empty()),
            "mcp_servers",
            "it does not call MCP servers",
        ),
    ];
    match refused.into_iter().find(|(is_said, _, _)| *is_said) {
        Some((_, field, reason)) => Err(Untranslatable::Unsupported { field, reason }),
        None => Ok(()),
    }
}

/// Names what is left out: services of Anthropic around the answer, which is still the answer asked for.
fn dropped(body: &Body<'_>, has_unknown: bool) -> Vec<&'static str> {
    let said = [
        (body.cache_control.is_some(), "cache_control"),
        (body.service_tier.is_some(), "service_tier"),
        (body.speed.is_some(), "speed"),
        (body.inference_geo.is_some(), "inference_geo"),
        (body.diagnostics.is_some(), "diagnostics"),
        (body.user_profile_id.is_some(), "user_profile_id"),
        (body.workspace_id.is_some(), "workspace_id"),
        (body.context_management.is_some(), "context_management"),
        (has_unknown, "unknown fields"),
    ];
    said.into_iter().filter_map(|(is_said, field)| is_said.then_some(field)).collect()
}

/// How much to think. A budget says more than a word of effort; effort without thinking is about the length of the
/// answer, and the nearest that others have.
fn reasoning(body: &Body<'_>) -> Result<Option<Reasoning>, Untranslatable> {
    let effort = body.output_config.as_ref().and_then(|config| config.effort.as_ref());
    let effort = effort
        .map(|word| match word.as_str() {
            "low" => Ok(Effort::Low),
            "medium" => Ok(Effort::Medium),
            "high" => Ok(Effort::High),
            "xhigh" => Ok(Effort::XHigh),
            "max" => Ok(Effort::Max),
            _ => Err(Untranslatable::Invalid(
                "output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'".to_owned(),
            )),
        })
        .transpose()?;
    let Some(thinking) = &body.thinking else { return Ok(effort.map(Reasoning::Effort)) };
    Ok(Some(match (thinking.kind.as_str(), thinking.budget_tokens) {
        ("disabled", _) => Reasoning::Off,
        ("enabled", Some(budget)) => Reasoning::Budget(budget),
        ("enabled", None) => return Err(missing("thinking.enabled.budget_tokens")),
        ("adaptive" | "between_tools", _) => Reasoning::Effort(effort.unwrap_or(Effort::High)),
        _ => return Err(Untranslatable::Invalid("thinking: unknown type".to_owned())),
    }))
}

fn output(format: Format<'_>) -> Result<Output, Untranslatable> {
    match (format.kind.as_str(), format.schema) {
        // The protocol has no name for a schema, and others want one.
        ("json_schema", Some(schema)) => {
            Ok(Output::JsonSchema { name: "answer".to_owned(), schema, strict: Some(true) })
        }
        ("json_schema", None) => Err(missing("output_config.format.schema")),
        _ => Err(Untranslatable::Invalid("output_config.format: unknown type".to_owned())),
    }
}

fn instructions(system: Content<Block<'_>>, request: &mut Request) -> Result<(), Untranslatable> {
    for part in blocks::read(system, request)? {
        let Part::Text(text) = part else {
            return Err(Untranslatable::Invalid("system: instructions must be text".to_owned()));
        };
        request.instructions.push(text);
    }
    Ok(())
}

fn read_message(message: Message<'_>, request: &mut Request) -> Result<(), Untranslatable> {
    let role = match message.role.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => return instructions(message.content, request),
        _ => return Err(Untranslatable::Invalid("messages: unknown role".to_owned())),
    };
    let parts = blocks::read(message.content, request)?;
    request.messages.push(ChatMessage { role, parts });
    Ok(())
}
