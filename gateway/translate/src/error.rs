//! Refusals in the caller's dialect.
//!
//! OpenAI's callers, of Chat and of Responses, know `{"error":{"message","type","param","code"}}`; Anthropic's know
//! `{"type":"error","error":{"type","message"},"request_id"}` with a type for each status. [`body`] writes either, and
//! [`event`] what ends a stream that cannot go on: `data: {"error":…}`, `event: error` or `response.failed`.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Serialize;

use crate::json;
use crate::matrix::Caller;

/// An error as the OpenAI protocol writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorBody<'a> {
    /// For people.
    pub message: &'a str,
    /// The class of error.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// The field at fault.
    pub param: Option<&'a str>,
    /// For programs.
    pub code: Option<&'a str>,
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: &'a ErrorBody<'a>,
}

impl ErrorBody<'_> {
    /// The body of a JSON answer.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Strings and nulls always serialise.
        serde_json::to_vec(&Envelope { error: self }).unwrap_or_default()
    }

    /// The event that ends a stream which cannot go on.
    #[must_use]
    pub fn to_event(&self) -> Vec<u8> {
        [b"data: ".as_slice(), &self.to_json(), b"\n\n"].concat()
    }
}

/// The class of error that OpenAI's callers know for a status.
#[must_use]
pub const fn openai_kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "server_error",
    }
}

/// The class of error that Anthropic's callers know for a status.
#[must_use]
pub const fn anthropic_kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        503 | 529 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

/// The body of a refusal, for a caller's protocol.
#[must_use]
pub fn body(caller: Caller, status: u16, error: &ErrorBody<'_>, request_id: &str) -> Vec<u8> {
    match caller {
        Caller::OpenAiChat | Caller::OpenAiResponses => error.to_json(),
        Caller::AnthropicMessages => anthropic(anthropic_kind(status), error.message, request_id),
    }
}

/// The event that ends a stream which cannot go on, for a caller's protocol.
#[must_use]
pub fn event(caller: Caller, error: &ErrorBody<'_>, request_id: &str) -> Vec<u8> {
    match caller {
        Caller::OpenAiChat => error.to_event(),
        Caller::OpenAiResponses => failed(error, request_id),
        Caller::AnthropicMessages => {
            let kind = match error.kind {
                known @ ("invalid_request_error"
                | "authentication_error"
                | "billing_error"
                | "permission_error"
                | "not_found_error"
                | "request_too_large"
                | "rate_limit_error"
                | "timeout_error"
                | "overloaded_error") => known,
                _ => "api_error",
            };
            let json = anthropic(kind, error.message, request_id);
            [b"event: error\ndata: ".as_slice(), &json, b"\n\n"].concat()
        }
    }
}

/// The code of a response that failed; the protocol has a list of them.
pub(crate) fn responses_code(kind: &str) -> &'static str {
    match kind {
        "rate_limit_error" => "rate_limit_exceeded",
        "invalid_request_error" => "invalid_prompt",
        _ => "server_error",
    }
}

/// A response that failed, of which no more is known: what was said of it went by.
fn failed(error: &ErrorBody<'_>, request_id: &str) -> Vec<u8> {
    let mut out = b"event: response.failed\ndata: ".to_vec();
    json::object(&mut out, |o| {
        o.text("type", "response.failed");
        o.object("response", |o| {
            o.text("id", &format!("resp_{request_id}"));
            o.text("object", "response");
            o.text("status", "failed");
            o.object("error", |o| {
                o.text("code", responses_code(error.kind));
                o.text("message", error.message);
            });
            o.array("output", |_| {});
        });
    });
    out.extend_from_slice(b"\n\n");
    out
}

fn anthropic(kind: &str, message: &str, request_id: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(128 + message.len());
    json::object(&mut out, |o| {
        o.text("type", "error");
        o.object("error", |o| {
            o.text("type", kind);
            o.text("message", message);
        });
        o.text("request_id", request_id);
    });
    out
}

/// Whether one event's data is an error in place of an answer: an object with an `error` that is not null and no
/// `choices`.
#[must_use]
pub fn is_error(data: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Probe {
        error: Option<serde::de::IgnoredAny>,
        choices: Option<serde::de::IgnoredAny>,
    }
    static WORD: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(b"\"error\""));
    let could_be = WORD.find(data).is_some();
    could_be
        && serde_json::from_slice::<Probe>(data)
            .is_ok_and(|found| found.error.is_some() && found.choices.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_openai_s_shape() {
        let error =
            ErrorBody { message: "no \"x\"", kind: "invalid_request_error", param: None, code: Some("y") };
        let json =
            r#"{"error":{"message":"no \"x\"","type":"invalid_request_error","param":null,"code":"y"}}"#;
        assert_eq!(error.to_json(), json.as_bytes());
        assert_eq!(error.to_event(), format!("data: {json}\n\n").as_bytes());
    }

    #[test]
    fn an_error_in_place_of_an_answer_is_told_from_an_answer() {
        assert!(is_error(br#"{"error":{"message":"overloaded"}}"#));
        assert!(is_error(br#"{"error":"overloaded"}"#));
        assert!(!is_error(br#"{"error":null,"choices":[]}"#));
        assert!(!is_error(br#"{"choices":[{"delta":{"content":"\"error\""}}]}"#));
        assert!(!is_error(br#"{"error":null}"#));
        assert!(!is_error(b"[DONE]"));
    }
}
