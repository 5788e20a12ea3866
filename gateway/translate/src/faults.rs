//! What a provider's refusal means.
//!
//! In: the protocol, the status and the body of an answer that is no answer, or a fault from inside a stream. Out: the
//! provider's words for it ([`Fault`]) and what follows from it ([`Class`]), in the cases in which the status alone
//! does not tell. A status tells enough for most (401, 429, 503); providers also say "the conversation is too long"
//! as one of many 400s, "this key is not valid" as a 400, and "we are overloaded" inside a stream that began with 200.
//!
//! Sources: platform.openai.com/docs/guides/error-codes; docs.anthropic.com/en/api/errors;
//! ai.google.dev/gemini-api/docs/troubleshooting and cloud.google.com/apis/design/errors (status names);
//! docs.cohere.com/reference/errors; docs.aws.amazon.com/bedrock/latest/APIReference (Converse, CommonErrors). The
//! wordings of "too long" are those that the providers and vLLM, llama.cpp and TGI send.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Wire;
use crate::chat::StreamFault;

/// The longest body that is read for its words. Real ones are far shorter; a longer one is read as none.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// A provider's refusal in its own words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fault {
    /// Its word for the class, such as `invalid_request_error`, `RESOURCE_EXHAUSTED` or `ThrottlingException`; empty
    /// when it says none.
    pub kind: String,
    /// In words; empty when it says none. It may hold what the provider thinks fit, parts of the prompt among it: for
    /// the caller, never for our log.
    pub message: String,
    /// For programs, when it gives one.
    pub code: Option<String>,
}

/// What follows from a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// The conversation is longer than the model can hold: only a model that holds more can help, and nothing is
    /// wrong with this one.
    ContextLength,
    /// Too much at once: later, or elsewhere.
    RateLimited,
    /// The provider is too busy for anybody: elsewhere.
    Overloaded,
    /// The account behind the credential is out of money or quota: waiting helps nobody, another credential does.
    Exhausted,
    /// The credential is not valid or may not do this.
    Credential,
    /// The body says nothing that the status does not say.
    Other,
}

/// Whether the refusal says that the conversation is longer than the model can hold.
#[must_use]
pub fn is_context_length(wire: Wire, status: u16, body: &[u8]) -> bool {
    classify(wire, status, body) == Class::ContextLength
}

/// What follows from an answer with a status of 400 or more, as far as its body says.
#[must_use]
pub fn classify(wire: Wire, status: u16, body: &[u8]) -> Class {
    classify_named(wire, status, None, body)
}

/// As [`classify`], for a provider that says its word for the class in a header (AWS: `x-amzn-errortype`).
#[must_use]
pub fn classify_named(wire: Wire, status: u16, named: Option<&str>, body: &[u8]) -> Class {
    let mut fault = read(wire, body);
    if let Some(named) = named.filter(|_| fault.kind.is_empty()) {
        fault.kind = bare_name(named).to_owned();
    }
    class(wire, Some(status), &fault)
}

/// What follows from a fault inside a stream.
#[must_use]
pub fn classify_stream(wire: Wire, fault: &StreamFault) -> Class {
    let fault = Fault { kind: fault.kind.clone(), message: fault.message.clone(), code: None };
    class(wire, None, &fault)
}

fn class(wire: Wire, status: Option<u16>, fault: &Fault) -> Class {
    // A throttled caller is told how large its prompt was, too: a 429 or a 500 is never "too long".
    let may_be_length = status.is_none_or(|status| matches!(status, 400 | 413 | 422));
    if may_be_length && says_too_long(fault) {
        return Class::ContextLength;
    }
    let named = match wire {
        Wire::OpenAiChat => openai(fault),
        Wire::AnthropicMessages => anthropic(fault),
        Wire::BedrockConverse => bedrock(&fault.kind),
        Wire::Gemini => gemini(fault),
        Wire::CohereChat => Class::Other,
    };
    match (named, status) {
        (Class::Other, Some(429)) => Class::RateLimited,
        (Class::Other, Some(503 | 529)) => Class::Overloaded,
        (Class::Other, Some(401 | 403)) => Class::Credential,
        (Class::Other, Some(402)) => Class::Exhausted,
        (named, _) => named,
    }
}

