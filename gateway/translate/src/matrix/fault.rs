//! A provider's refusals and faults in the caller's words.
//!
//! The message is kept. Where both speak a protocol of OpenAI so are its other words; else the class of error follows
//! from the status, or from what the provider's word for it means.

use serde::Deserialize;

use super::{Caller, Context};
use crate::chat::StreamFault;
use crate::error::{self, ErrorBody};
use crate::faults::{self, Class};
use crate::wire::Wire;

const NO_WORDS: &str = "the provider refused the request and gave no reason";

/// The body of an answer with a status of 400 or more.
pub(super) fn refusal(context: &Context, status: u16, body: &[u8]) -> Vec<u8> {
    let fault = faults::read(context.wire, body);
    let class = faults::classify(context.wire, status, body);
    let param = param(context.wire, body);
    let is_openai_s = context.wire == Wire::OpenAiChat;
    let own_code = fault.code.as_deref().filter(|_| is_openai_s);
    let own_kind = Some(fault.kind.as_str()).filter(|kind| is_openai_s && !kind.is_empty());
    let said = ErrorBody {
        message: if fault.message.is_empty() { NO_WORDS } else { &fault.message },
        kind: own_kind.unwrap_or_else(|| error::openai_kind(status)),
        param: param.as_deref(),
        code: own_code.or(code(class)),
    };
    error::body(context.caller, status, &said, &context.id)
}

/// The code that OpenAI's clients know.
const fn code(class: Class) -> Option<&'static str> {
    match class {
        Class::ContextLength => Some("context_length_exceeded"),
        Class::RateLimited => Some("rate_limit_exceeded"),
        Class::Exhausted => Some("insufficient_quota"),
        Class::Overloaded | Class::Credential | Class::Other => None,
    }
}

fn param(wire: Wire, body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Envelope {
        error: Error,
    }
    #[derive(Deserialize)]
    struct Error {
        param: Option<String>,
    }
    let is_there = wire == Wire::OpenAiChat && memchr::memmem::find(body, b"\"param\"").is_some();
    is_there.then(|| serde_json::from_slice::<Envelope>(body).ok()?.error.param).flatten()
}

/// The caller's word for the class of a fault inside a stream, and the code.
pub(super) fn kind_of(context: &Context, fault: &StreamFault) -> (&'static str, Option<&'static str>) {
    let class = faults::classify_stream(context.wire, fault);
    let kind = match (context.caller, class) {
        (_, Class::ContextLength) => "invalid_request_error",
        (_, Class::RateLimited) => "rate_limit_error",
        (Caller::AnthropicMessages, Class::Overloaded) => "overloaded_error",
        (Caller::AnthropicMessages, _) => "api_error",
        (Caller::OpenAiChat | Caller::OpenAiResponses, _) => "server_error",
    };
    let code = match class {
        Class::Overloaded => Some("overloaded"),
        Class::Exhausted => None,
        class => code(class),
    };
    (kind, code)
}
