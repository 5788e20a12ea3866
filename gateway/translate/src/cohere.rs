//! Cohere: chat of the API v2 (`/v2/chat`).
//!
//! | field | Cohere |
//! |---|---|
//! | instructions | messages of the system, each its own |
//! | messages | `messages`; results of tools are messages of their own and stand first; what is empty is left out |
//! | text | `content`; beside calls of tools, `tool_plan` |
//! | refusal | text |
//! | image | `image_url`, for users; one in a tool's result moves to the user's own words |
//! | tool call, tool result | `tool_calls`, `tool`; that a tool failed is dropped |
//! | reasoning | `thinking`, when it is not signed (Cohere's own is not); signed and redacted ones are dropped |
//! | tools | `tools`, schemas byte for byte |
//! | `strict` tools | `strict_tools`, when all are; else dropped |
//! | tool choice | `REQUIRED`, `NONE`; a named tool is the only one given, and required |
//! | `parallel_tool_calls: false` | dropped |
//! | output | `response_format` of type `json_object`, a schema as `json_schema` |
//! | sampling | kept (`p`, `k`); a `top_p` of 1, which Cohere refuses, says nothing and is left out |
//! | reasoning effort | `thinking` with a budget; dropped for models that do not think |
//! | user | dropped |
//!
//! **Usage** is `billed_units`, which is what is paid; `tokens`, which count the prompt's frame too, stand in where
//! there are none. `cached_tokens` are part of the input.
//!
//! **Stop reasons.** `COMPLETE`, `MAX_TOKENS`, `STOP_SEQUENCE` and `TOOL_CALL` are what they say; `ERROR` and `TIMEOUT`
//! are the provider's fault and no answer. Citations are not asked for, and left out of answers.
//!
//! Sources: docs.cohere.com/reference/chat and /chat-stream, docs.cohere.com/docs: streaming, tool-use-streaming,
//! structured-outputs, reasoning.

mod answer;
mod messages;
mod request;
mod stop;
mod stream;
mod usage;

pub use answer::read_answer;
pub use request::write_request;
pub use stream::StreamDecoder;

/// Where a chat is asked for, below the provider's base address (`https://api.cohere.com`).
pub const PATH: &str = "/v2/chat";
