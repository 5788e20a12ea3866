//! How each kind of provider serves each operation: in the caller's own protocol, in another, or not at all.
//!
//! In: a provider as declared, and the model's name there (some paths hold it). Out: for each operation the path of
//! the provider's endpoint, compiled once with the document.

use http::uri::PathAndQuery;
use moorline_config::document::ProviderKind;
use moorline_translate::Wire;

use super::operation::Operation;

/// How one operation is served.
#[derive(Debug)]
pub enum Way {
    /// The provider speaks the caller's own protocol: bytes pass through, to this path.
    Same(PathAndQuery),
    /// Chat in another protocol.
    Chat {
        /// The protocol.
        wire: Wire,
        /// Where an answer is asked for.
        path: PathAndQuery,
        /// Where a stream is asked for.
        stream_path: PathAndQuery,
    },
    /// Counting tokens in another protocol, whose path depends on the model.
    Count(Wire),
    /// Embeddings in another protocol, whose path depends on the model.
    Embeddings(Wire),
    /// Reranking in another protocol, whose path depends on the model.
    Rerank(Wire),
}

/// The protocol whose words a kind of provider refuses in, whatever was asked.
#[must_use]
pub const fn wire_of(kind: ProviderKind) -> Wire {
    match kind {
        ProviderKind::Openai | ProviderKind::OpenaiCompatible | ProviderKind::AzureOpenai => Wire::OpenAiChat,
        ProviderKind::Anthropic => Wire::AnthropicMessages,
        ProviderKind::Bedrock => Wire::BedrockConverse,
        ProviderKind::Gemini => Wire::Gemini,
        ProviderKind::Cohere => Wire::CohereChat,
    }
}

/// How each operation is served; nothing where it is not.
#[derive(Debug)]
pub struct Ways([Option<Way>; Operation::ALL.len()]);

impl Ways {
    /// Compiles the ways to a model of a provider whose paths begin with `prefix`.
    pub(super) fn compile(kind: ProviderKind, prefix: &str, version: Option<&str>, model: &str) -> Self {
        let place = Place { kind, prefix, version, model };
        Self(Operation::ALL.map(|operation| place.way(operation)))
    }

    /// How an operation is served.
    #[must_use]
    pub fn of(&self, operation: Operation) -> Option<&Way> {
        self.0.get(operation as usize)?.as_ref()
    }
}

struct Place<'a> {
    kind: ProviderKind,
    prefix: &'a str,
    version: Option<&'a str>,
    model: &'a str,
}

fn same(path: String) -> Option<Way> {
    PathAndQuery::try_from(path).ok().map(Way::Same)
}

