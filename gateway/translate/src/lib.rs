//! OpenAI shapes, provider shapes, and the framing of streams. Pure: bytes in, bytes out; no I/O, no clock.
//!
//! A request that needs no translation is never parsed into a tree: [`scan`](mod@scan) checks it in one pass and notes where
//! the few fields stand that a gateway decides on, [`splice`] replaces those and leaves every other byte alone.
//! A request that does need one goes through [`chat`], the vocabulary that all chat protocols share; [`matrix`] is
//! where it comes in and goes out, and [`gemini`], [`bedrock`] and [`cohere`] are providers' halves of it. [`count`], [`embeddings`],
//! [`rerank`] and [`multipart`] do the same for what is no chat, and [`faults`] tells what a provider's refusal means.
//! [`sse`] finds the events in a stream however it is cut, [`passthrough`] says what one means that is not translated,
//! [`usage`] reads the tokens an answer used, and [`error`] writes refusals in the caller's dialect.

mod anthropic;
mod arguments;
pub mod bedrock;
pub mod chat;
pub mod cohere;
pub mod count;
pub mod embeddings;
pub mod error;
pub mod faults;
mod gathered;
pub mod gemini;
mod json;
pub mod matrix;
pub mod multipart;
mod openai;
mod outgoing;
pub mod passthrough;
mod read;
pub mod rerank;
mod responses;
pub mod scan;
pub mod splice;
pub mod sse;
mod text;
pub mod usage;
mod wire;

pub use error::ErrorBody;
pub use matrix::{Caller, Context, Opening, Stream, Translated};
pub use outgoing::Outgoing;
pub use scan::{Fields, ScanError, Span, scan};
pub use splice::{Edits, Parts};
pub use usage::{Tokens, UsageWatch};
pub use wire::Wire;
