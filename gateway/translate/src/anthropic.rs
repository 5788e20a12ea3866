//! Anthropic Messages, as callers and as providers speak it.
//!
//! Sources: platform.claude.com/docs/en/api/messages, …/build-with-claude/{streaming, extended-thinking,
//! adaptive-thinking, structured-outputs} and the types of the official Python SDK (2.11).
//!
//! **Thoughts.** The protocol has words for them: `thinking` blocks with a `signature`, and `redacted_thinking`. They
//! go to callers as they are and come back as they are. Those of other providers that sign theirs look the same to a
//! caller, and are marked: a provider gets back its own only.

mod decode;
mod encode;
mod model;
mod read_answer;
mod read_request;
mod usage;
mod write_answer;
mod write_request;

pub(crate) use decode::StreamDecoder;
pub(crate) use encode::StreamEncoder;
pub(crate) use model::Line;
pub(crate) use read_answer::read_answer;
pub(crate) use read_request::{read_count_request, read_request};
pub(crate) use write_answer::write_answer;
// For Bedrock, where Claude is told the same.
pub(crate) use write_request::{
    JSON_OBJECT, Thinking, call_id, can_come_back, drop_sampling, settle_thinking, write_request,
};