impl Place<'_> {
    fn way(&self, operation: Operation) -> Option<Way> {
        match self.kind {
            ProviderKind::Openai => self.openai(operation),
            ProviderKind::OpenaiCompatible => self.compatible(operation),
            ProviderKind::AzureOpenai => self.azure(operation),
            ProviderKind::Anthropic => self.anthropic(operation),
            ProviderKind::Bedrock => self.bedrock(operation),
            ProviderKind::Gemini => self.gemini(operation),
            ProviderKind::Cohere => self.cohere(operation),
        }
    }

    /// <https://platform.openai.com/docs/api-reference>.
    fn openai(&self, operation: Operation) -> Option<Way> {
        if operation == Operation::Messages {
            return self.chat(Wire::OpenAiChat, "/chat/completions");
        }
        let path = openai_path(operation)?;
        same(format!("{}{path}", self.prefix))
    }

    /// Servers that speak OpenAI's protocol serve chat and what is older; rerank is found at many (vLLM, Jina).
    fn compatible(&self, operation: Operation) -> Option<Way> {
        match operation {
            Operation::Rerank => same(format!("{}/rerank", self.prefix)),
            // Few of them have it.
            Operation::Responses => self.chat(Wire::OpenAiChat, "/chat/completions"),
            _ => self.openai(operation),
        }
    }

    /// With an API version, the paths of deployments, where the path and not the body names the model; without one,
    /// `/openai/v1`. <https://learn.microsoft.com/azure/ai-services/openai/reference>.
    fn azure(&self, operation: Operation) -> Option<Way> {
        if operation == Operation::Moderations {
            return None;
        }
        if operation == Operation::Messages {
            let Some(Way::Same(path)) = self.azure(Operation::Chat) else { return None };
            return Some(Way::Chat { wire: Wire::OpenAiChat, stream_path: path.clone(), path });
        }
        let path = openai_path(operation)?;
        let prefix = self.prefix;
        let Some(version) = self.version else {
            return same(format!("{prefix}/openai/v1{path}"));
        };
        let place = match operation {
            // Not scoped to a deployment.
            Operation::Responses => format!("{prefix}/openai{path}?api-version={version}"),
            _ => {
                let deployment = percent_encoded(self.model);
                format!("{prefix}/openai/deployments/{deployment}{path}?api-version={version}")
            }
        };
        same(place)
    }

    /// <https://docs.anthropic.com/en/api>.
    fn anthropic(&self, operation: Operation) -> Option<Way> {
        let path = match operation {
            Operation::Messages => "/messages",
            Operation::CountTokens => "/messages/count_tokens",
            Operation::Chat | Operation::Responses => {
                return self.chat(Wire::AnthropicMessages, "/messages");
            }
            _ => return None,
        };
        same(format!("{}{path}", self.prefix))
    }

    /// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>.
    fn bedrock(&self, operation: Operation) -> Option<Way> {
        if operation == Operation::CountTokens {
            return Some(Way::Count(Wire::BedrockConverse));
        }
        if !is_chat(operation) {
            return beyond_chat(operation, Wire::BedrockConverse);
        }
        let model = percent_encoded(self.model);
        self.chat_at(
            Wire::BedrockConverse,
            &format!("/model/{model}/converse"),
            &format!("/model/{model}/converse-stream"),
        )
    }

    /// <https://ai.google.dev/api/generate-content>.
    fn gemini(&self, operation: Operation) -> Option<Way> {
        if operation == Operation::CountTokens {
            return Some(Way::Count(Wire::Gemini));
        }
        if !is_chat(operation) {
            return beyond_chat(operation, Wire::Gemini).filter(|_| operation != Operation::Rerank);
        }
        let model = percent_encoded(self.model);
        self.chat_at(
            Wire::Gemini,
            &format!("/models/{model}:generateContent"),
            &format!("/models/{model}:streamGenerateContent?alt=sse"),
        )
    }

    /// <https://docs.cohere.com/reference/chat>.
    fn cohere(&self, operation: Operation) -> Option<Way> {
        if !is_chat(operation) {
            return beyond_chat(operation, Wire::CohereChat);
        }
        self.chat(Wire::CohereChat, "/v2/chat")
    }

    /// Chat at a provider that tells streams by the body.
    fn chat(&self, wire: Wire, path: &str) -> Option<Way> {
        self.chat_at(wire, path, path)
    }

    fn chat_at(&self, wire: Wire, path: &str, stream_path: &str) -> Option<Way> {
        let place = |path: &str| PathAndQuery::try_from(format!("{}{path}", self.prefix)).ok();
        Some(Way::Chat { wire, path: place(path)?, stream_path: place(stream_path)? })
    }
}

const fn is_chat(operation: Operation) -> bool {
    matches!(operation, Operation::Chat | Operation::Responses | Operation::Messages)
}

/// What providers with a chat protocol of their own serve beside chat.
const fn beyond_chat(operation: Operation, wire: Wire) -> Option<Way> {
    match operation {
        Operation::Embeddings => Some(Way::Embeddings(wire)),
        Operation::Rerank => Some(Way::Rerank(wire)),
        _ => None,
    }
}

