//! Which protocol meets which: a caller's request in the provider's words, and the answer in the caller's.
//!
//! In: the caller's request, then the provider's answer, stream or refusal. Out: bytes of the other protocol. Where
//! both speak the same one nothing comes here.
//!
//! What becomes of a request's fields (Gemini's, Bedrock's and Cohere's tables stand with them); those that no row names
//! are kept. *Named* means left out and told to the caller
//! in `x-moorline-dropped`; *refused* is a 400 that says why.
//!
//! | field | OpenAI Chat | Anthropic |
//! |---|---|---|
//! | instructions (`system`, `developer`, `instructions`) | `system` messages, first | `system` |
//! | `max_tokens`, `max_completion_tokens`, `max_output_tokens` | by the model's name | `max_tokens`, 4096 when absent |
//! | `temperature`, `top_p` | kept | up to 4.6: one of them, at most 1; later or thinking: named |
//! | `top_k` | named | like `temperature` |
//! | `seed`, `frequency_penalty`, `presence_penalty` | kept | named |
//! | `stop`, `stop_sequences` | kept | kept |
//! | tools, choice, one at a time | kept | kept |
//! | JSON by schema | `response_format` | `output_config.format` |
//! | any JSON object | `response_format` | asked for in words, named |
//! | effort or budget of thinking | `reasoning_effort`; before GPT-5 named | `thinking`; named where it cannot be |
//! | thoughts of earlier turns | named | kept when they are Claude's, else named |
//! | images by URL or inline | kept; out of tools' results moved behind them | kept |
//! | a tool's result is an error | named | kept |
//! | the caller's user | kept up to 64 characters, else named | `metadata.user_id` |
//!
//! By caller, the same for all providers:
//!
//! | caller | named | refused |
//! |---|---|---|
//! | OpenAI Chat | `store`, `metadata`, `service_tier`, `prediction`, `verbosity`, `prompt_cache_*`, an image's `detail` | `n` above 1, `logprobs`, `logit_bias`, audio, files, `moderation`, `web_search_options`, `functions`, fields unknown |
//! | Responses | `store`, `include` beyond encrypted thoughts, `truncation`, `service_tier`, `max_tool_calls`, `prompt_cache_*`, `client_metadata`, `text.verbosity`, an image's `detail` | what refers to a kept conversation, `background`, OpenAI's own tools and their items, files, audio, `top_logprobs`, `context_management`, `moderation`, fields unknown |
//! | Anthropic | `cache_control`, `service_tier`, `speed`, `inference_geo`, `diagnostics`, `context_management`, a tool's `defer_loading` and `input_examples`, fields unknown | Anthropic's own tools, documents, `container`, `mcp_servers` |

mod fault;
mod stream;

use std::borrow::Cow;

pub use stream::{Opening, Stream};

use crate::chat::{Request, Unreadable, Untranslatable};
use crate::splice::UsageEvent;
use crate::usage::Tokens;
use crate::wire::Wire;
use crate::{anthropic, bedrock, cohere, gemini, openai, responses};

/// What callers speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Caller {
    /// `POST /v1/chat/completions`.
    OpenAiChat,
    /// `POST /v1/responses`.
    OpenAiResponses,
    /// `POST /v1/messages`.
    AnthropicMessages,
}

/// What the translation of an answer needs to know of its request.
#[derive(Debug, Clone)]
pub struct Context {
    /// What the caller speaks.
    pub caller: Caller,
    /// What the provider speaks.
    pub wire: Wire,
    /// The model, as the caller named it.
    pub model: String,
    /// The request's id: what ids are made of that must be made up.
    pub id: String,
    /// When the request came, in seconds since 1970.
    pub created: i64,
    /// Whether the answer is a stream.
    pub stream: bool,
    /// OpenAI Chat: whether the caller asked for the usage event.
    pub usage_event: UsageEvent,
    /// Responses: what the answer says again of its request, as JSON members.
    pub echo: Vec<u8>,
}

