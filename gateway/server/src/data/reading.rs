//! How an answer is to be read: as it is, or in another protocol's words.

use moorline_translate::error::{self, ErrorBody, openai_kind};
use moorline_translate::splice::UsageEvent;
use moorline_translate::{
    Caller as Dialect, Context, Tokens, Wire, count, embeddings, faults, matrix, rerank,
};

use super::attempts::Failure;
use super::events::{Events, Protocol};

/// How an answer is to be read.
#[derive(Debug, Clone)]
pub(super) enum Reading {
    /// As it comes, in the caller's own protocol: JSON, or events.
    Same(Protocol, UsageEvent),
    /// As bytes that say nothing to us, such as sound.
    Opaque,
    /// Whole, and then said in the caller's words. Beside it, the fields that the request lost in translation.
    Translated(Box<Translation>, Vec<&'static str>),
}

impl Reading {
    /// The protocol of an answer that is passed on, for its usage.
    pub(super) const fn dialect(&self) -> Dialect {
        match self {
            Self::Same(Protocol::Chat(dialect), _) => *dialect,
            Self::Same(..) | Self::Opaque | Self::Translated(..) => Dialect::OpenAiChat,
        }
    }
}

/// What the translation of an answer needs to know of its request.
#[derive(Debug, Clone)]
pub(super) enum Translation {
    Chat(Context),
    Count { wire: Wire, id: String },
    Embeddings { wire: Wire, reply: embeddings::Reply, named: String },
    Rerank { wire: Wire, reply: rerank::Reply, named: String },
}

impl Translation {
    /// The translation of a stream, when the answer is one.
    pub(super) fn events(&self) -> Option<Events> {
        match self {
            Self::Chat(context) if context.stream => Some(Events::translated(context.clone())),
            _ => None,
        }
    }

    /// A good answer in the caller's words, and what it used.
    pub(super) fn answer(
        &self,
        body: &[u8],
        input_tokens: Option<u64>,
    ) -> Result<(Vec<u8>, Option<Tokens>), Failure> {
        match self {
            Self::Chat(context) => {
                let said = matrix::answer(context, body).map_err(Failure::Unreadable)?;
                Ok((said.body, said.tokens))
            }
            Self::Count { wire, .. } => Ok((count::answer(*wire, body).map_err(Failure::Unreadable)?, None)),
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
    pub(super) fn fault(&self, status: u16, body: &[u8]) -> Vec<u8> {
        let wire = match self {
            Self::Chat(context) => return matrix::error(context, status, body),
            Self::Count { wire, .. } | Self::Embeddings { wire, .. } | Self::Rerank { wire, .. } => *wire,
        };
        let fault = faults::read(wire, body);
        let code = fault.code.as_deref();
        let said = ErrorBody { message: &fault.message, kind: openai_kind(status), param: None, code };
        match self {
            Self::Count { id, .. } => error::body(Dialect::AnthropicMessages, status, &said, id),
            _ => said.to_json(),
        }
    }
}
