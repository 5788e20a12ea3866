//! AWS Bedrock: `Converse`, `ConverseStream` and `CountTokens`.
//!
//! | field | Bedrock |
//! |---|---|
//! | instructions | `system`; the only message where nobody says anything else |
//! | messages | `messages`; neighbours of one role are one; results of tools first; what is empty is left out |
//! | text, refusal | `text` |
//! | image, inline | `image` of a known format (PNG, JPEG, GIF, WebP); others are refused |
//! | image, URL | `s3://…` is kept; others are refused: Bedrock fetches nothing from the web |
//! | tool call, tool result | `toolUse`, `toolResult` with JSON or texts and images |
//! | a tool that failed | `status`; dropped where the model knows none (others than Claude and Nova) |
//! | reasoning, redacted reasoning | Claude's own goes back as it came; other is dropped |
//! | tools | `toolConfig.tools`, schemas byte for byte |
//! | `strict` tools | kept; dropped for models without structured output |
//! | tool choice | `auto`, `any`, `tool`; `none` leaves the tools out, and is refused where calls were made before |
//! | calls made before without tools now | refused: Bedrock wants them declared |
//! | `parallel_tool_calls: false` | dropped |
//! | output, a schema | `outputConfig`; refused for models without structured output |
//! | output, any JSON | asked for in words, and named as dropped |
//! | sampling | `inferenceConfig`; `top_k` for Claude and Nova; penalties and seeds are dropped |
//! | reasoning effort | Claude: `thinking`, as Anthropic takes it; Nova: `reasoningConfig`; gpt-oss: `reasoning_effort`; dropped for others |
//! | user | dropped |
//!
//! **Streams** are frames of `application/vnd.amazon.eventstream`, each with its checksums, read with Amazon's own
//! crate. A frame of an exception (`throttlingException`, `modelStreamErrorException`, …) is a fault of that kind.
//!
//! **Usage.** What was read from and written to the cache comes on top of `inputTokens`.
//!
//! Neither an answer's id nor its model is said in the body; the id is the header `x-amzn-requestid`.
//!
//! Sources: docs.aws.amazon.com/bedrock/latest/APIReference (Converse, ConverseStream, ContentBlock, CountTokens),
//! …/userguide (structured-output, claude-messages-extended-thinking, conversation-inference), smithy.io/2.0/aws/
//! amazon-eventstream.html, docs.aws.amazon.com/nova/latest (extended thinking).

mod answer;
mod frames;
mod messages;
mod model;
mod request;
mod stop;
mod stream;
mod usage;

pub use answer::{read_answer, read_count};
pub use request::{count_path, path, write_count, write_request};
pub use stream::StreamDecoder;