const fn openai_path(operation: Operation) -> Option<&'static str> {
    Some(match operation {
        Operation::Chat => "/chat/completions",
        Operation::Completions => "/completions",
        Operation::Responses => "/responses",
        Operation::Embeddings => "/embeddings",
        Operation::Images => "/images/generations",
        Operation::Transcriptions => "/audio/transcriptions",
        Operation::Speech => "/audio/speech",
        Operation::Moderations => "/moderations",
        Operation::Messages | Operation::CountTokens | Operation::Rerank => return None,
    })
}

/// A name as one part of a path (RFC 3986, 2.3).
fn percent_encoded(name: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _written = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(kind: ProviderKind, version: Option<&str>, operation: Operation) -> Option<String> {
        let ways = Ways::compile(kind, "/base", version, "a model");
        match ways.of(operation)? {
            Way::Same(path) => Some(path.to_string()),
            Way::Chat { wire, stream_path, .. } => Some(format!("{wire:?} {stream_path}")),
            other => Some(format!("{other:?}")),
        }
    }

    #[test]
    fn each_kind_of_provider_has_its_own_paths() {
        for (kind, version, operation, expected) in [
            (ProviderKind::Openai, None, Operation::Chat, Some("/base/chat/completions")),
            (ProviderKind::Openai, None, Operation::Rerank, None),
            (ProviderKind::OpenaiCompatible, None, Operation::Rerank, Some("/base/rerank")),
            (ProviderKind::AzureOpenai, None, Operation::Chat, Some("/base/openai/v1/chat/completions")),
            (
                ProviderKind::AzureOpenai,
                Some("2024-10-21"),
                Operation::Embeddings,
                Some("/base/openai/deployments/a%20model/embeddings?api-version=2024-10-21"),
            ),
            (
                ProviderKind::AzureOpenai,
                Some("2025-03-01-preview"),
                Operation::Responses,
                Some("/base/openai/responses?api-version=2025-03-01-preview"),
            ),
            (ProviderKind::Anthropic, None, Operation::Messages, Some("/base/messages")),
            (ProviderKind::Anthropic, None, Operation::CountTokens, Some("/base/messages/count_tokens")),
            (ProviderKind::Anthropic, None, Operation::Embeddings, None),
            (ProviderKind::Gemini, None, Operation::Embeddings, Some("Embeddings(Gemini)")),
            (ProviderKind::Gemini, None, Operation::Rerank, None),
            (ProviderKind::Gemini, None, Operation::CountTokens, Some("Count(Gemini)")),
            (ProviderKind::Cohere, None, Operation::CountTokens, None),
            (ProviderKind::Openai, None, Operation::Messages, Some("OpenAiChat /base/chat/completions")),
            (ProviderKind::Openai, None, Operation::Responses, Some("/base/responses")),
            (
                ProviderKind::OpenaiCompatible,
                None,
                Operation::Responses,
                Some("OpenAiChat /base/chat/completions"),
            ),
            (
                ProviderKind::AzureOpenai,
                Some("2024-10-21"),
                Operation::Messages,
                Some("OpenAiChat /base/openai/deployments/a%20model/chat/completions?api-version=2024-10-21"),
            ),
            (ProviderKind::Anthropic, None, Operation::Chat, Some("AnthropicMessages /base/messages")),
            (
                ProviderKind::Bedrock,
                None,
                Operation::Chat,
                Some("BedrockConverse /base/model/a%20model/converse-stream"),
            ),
            (
                ProviderKind::Gemini,
                None,
                Operation::Responses,
                Some("Gemini /base/models/a%20model:streamGenerateContent?alt=sse"),
            ),
            (ProviderKind::Cohere, None, Operation::Messages, Some("CohereChat /base/v2/chat")),
            (ProviderKind::Bedrock, None, Operation::Rerank, Some("Rerank(BedrockConverse)")),
        ] {
            assert_eq!(path(kind, version, operation).as_deref(), expected, "{kind:?} {operation:?}");
        }
    }
}