impl Context {
    /// The id of a tool call, made up where the provider gave none.
    pub(crate) fn call_id<'a>(&self, given: &'a str, number: usize) -> Cow<'a, str> {
        call_id(&self.id, given, number)
    }
}

/// The id of the answer's tool call of a number, made up where the provider gave none.
pub(crate) fn call_id<'a>(request: &str, given: &'a str, number: usize) -> Cow<'a, str> {
    if given.is_empty() { Cow::Owned(format!("call_{request}_{number}")) } else { Cow::Borrowed(given) }
}

/// A request in the provider's words.
#[derive(Debug)]
pub struct Outgoing {
    /// The body.
    pub body: Vec<u8>,
    /// Fields that were left out.
    pub dropped: Vec<&'static str>,
    /// What the translation of the answer needs.
    pub context: Context,
}

/// Translates a request. `model` is the provider's name of the model and `named` the caller's.
///
/// # Errors
/// When the body is not what the caller's protocol says, or cannot be said in the provider's.
pub fn request(
    caller: Caller,
    wire: Wire,
    body: &[u8],
    model: &str,
    named: &str,
    id: &str,
    created: i64,
) -> Result<Outgoing, Untranslatable> {
    let mut request = match caller {
        Caller::OpenAiChat => openai::read_request(body)?,
        Caller::AnthropicMessages => anthropic::read_request(body)?,
        Caller::OpenAiResponses => responses::read_request(body)?,
    };
    model.clone_into(&mut request.model);
    let echo = if caller == Caller::OpenAiResponses { responses::echo(body) } else { Vec::new() };
    let body = write(wire, &mut request)?;
    let asks_usage = caller == Caller::OpenAiChat && request.stream && request.wants_usage;
    let context = Context {
        caller,
        wire,
        model: named.to_owned(),
        id: id.to_owned(),
        created,
        stream: request.stream,
        usage_event: if asks_usage { UsageEvent::Asked } else { UsageEvent::Ours },
        echo,
    };
    Ok(Outgoing { body, dropped: request.dropped, context })
}

fn write(wire: Wire, request: &mut Request) -> Result<Vec<u8>, Untranslatable> {
    match wire {
        Wire::OpenAiChat => openai::write_request(request),
        Wire::AnthropicMessages => anthropic::write_request(request),
        Wire::Gemini => gemini::write_request(request),
        Wire::BedrockConverse => bedrock::write_request(request),
        Wire::CohereChat => cohere::write_request(request),
    }
}

/// An answer in the caller's words.
#[derive(Debug)]
pub struct Translated {
    /// The body.
    pub body: Vec<u8>,
    /// What the answer used, when the provider says.
    pub tokens: Option<Tokens>,
}

/// Translates a whole answer.
///
/// # Errors
/// When it is not what the provider's protocol says.
pub fn answer(context: &Context, body: &[u8]) -> Result<Translated, Unreadable> {
    let answer = match context.wire {
        Wire::OpenAiChat => openai::read_answer(body)?,
        Wire::AnthropicMessages => anthropic::read_answer(body)?,
        Wire::Gemini => gemini::read_answer(body)?,
        Wire::BedrockConverse => bedrock::read_answer(body)?,
        Wire::CohereChat => cohere::read_answer(body)?,
    };
    let body = match context.caller {
        Caller::OpenAiChat => openai::write_answer(&answer, context),
        Caller::OpenAiResponses => responses::write_answer(&answer, context),
        Caller::AnthropicMessages => anthropic::write_answer(&answer, context),
    };
    Ok(Translated { body, tokens: answer.usage.map(crate::chat::Usage::tokens) })
}

/// A provider's refusal in the caller's words.
#[must_use]
pub fn error(context: &Context, status: u16, body: &[u8]) -> Vec<u8> {
    fault::refusal(context, status, body)
}

#[cfg(test)]
mod tests;