/// Wordings of "too long", in lower case. Each stands in a refusal that has no code of its own for it.
const TOO_LONG: [&str; 14] = [
    // OpenAI, vLLM, Azure; models of Meta and Mistral on Bedrock.
    "maximum context length",
    "context length exceeded",
    "exceeds the context window",
    // llama.cpp.
    "exceeds the available context size",
    // TGI.
    "`inputs` tokens + `max_new_tokens` must be",
    // Anthropic, there and on Bedrock.
    "prompt is too long",
    "exceed context limit",
    // Bedrock.
    "input is too long",
    "too many input tokens",
    "input tokens exceeded",
    "exceeds the maximum number of input tokens",
    // Gemini.
    "exceeds the maximum number of tokens",
    // Cohere.
    "too many tokens",
    "total number of tokens in the prompt cannot exceed",
];

fn says_too_long(fault: &Fault) -> bool {
    let named = |name: &str| {
        matches!(
            name,
            "context_length_exceeded" | "exceed_context_size_error" | "model_context_window_exceeded"
        )
    };
    if named(&fault.kind) || fault.code.as_deref().is_some_and(named) {
        return true;
    }
    let message = fault.message.to_ascii_lowercase();
    TOO_LONG.iter().any(|wording| message.contains(wording))
}

fn openai(fault: &Fault) -> Class {
    for word in [fault.code.as_deref().unwrap_or_default(), &fault.kind] {
        match word {
            "insufficient_quota" | "billing_hard_limit_reached" | "billing_not_active" => {
                return Class::Exhausted;
            }
            "rate_limit_exceeded" | "rate_limit_error" | "tokens" | "requests" => return Class::RateLimited,
            "overloaded_error" | "overloaded" | "engine_overloaded" | "service_unavailable" => {
                return Class::Overloaded;
            }
            "invalid_api_key" | "authentication_error" | "account_deactivated" => return Class::Credential,
            _ => {}
        }
    }
    Class::Other
}

fn anthropic(fault: &Fault) -> Class {
    match fault.kind.as_str() {
        "overloaded_error" => Class::Overloaded,
        "rate_limit_error" => Class::RateLimited,
        "authentication_error" | "permission_error" => Class::Credential,
        "billing_error" => Class::Exhausted,
        // An account without money is told so in a 400 like any other.
        "invalid_request_error" if fault.message.starts_with("Your credit balance is too low") => {
            Class::Exhausted
        }
        _ => Class::Other,
    }
}

fn bedrock(kind: &str) -> Class {
    match kind.to_ascii_lowercase().as_str() {
        "throttlingexception" | "toomanyrequestsexception" => Class::RateLimited,
        "serviceunavailableexception" | "modelnotreadyexception" => Class::Overloaded,
        "servicequotaexceededexception" => Class::Exhausted,
        "accessdeniedexception"
        | "unrecognizedclientexception"
        | "expiredtokenexception"
        | "expiredtoken"
        | "invalidsignatureexception"
        | "missingauthenticationtoken"
        | "incompletesignature" => Class::Credential,
        _ => Class::Other,
    }
}

fn gemini(fault: &Fault) -> Class {
    match (fault.kind.as_str(), fault.code.as_deref()) {
        // A key that is not valid is told so in a 400.
        (_, Some("API_KEY_INVALID" | "API_KEY_EXPIRED" | "API_KEY_SERVICE_BLOCKED")) => Class::Credential,
        ("INVALID_ARGUMENT", _) if fault.message.starts_with("API key ") => Class::Credential,
        ("UNAUTHENTICATED" | "PERMISSION_DENIED", _) => Class::Credential,
        ("RESOURCE_EXHAUSTED", _) => Class::RateLimited,
        ("UNAVAILABLE", _) => Class::Overloaded,
        _ => Class::Other,
    }
}

