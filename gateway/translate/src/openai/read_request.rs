//! A caller's chat request.
//!
//! Every field of the protocol is one of: read, left out and named in [`Request::dropped`], or refused. A field that
//! the protocol does not have is refused as OpenAI does it. The table is in [`crate::matrix`].

mod message;
mod tools;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::chat::{Effort, Reasoning, Request, Sampling, Untranslatable};
use crate::read::{Content, Word, invalid};

pub(crate) use message::ThinkingBlock;
pub(crate) use tools::{WordOr, word_of_choice};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    #[serde(borrow)]
    messages: Vec<message::Message<'a>>,
    #[serde(rename = "model")]
    _model: Option<IgnoredAny>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<u64>,
    frequency_penalty: Option<f64>,
    presence_penalty: Option<f64>,
    seed: Option<i64>,
    stop: Option<Content<String>>,
    #[serde(borrow)]
    tools: Option<Vec<tools::Tool<'a>>>,
    #[serde(borrow)]
    tool_choice: Option<tools::Choice<'a>>,
    parallel_tool_calls: Option<bool>,
    #[serde(borrow)]
    response_format: Option<tools::Format<'a>>,
    reasoning_effort: Option<Word<'a>>,
    thinking: Option<Thinking<'a>>,
    user: Option<String>,
    safety_identifier: Option<String>,
    n: Option<u64>,
    logprobs: Option<bool>,
    top_logprobs: Option<u64>,
    logit_bias: Option<BTreeMap<String, IgnoredAny>>,
    modalities: Option<Vec<Word<'a>>>,
    audio: Option<IgnoredAny>,
    moderation: Option<IgnoredAny>,
    web_search_options: Option<IgnoredAny>,
    functions: Option<IgnoredAny>,
    function_call: Option<IgnoredAny>,
    store: Option<bool>,
    metadata: Option<IgnoredAny>,
    service_tier: Option<IgnoredAny>,
    prediction: Option<IgnoredAny>,
    verbosity: Option<IgnoredAny>,
    prompt_cache_key: Option<IgnoredAny>,
    prompt_cache_options: Option<IgnoredAny>,
    prompt_cache_retention: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

/// How callers of several gateways ask for thoughts in tokens; `reasoning_effort` has only words.
#[derive(Deserialize)]
struct Thinking<'a> {
    #[serde(rename = "type", borrow)]
    kind: Word<'a>,
    budget_tokens: Option<u64>,
}

/// Reads a request.
pub(crate) fn read_request(body: &[u8]) -> Result<Request, Untranslatable> {
    let mut body: Body<'_> = serde_json::from_slice(body).map_err(invalid)?;
    refuse(&body)?;
    let mut request = Request {
        stream: body.stream.unwrap_or_default(),
        wants_usage: body.stream_options.as_ref().is_some_and(|options| options.include_usage == Some(true)),
        tokens_max: body.max_completion_tokens.or(body.max_tokens),
        parallel_tool_calls: body.parallel_tool_calls,
        user: body.safety_identifier.take().or(body.user.take()),
        dropped: dropped(&body),
        reasoning: reasoning(&body)?,
        sampling: Sampling {
            temperature: body.temperature,
            top_p: body.top_p,
            top_k: body.top_k,
            frequency_penalty: body.frequency_penalty,
            presence_penalty: body.presence_penalty,
            seed: body.seed,
            stop: match body.stop {
                None => Vec::new(),
                Some(Content::Text(text)) => vec![text],
                Some(Content::Parts(texts)) => texts,
            },
        },
        ..Request::default()
    };
    request.tools = body.tools.unwrap_or_default().into_iter().map(tools::tool).collect::<Result<_, _>>()?;
    request.tool_choice = body.tool_choice.map(tools::choice).transpose()?;
    request.output = body.response_format.map(tools::output).transpose()?.unwrap_or_default();
    for message in body.messages {
        message::read(message, &mut request)?;
    }
    Ok(request)
}

/// Refuses what no other protocol can say and what would change the answer when left out.
fn refuse(body: &Body<'_>) -> Result<(), Untranslatable> {
    let wants_audio = body.modalities.iter().flatten().any(|modality| modality.as_str() != "text");
    let refused = [
        (body.n.is_some_and(|n| n != 1), "n", "it gives one answer a request"),
        (body.logprobs == Some(true), "logprobs", "it does not tell the probabilities of tokens"),
        (
            body.top_logprobs.is_some_and(|n| n > 0),
            "top_logprobs",
            "it does not tell the probabilities of tokens",
        ),
        (
            body.logit_bias.as_ref().is_some_and(|bias| !bias.is_empty()),
            "logit_bias",
            "its tokens are not those of OpenAI's models",
        ),
        (wants_audio, "modalities", "it answers in text"),
        (body.audio.is_some(), "audio", "it answers in text"),
        (body.moderation.is_some(), "moderation", "it has no moderation of its own to ask for"),
        (body.web_search_options.is_some(), "web_search_options", "it cannot search in OpenAI's way"),
        (body.functions.is_some(), "functions", "use `tools`, which has taken its place"),
        (body.function_call.is_some(), "function_call", "use `tool_choice`, which has taken its place"),
    ];
    match refused.into_iter().find(|(is_said, _, _)| *is_said) {
        Some((_, field, reason)) => Err(Untranslatable::Unsupported { field, reason }),
        None => Ok(()),
    }
}

/// Names what is left out: services of OpenAI around the answer, which is still the answer asked for.
fn dropped(body: &Body<'_>) -> Vec<&'static str> {
    let said = [
        (body.store == Some(true), "store"),
        (body.metadata.is_some(), "metadata"),
        (body.service_tier.is_some(), "service_tier"),
        (body.prediction.is_some(), "prediction"),
        (body.verbosity.is_some(), "verbosity"),
        (body.prompt_cache_key.is_some(), "prompt_cache_key"),
        (body.prompt_cache_options.is_some(), "prompt_cache_options"),
        (body.prompt_cache_retention.is_some(), "prompt_cache_retention"),
    ];
    said.into_iter().filter_map(|(is_said, field)| is_said.then_some(field)).collect()
}

fn reasoning(body: &Body<'_>) -> Result<Option<Reasoning>, Untranslatable> {
    if let Some(thinking) = &body.thinking {
        return Ok(match (thinking.kind.as_str(), thinking.budget_tokens) {
            ("disabled", _) => Some(Reasoning::Off),
            (_, Some(budget)) => Some(Reasoning::Budget(budget)),
            _ => Some(Reasoning::Effort(Effort::High)),
        });
    }
    body.reasoning_effort.as_ref().map(|effort| effort_of(effort.as_str())).transpose()
}

/// What the protocols of OpenAI mean by a word of effort.
pub(crate) fn effort_of(word: &str) -> Result<Reasoning, Untranslatable> {
    Ok(Reasoning::Effort(match word {
        "none" => return Ok(Reasoning::Off),
        "minimal" => Effort::Minimal,
        "low" => Effort::Low,
        "medium" => Effort::Medium,
        "high" => Effort::High,
        "xhigh" => Effort::XHigh,
        "max" => Effort::Max,
        _ => {
            return Err(Untranslatable::Invalid(
                "the reasoning effort is not one of none, minimal, low, medium, high, xhigh, max".to_owned(),
            ));
        }
    }))
}
