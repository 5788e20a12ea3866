//! What all chat protocols say, in one vocabulary.
//!
//! A translation has two halves that know nothing of each other: one reads a protocol into these types, the other
//! writes them in another protocol. So three protocols of callers and six of providers are nine readers and writers
//! and not eighteen translators. The types hold what can be said on both sides; what only one side knows is either an
//! [`Untranslatable`] or named in [`Request::dropped`], never passed over.
//!
//! Nothing here is on the way of a request whose provider speaks the caller's own protocol: such a body is not read.

mod answer;
mod event;
mod request;
pub(crate) mod signature;

pub use answer::{Answer, Stop, Usage};
pub use event::{Block, BrokenStream, Decoder, Event, StreamFault};
pub use request::{
    Effort, Image, Message, Output, Part, Reasoning, Request, Role, Sampling, Tool, ToolChoice, ToolResult,
};

/// Why a request cannot be said in the provider's protocol. The caller gets it as its own fault (400), in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untranslatable {
    /// The body is not what its protocol says.
    #[error("the request is not valid: {0}")]
    Invalid(String),
    /// The provider's protocol has no such thing, and leaving it out would change what is asked.
    #[error("`{field}` cannot be served by this model's provider: {reason}")]
    Unsupported {
        /// The field, as the caller writes it.
        field: &'static str,
        /// Why, for people.
        reason: &'static str,
    },
}

/// Why an answer cannot be read. It is the provider's fault (502).
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It is not the JSON its protocol says.
    #[error("the answer is not what the provider's protocol says")]
    Json(#[from] serde_json::Error),
    /// It is JSON, but not what its protocol says.
    #[error("the answer is not what the provider's protocol says: {0}")]
    Protocol(&'static str),
    /// It has nothing in it that could be an answer.
    #[error("the answer holds no content")]
    Empty,
}
