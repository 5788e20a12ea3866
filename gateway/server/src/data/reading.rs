//! How an answer is to be read: as it is, or in another protocol's words.

use moorline_translate::splice::UsageEvent;
use moorline_translate::{ErrorBody, Tokens, Wire, embeddings, faults, rerank};

use super::attempts::Failure;

/// How an answer is to be read.
#[derive(Debug, Clone)]
pub(super) enum Reading {
    /// As OpenAI's endpoints answer: JSON, or events up to `[DONE]`.
    Openai(UsageEvent),
    /// As bytes that say nothing to us, such as sound.
    Opaque,
    /// Whole, and then said in the caller's words. Beside it, the fields that the request lost in translation.
    Translated(Box<Translation>, Vec<&'static str>),
}

/// What the translation of an answer needs to know of its request.
#[derive(Debug, Clone)]
pub(super) enum Translation {
    Embeddings { wire: Wire, reply: embeddings::Reply, named: String },
    Rerank { wire: Wire, reply: rerank::Reply, named: String },
}

impl Translation {
    /// A good answer in the caller's words, and what it used.
    pub(super) fn answer(
        &self,
        body: &[u8],
        input_tokens: Option<u64>,
    ) -> Result<(Vec<u8>, Option<Tokens>), Failure> {
        match self {
            Self::Embeddings { reply, named, .. } => {
                let said =
                    embeddings::answer(reply, body, named, input_tokens).map_err(Failure::Unreadable)?;
                Ok((said.body, said.tokens))
            }
            Self::Rerank { reply, named, .. } => {
                let said = rerank::answer(reply, body, named).map_err(Failure::Unreadable)?;
                Ok((said, None))
            }
        }
    }

    /// What a provider says of a caller's own fault, in the caller's words.
    pub(super) fn fault(&self, body: &[u8]) -> Vec<u8> {
        let (Self::Embeddings { wire, .. } | Self::Rerank { wire, .. }) = self;
        let fault = faults::read(*wire, body);
        ErrorBody {
            message: &fault.message,
            kind: "invalid_request_error",
            param: None,
            code: fault.code.as_deref(),
        }
        .to_json()
    }
}
