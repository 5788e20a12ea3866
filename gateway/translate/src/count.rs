//! How many tokens a request has: Anthropic's `/v1/messages/count_tokens` at providers that can tell.
//!
//! In: the caller's body, which is a request without `max_tokens`. Out: the question in the provider's words. In: its
//! answer. Out: Anthropic's, `{"input_tokens"}`.
//!
//! Gemini counts with `countTokens`, Bedrock with `CountTokens` (Claude, and what else its documentation names). OpenAI
//! Chat and Cohere have nothing that counts what they would read, and a guess is no count: they are refused.
//!
//! Sources: platform.claude.com/docs/en/api/messages-count-tokens; ai.google.dev/api/tokens;
//! docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html.

use crate::chat::{Unreadable, Untranslatable};
use crate::outgoing::Outgoing;
use crate::wire::Wire;
use crate::{anthropic, bedrock, gemini};

const CANNOT_COUNT: Untranslatable =
    Untranslatable::Unsupported { field: "model", reason: "its provider does not count tokens" };

/// The question about a request to `model`, in the provider's words.
///
/// # Errors
/// [`Untranslatable`], when the body is no request of Anthropic's protocol or the provider does not count.
pub fn request(wire: Wire, body: &[u8], model: &str) -> Result<Outgoing, Untranslatable> {
    let (path, write): (String, fn(&mut _) -> _) = match wire {
        Wire::Gemini => (gemini::count_path(model), gemini::write_count),
        Wire::BedrockConverse => (bedrock::count_path(model), bedrock::write_count),
        Wire::OpenAiChat | Wire::AnthropicMessages | Wire::CohereChat => return Err(CANNOT_COUNT),
    };
    let mut request = anthropic::read_count_request(body)?;
    model.clone_into(&mut request.model);
    let body = write(&mut request)?;
    Ok(Outgoing { path, body, dropped: request.dropped })
}

/// The provider's answer in Anthropic's words.
///
/// # Errors
/// [`Unreadable`], when it does not say the count.
pub fn answer(wire: Wire, body: &[u8]) -> Result<Vec<u8>, Unreadable> {
    let count = match wire {
        Wire::Gemini => gemini::read_count(body)?,
        Wire::BedrockConverse => bedrock::read_count(body)?,
        Wire::OpenAiChat | Wire::AnthropicMessages | Wire::CohereChat => return Err(Unreadable::Empty),
    };
    Ok(format!("{{\"input_tokens\":{count}}}").into_bytes())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ASKED: &[u8] =
        br#"{"model":"m","system":"Be brief.","messages":[{"role":"user","content":"Hello"}],"tools":[{"name":"t","input_schema":{"type":"object"}}]}"#;

    fn body(outgoing: &Outgoing) -> Value {
        serde_json::from_slice(&outgoing.body).unwrap()
    }

    #[test]
    fn gemini_counts_the_request_that_it_would_be_asked() {
        let outgoing = request(Wire::Gemini, ASKED, "gemini-2.5-flash").unwrap();
        assert_eq!(outgoing.path, "/models/gemini-2.5-flash:countTokens");
        assert_eq!(
            body(&outgoing),
            json!({"generateContentRequest": {
                "model": "models/gemini-2.5-flash",
                "systemInstruction": {"parts": [{"text": "Be brief."}]},
                "contents": [{"role": "user", "parts": [{"text": "Hello"}]}],
                "tools": [{"functionDeclarations": [{"name": "t", "parametersJsonSchema": {"type": "object"}}]}],
            }})
        );
        let said = answer(Wire::Gemini, br#"{"totalTokens":31,"promptTokensDetails":[]}"#).unwrap();
        assert_eq!(said, br#"{"input_tokens":31}"#);
    }

    #[test]
    fn bedrock_counts_the_request_that_it_would_be_asked() {
        let outgoing = request(Wire::BedrockConverse, ASKED, "anthropic.claude-sonnet-4-5-v1:0").unwrap();
        assert_eq!(outgoing.path, "/model/anthropic.claude-sonnet-4-5-v1%3A0/count-tokens");
        assert_eq!(
            body(&outgoing),
            json!({"input": {"converse": {
                "system": [{"text": "Be brief."}],
                "messages": [{"role": "user", "content": [{"text": "Hello"}]}],
                "toolConfig": {"tools": [{"toolSpec": {"name": "t", "inputSchema": {"json": {"type": "object"}}}}]},
            }}})
        );
        assert_eq!(
            answer(Wire::BedrockConverse, br#"{"inputTokens":15}"#).unwrap(),
            br#"{"input_tokens":15}"#
        );
    }

    #[test]
    fn who_cannot_count_is_not_asked() {
        for wire in [Wire::OpenAiChat, Wire::CohereChat] {
            assert_eq!(request(wire, ASKED, "m").err(), Some(CANNOT_COUNT));
        }
        assert!(matches!(request(Wire::Gemini, b"{}", "m"), Err(Untranslatable::Invalid(_))));
        for said in [b"{}".as_slice(), b"", br#"{"totalTokens":"x"}"#] {
            assert!(matches!(answer(Wire::Gemini, said), Err(Unreadable::Json(_))));
        }
    }
}
