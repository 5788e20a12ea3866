//! A stream's events.
//!
//! Order: one [`Event::Start`]; then blocks, each opened, filled and closed, numbered from 0 in the order in which they
//! were opened; one [`Event::End`]. Blocks of parallel tool calls may be open at the same time. An
//! [`Event::Fault`] can stand anywhere and is the last one.
//!
//! A provider that signs a tool call and not a thought (Gemini) says it as a reasoning block without text that holds
//! the signature and stands right before the call; that is how it comes back in the next turn, too. A provider that
//! gives its calls no ids leaves them empty, and whoever writes them for the caller makes them up.

use super::answer::{Stop, Usage};

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The answer begins.
    Start {
        /// The provider's id of it; empty when it gives none.
        id: String,
        /// The model that answers; empty when it does not say.
        model: String,
        /// Tokens in, when the provider says them first.
        usage: Option<Usage>,
    },
    /// A block begins.
    Open {
        /// Its number.
        index: usize,
        /// What it is.
        block: Block,
    },
    /// More text of a text, reasoning or refusal block.
    Text {
        /// The block.
        index: usize,
        /// The text.
        text: String,
    },
    /// More of a tool call's arguments: a piece of JSON text.
    Arguments {
        /// The block.
        index: usize,
        /// The piece.
        json: String,
    },
    /// The signature of a reasoning block.
    Signature {
        /// The block.
        index: usize,
        /// The signature.
        signature: String,
    },
    /// A block ends.
    Close {
        /// Its number.
        index: usize,
    },
    /// The answer ends well.
    End {
        /// Why.
        stop: Stop,
        /// What it used, when the provider says.
        usage: Option<Usage>,
    },
    /// The provider says that it failed.
    Fault(StreamFault),
}

/// What a block is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// Text.
    Text,
    /// Thoughts.
    Reasoning,
    /// Thoughts that the provider gives only encrypted: all of them, at once.
    RedactedReasoning(String),
    /// A tool call.
    ToolCall {
        /// The call's id.
        id: String,
        /// The tool.
        name: String,
    },
    /// The model declines.
    Refusal,
}

/// A failure that a provider reports inside a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamFault {
    /// The provider's word for its class, such as `overloaded_error`.
    pub kind: String,
    /// In words. It may hold what the provider thinks fit: for the caller's log, never for ours.
    pub message: String,
}

/// Reads a provider's stream, however it is cut.
pub trait Decoder {
    /// Takes bytes in, and puts what they say at the end of `events`. It holds back what has not ended yet, at most
    /// [`crate::sse::EVENT_BYTES_MAX`] of it.
    ///
    /// # Errors
    /// When the bytes are not what the provider's protocol says. The decoder is of no further use then.
    fn feed(&mut self, chunk: &[u8], events: &mut Vec<Event>) -> Result<(), BrokenStream>;

    /// The provider has closed its stream in order. A protocol whose stream says its end has nothing to add; one that
    /// ends by being closed (Gemini) says its [`Event::End`] here, if it gave a reason to stop before. A stream without
    /// an end was cut off.
    fn end(&mut self, events: &mut Vec<Event>) {
        let _ = events;
    }
}

/// Why a stream cannot be read any further. It is the provider's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BrokenStream {
    /// An event, or what must be held back of several, is too large.
    #[error("the stream has an event that is too large")]
    Oversized,
    /// An event is not what the protocol says.
    #[error("the stream is not what the provider's protocol says: {0}")]
    Malformed(&'static str),
}
