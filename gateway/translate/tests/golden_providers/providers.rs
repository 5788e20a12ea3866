//! The providers.

use moorline_translate::chat::{Answer, Decoder, Request, Unreadable, Untranslatable};
use moorline_translate::{Wire, bedrock, cohere, gemini};

use crate::frames::frames;

/// A provider's half.
pub(crate) struct Provider {
    pub(crate) name: &'static str,
    /// Its usual model.
    pub(crate) model: &'static str,
    /// One that thinks and calls tools.
    pub(crate) thinking_model: &'static str,
    /// What of its answer `tools` must come back to it in the next turn.
    pub(crate) kept: &'static [&'static str],
    pub(crate) wire: Wire,
    pub(crate) write: fn(&mut Request) -> Result<Vec<u8>, Untranslatable>,
    pub(crate) read: fn(&[u8]) -> Result<Answer, Unreadable>,
    pub(crate) decoder: fn() -> Box<dyn Decoder>,
    /// The bytes of a stream from its file.
    pub(crate) stream: fn(&str) -> Vec<u8>,
    /// How an event begins that never ends.
    pub(crate) endless: fn() -> Vec<u8>,
}

pub(crate) const PROVIDERS: [Provider; 3] = [
    Provider {
        name: "gemini",
        model: "gemini-2.5-flash",
        thinking_model: "gemini-3-flash-preview",
        kept: &[
            r#""functionCall":{"id":"8f2b1a3c","name":"weather""#,
            r#"},"thoughtSignature":"CiQB4/H/XgZv"}"#,
        ],
        wire: Wire::Gemini,
        write: gemini::write_request,
        read: gemini::read_answer,
        decoder: || Box::<gemini::StreamDecoder>::default(),
        stream: |text| text.as_bytes().to_vec(),
        endless: || b"data: ".to_vec(),
    },
    Provider {
        name: "bedrock",
        model: "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
        thinking_model: "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
        kept: &[
            r#"{"reasoningContent":{"reasoningText":{"text":"Two cities.","signature":"EqQBCkgIARAB"}}}"#,
            r#"{"reasoningContent":{"redactedContent":"EmwKAhgBEgy3"}}"#,
            r#"{"toolUse":{"toolUseId":"tooluse_1","name":"weather","input":{"#,
        ],
        wire: Wire::BedrockConverse,
        write: bedrock::write_request,
        read: bedrock::read_answer,
        decoder: || Box::<bedrock::StreamDecoder>::default(),
        stream: frames,
        endless: || u32::MAX.to_be_bytes().to_vec(),
    },
    Provider {
        name: "cohere",
        model: "command-a-03-2025",
        thinking_model: "command-a-reasoning-08-2025",
        kept: &[r#""tool_plan":"I will look up both cities.""#, r#"{"id":"weather_1","type":"function""#],
        wire: Wire::CohereChat,
        write: cohere::write_request,
        read: cohere::read_answer,
        decoder: || Box::<cohere::StreamDecoder>::default(),
        stream: |text| text.as_bytes().to_vec(),
        endless: || b"data: ".to_vec(),
    },
];
