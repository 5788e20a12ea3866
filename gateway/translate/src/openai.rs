//! OpenAI Chat Completions, as callers and as providers speak it.
//!
//! Sources: platform.openai.com/docs/api-reference/chat and the types of the official Python SDK (3.52). Azure OpenAI
//! and OpenAI-compatible servers speak it with small liberties, which the readers take: tool calls without an index or
//! an id, several of them under one index or in one piece, `reasoning` for `reasoning_content`, usage beside content.
//!
//! **Thoughts.** The protocol has no words for them. Answers carry their text in `reasoning_content`, as most servers
//! and clients know it, and, where a provider signs its thoughts, the signed blocks in `thinking_blocks`:
//! `{"type":"thinking","thinking","signature"}` or `{"type":"redacted_thinking","data"}`. A caller that sends
//! `thinking_blocks` back in its assistant messages gives the provider its thoughts back unchanged; one that does not
//! loses them and nothing else. In a stream a block comes whole, in one piece, when it ends, with an `index` by which
//! OpenAI's own SDKs gather such pieces.

mod decode;
mod encode;
mod read_answer;
mod read_request;
mod usage;
mod write_answer;
mod write_request;

pub(crate) use decode::StreamDecoder;
pub(crate) use encode::StreamEncoder;
pub(crate) use read_answer::read_answer;
pub(crate) use read_request::{WordOr, effort_of, read_request, word_of_choice};
pub(crate) use write_answer::write_answer;
pub(crate) use write_request::write_request;