/// The words of a refusal's body.
#[must_use]
pub fn read(wire: Wire, body: &[u8]) -> Fault {
    if body.len() > BODY_BYTES_MAX {
        return Fault::default();
    }
    match wire {
        Wire::OpenAiChat | Wire::AnthropicMessages => enveloped(body),
        Wire::Gemini => google(body),
        Wire::BedrockConverse | Wire::CohereChat => bare(body),
    }
}

/// Text that may be anything: some servers give numbers as codes and objects as messages.
fn text(value: Option<&RawValue>) -> Option<String> {
    let value = value?.get();
    if value == "null" {
        return None;
    }
    Some(serde_json::from_str::<String>(value).unwrap_or_else(|_| value.to_owned()))
}

/// `{"error":{"type","message","code"}}`, `{"error":"words"}`, or the three without the envelope, as vLLM once wrote.
fn enveloped(body: &[u8]) -> Fault {
    #[derive(Deserialize)]
    struct Envelope<'a> {
        #[serde(borrow)]
        error: &'a RawValue,
    }
    let Ok(Envelope { error }) = serde_json::from_slice(body) else { return bare(body) };
    match serde_json::from_str::<Cow<'_, str>>(error.get()) {
        Ok(words) => Fault { message: words.into_owned(), ..Fault::default() },
        Err(_) => bare(error.get().as_bytes()),
    }
}

/// `{"message"}` with whatever stands beside it.
fn bare(body: &[u8]) -> Fault {
    #[derive(Deserialize, Default)]
    struct Bare<'a> {
        #[serde(borrow, rename = "type")]
        kind: Option<&'a RawValue>,
        // AWS, when it says the kind in the body and not in the header `x-amzn-errortype`.
        #[serde(borrow, rename = "__type")]
        aws_kind: Option<&'a RawValue>,
        #[serde(borrow, alias = "Message")]
        message: Option<&'a RawValue>,
        #[serde(borrow)]
        code: Option<&'a RawValue>,
    }
    let found = serde_json::from_slice::<Bare<'_>>(body).unwrap_or_default();
    let kind = text(found.kind).or_else(|| text(found.aws_kind)).unwrap_or_default();
    Fault {
        kind: bare_name(&kind).to_owned(),
        message: text(found.message).unwrap_or_default(),
        code: text(found.code),
    }
}

/// `com.amazon.coral.service#ThrottlingException` and `ValidationException:http://…` are names with a place.
fn bare_name(kind: &str) -> &str {
    let name = kind.split_once(':').map_or(kind, |(name, _)| name);
    name.rsplit_once('#').map_or(name, |(_, name)| name)
}

/// Google's: `{"error":{"code":400,"message","status","details":[{"reason"}]}}`; a list of one where a stream was
/// asked for.
fn google(body: &[u8]) -> Fault {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        // First: a list would also be read as a struct, member by member.
        Several(Vec<Envelope>),
        One(Envelope),
    }
    #[derive(Deserialize)]
    struct Envelope {
        error: Error,
    }
    #[derive(Deserialize)]
    struct Error {
        #[serde(default)]
        message: String,
        #[serde(default)]
        status: String,
        #[serde(default)]
        details: Vec<Detail>,
    }
    #[derive(Deserialize)]
    struct Detail {
        reason: Option<String>,
    }
    let error = match serde_json::from_slice(body) {
        Ok(Either::One(one)) => one.error,
        Ok(Either::Several(several)) => match several.into_iter().next() {
            Some(first) => first.error,
            None => return Fault::default(),
        },
        Err(_) => return enveloped(body),
    };
    let code = error.details.into_iter().find_map(|detail| detail.reason);
    Fault { kind: error.status, message: error.message, code }
}

#[cfg(test)]
mod tests;
