//! A caller's Responses request.
//!
//! Every field of the protocol is one of: read, left out and named in [`Request::dropped`], or refused. A field that
//! the protocol does not have is refused as OpenAI does it. The table is in [`crate::matrix`].

mod input;
mod tools;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::chat::{Output, Request, Sampling, Untranslatable};
use crate::openai::effort_of;
use crate::read::{Content, Word, invalid};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    #[serde(rename = "model")]
    _model: Option<IgnoredAny>,
    #[serde(borrow)]
    input: Option<Content<input::Item<'a>>>,
    instructions: Option<String>,
    stream: Option<bool>,
    #[serde(rename = "stream_options")]
    _stream_options: Option<IgnoredAny>,
    max_output_tokens: Option<u64>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    #[serde(borrow)]
    tools: Option<Vec<tools::Tool<'a>>>,
    #[serde(borrow)]
    tool_choice: Option<tools::Choice<'a>>,
    parallel_tool_calls: Option<bool>,
    #[serde(borrow)]
    text: Option<Text<'a>>,
    #[serde(borrow)]
    reasoning: Option<Reasoning<'a>>,
    user: Option<String>,
    safety_identifier: Option<String>,
    #[serde(borrow)]
    include: Option<Vec<Word<'a>>>,
    store: Option<bool>,
    #[serde(rename = "metadata")]
    _metadata: Option<IgnoredAny>,
    #[serde(borrow)]
    truncation: Option<Word<'a>>,
    service_tier: Option<IgnoredAny>,
    max_tool_calls: Option<IgnoredAny>,
    prompt_cache_key: Option<IgnoredAny>,
    prompt_cache_options: Option<IgnoredAny>,
    prompt_cache_retention: Option<IgnoredAny>,
    client_metadata: Option<IgnoredAny>,
    access_programs: Option<IgnoredAny>,
    background: Option<bool>,
    previous_response_id: Option<IgnoredAny>,
    conversation: Option<IgnoredAny>,
    prompt: Option<IgnoredAny>,
    context_management: Option<IgnoredAny>,
    moderation: Option<IgnoredAny>,
    image: Option<IgnoredAny>,
    top_logprobs: Option<u64>,
}

#[derive(Deserialize)]
struct Text<'a> {
    #[serde(borrow)]
    format: Option<Format<'a>>,
    verbosity: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Format<'a> {
    #[serde(rename = "type", borrow)]
    kind: Word<'a>,
    name: Option<String>,
    schema: Option<Box<RawValue>>,
    strict: Option<bool>,
}

/// A `summary` is given in any case.
#[derive(Deserialize)]
struct Reasoning<'a> {
    #[serde(borrow)]
    effort: Option<Word<'a>>,
}

/// Reads a request.
pub(crate) fn read_request(body: &[u8]) -> Result<Request, Untranslatable> {
    let mut body: Body<'_> = serde_json::from_slice(body).map_err(invalid)?;
    refuse(&body)?;
    let effort = body.reasoning.as_ref().and_then(|reasoning| reasoning.effort.as_ref());
    let mut request = Request {
        stream: body.stream.unwrap_or_default(),
        tokens_max: body.max_output_tokens,
        parallel_tool_calls: body.parallel_tool_calls,
        user: body.safety_identifier.take().or(body.user.take()),
        dropped: dropped(&body),
        reasoning: effort.map(|word| effort_of(word.as_str())).transpose()?,
        sampling: Sampling { temperature: body.temperature, top_p: body.top_p, ..Sampling::default() },
        ..Request::default()
    };
    request.instructions.extend(body.instructions);
    request.output = body.text.and_then(|text| text.format).map(output).transpose()?.unwrap_or_default();
    request.tools = body.tools.unwrap_or_default().into_iter().map(tools::tool).collect::<Result<_, _>>()?;
    request.tool_choice = body.tool_choice.map(tools::choice).transpose()?;
    match body.input {
        None => return Err(Untranslatable::Invalid("`input` is missing".to_owned())),
        Some(input) => input::read(input, &mut request)?,
    }
    Ok(request)
}

/// Refuses what no other protocol can say and what would change the answer when left out.
fn refuse(body: &Body<'_>) -> Result<(), Untranslatable> {
    const STATELESS: &str = "no conversations are kept; send the whole conversation in `input`";
    let wants_logprobs =
        body.include.iter().flatten().any(|what| what.as_str() == "message.output_text.logprobs");
    let refused = [
        (body.previous_response_id.is_some(), "previous_response_id", STATELESS),
        (body.conversation.is_some(), "conversation", STATELESS),
        (body.prompt.is_some(), "prompt", "it has no prompts stored at OpenAI"),
        (body.background == Some(true), "background", "answers are not kept to be fetched later"),
        (
            body.context_management.is_some(),
            "context_management",
            "it does not manage the conversation's context",
        ),
        (body.moderation.is_some(), "moderation", "it has no moderation of its own to ask for"),
        (body.image.is_some(), "image", "it answers in text"),
        (
            body.top_logprobs.is_some_and(|n| n > 0) || wants_logprobs,
            "top_logprobs",
            "it does not tell the probabilities of tokens",
        ),
    ];
    match refused.into_iter().find(|(is_said, _, _)| *is_said) {
        Some((_, field, reason)) => Err(Untranslatable::Unsupported { field, reason }),
        None => Ok(()),
    }
}

/// Names what is left out: services of OpenAI around the answer, which is still the answer asked for.
fn dropped(body: &Body<'_>) -> Vec<&'static str> {
    let wants_more = body.include.iter().flatten().any(|what| what.as_str() != "reasoning.encrypted_content");
    let said = [
        (body.store == Some(true), "store"),
        (wants_more, "include"),
        (body.truncation.as_ref().is_some_and(|word| word.as_str() != "disabled"), "truncation"),
        (body.service_tier.is_some(), "service_tier"),
        (body.max_tool_calls.is_some(), "max_tool_calls"),
        (body.prompt_cache_key.is_some(), "prompt_cache_key"),
        (body.prompt_cache_options.is_some(), "prompt_cache_options"),
        (body.prompt_cache_retention.is_some(), "prompt_cache_retention"),
        (body.client_metadata.is_some(), "client_metadata"),
        (body.access_programs.is_some(), "access_programs"),
        (body.text.as_ref().is_some_and(|text| text.verbosity.is_some()), "text.verbosity"),
    ];
    said.into_iter().filter_map(|(is_said, field)| is_said.then_some(field)).collect()
}

fn output(format: Format<'_>) -> Result<Output, Untranslatable> {
    match (format.kind.as_str(), format.name, format.schema) {
        ("text", _, _) => Ok(Output::Text),
        ("json_object", _, _) => Ok(Output::JsonObject),
        ("json_schema", Some(name), Some(schema)) => {
            Ok(Output::JsonSchema { name, schema, strict: format.strict })
        }
        ("json_schema", _, _) => {
            Err(Untranslatable::Invalid("`text.format` must have a name and a schema".to_owned()))
        }
        _ => Err(Untranslatable::Unsupported {
            field: "text.format",
            reason: "it can be text, json_object or json_schema",
        }),
    }
}
