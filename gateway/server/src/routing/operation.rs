//! What callers may ask for: the endpoints of the data port.
//!
//! All of them go through the same stack (keys, limits, accounting, fallback, both generations); what tells them apart
//! is their path, the protocol that their callers speak, and how a body says which model it is for.

use moorline_translate::Caller as Dialect;

/// An endpoint that a provider answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `/v1/chat/completions`.
    Chat,
    /// `/v1/completions`, the older form.
    Completions,
    /// `/v1/responses`.
    Responses,
    /// `/v1/messages`, of Anthropic's clients.
    Messages,
    /// `/v1/messages/count_tokens`.
    CountTokens,
    /// `/v1/embeddings`.
    Embeddings,
    /// `/v1/rerank`.
    Rerank,
    /// `/v1/images/generations`.
    Images,
    /// `/v1/audio/transcriptions`: a form, not JSON.
    Transcriptions,
    /// `/v1/audio/speech`: its answer is sound.
    Speech,
    /// `/v1/moderations`.
    Moderations,
}

impl Operation {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::Chat,
        Self::Completions,
        Self::Responses,
        Self::Messages,
        Self::CountTokens,
        Self::Embeddings,
        Self::Rerank,
        Self::Images,
        Self::Transcriptions,
        Self::Speech,
        Self::Moderations,
    ];

    /// Its path on the data port.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Completions => "/v1/completions",
            Self::Responses => "/v1/responses",
            Self::Messages => "/v1/messages",
            Self::CountTokens => "/v1/messages/count_tokens",
            Self::Embeddings => "/v1/embeddings",
            Self::Rerank => "/v1/rerank",
            Self::Images => "/v1/images/generations",
            Self::Transcriptions => "/v1/audio/transcriptions",
            Self::Speech => "/v1/audio/speech",
            Self::Moderations => "/v1/moderations",
        }
    }

    /// The operation at a path of the data port.
    #[must_use]
    pub fn at(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.path() == path)
    }

    /// The chat protocol that its callers speak, and so whose errors they know.
    #[must_use]
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::Messages | Self::CountTokens => Dialect::AnthropicMessages,
            Self::Responses => Dialect::OpenAiResponses,
            _ => Dialect::OpenAiChat,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_found_at_its_path_and_nowhere_near_it() {
        for (number, operation) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(operation as usize, number);
            assert_eq!(Operation::at(operation.path()), Some(operation));
            assert_eq!(Operation::at(&format!("{}/", operation.path())), None);
            assert_eq!(Operation::at(&operation.path().to_uppercase()), None);
        }
    }
}
