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
    /// Embeddings in another protocol, whose path depends on the model.
    Embeddings(Wire),
    /// Reranking in another protocol, whose path depends on the model.
    Rerank(Wire),
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
            ProviderKind::Bedrock => beyond_chat(operation, Wire::BedrockConverse),
            ProviderKind::Gemini => {
                beyond_chat(operation, Wire::Gemini).filter(|_| operation != Operation::Rerank)
            }
            ProviderKind::Cohere => beyond_chat(operation, Wire::CohereChat),
        }
    }

    /// <https://platform.openai.com/docs/api-reference>.
    fn openai(&self, operation: Operation) -> Option<Way> {
        let path = openai_path(operation)?;
        same(format!("{}{path}", self.prefix))
    }

    /// Servers that speak OpenAI's protocol serve chat and what is older; rerank is found at many (vLLM, Jina).
    fn compatible(&self, operation: Operation) -> Option<Way> {
        match operation {
            Operation::Rerank => same(format!("{}/rerank", self.prefix)),
            _ => self.openai(operation),
        }
    }

    /// With an API version, the paths of deployments, where the path and not the body names the model; without one,
    /// `/openai/v1`. <https://learn.microsoft.com/azure/ai-services/openai/reference>.
    fn azure(&self, operation: Operation) -> Option<Way> {
        if operation == Operation::Moderations {
            return None;
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
            _ => return None,
        };
        same(format!("{}{path}", self.prefix))
    }
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
            (ProviderKind::Bedrock, None, Operation::Rerank, Some("Rerank(BedrockConverse)")),
        ] {
            assert_eq!(path(kind, version, operation).as_deref(), expected, "{kind:?} {operation:?}");
        }
    }
}
