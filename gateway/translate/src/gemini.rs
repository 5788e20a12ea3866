//! Google Gemini: `generateContent`, `streamGenerateContent?alt=sse` and `countTokens` of the Gemini API (v1beta).
//!
//! | field | Gemini |
//! |---|---|
//! | instructions | `systemInstruction`; the only content there is where nobody says anything else |
//! | messages | `contents`; neighbours of one role are one; results of tools first |
//! | text | `text`; an empty one is left out |
//! | image, inline | `inlineData` |
//! | image, URL | `fileData`: Gemini fetches it |
//! | tool call | `functionCall`, with its id |
//! | tool result | `functionResponse` with `output` or `error`, named after its call; its images beside it |
//! | reasoning | the signature goes back on the part it came with; text is left out (Gemini does not want it) |
//! | redacted reasoning | dropped |
//! | refusal | text |
//! | tools | `functionDeclarations`, schemas as `parametersJsonSchema`, byte for byte |
//! | `strict` tools | mode `VALIDATED` |
//! | tool choice | `toolConfig.functionCallingConfig` |
//! | `parallel_tool_calls: false` | dropped |
//! | output | `responseMimeType`, `responseJsonSchema` byte for byte |
//! | sampling | `generationConfig`; a seed of more than 32 bits is dropped |
//! | `tokens_max` | `maxOutputTokens` |
//! | reasoning effort | `thinkingConfig`: `thinkingBudget` for 2.5, `thinkingLevel` for later models |
//! | user | dropped |
//!
//! **Signatures.** Models from 3 on refuse a turn whose first call has lost its `thoughtSignature`. A caller that cannot
//! carry it gets its turn served all the same: such a call goes with the word that Google gives for this case,
//! `skip_thought_signature_validator`, as does one that another provider made.
//!
//! **Thinking off.** 2.5 Flash can be told not to think. Others cannot; they are told to think as little as they can.
//!
//! **Stop reasons.** `STOP` is the end, or tool calls where there are any; `MAX_TOKENS` is length; `SAFETY`,
//! `RECITATION` and all others of policy are a refusal, and so is `promptFeedback.blockReason`. A call that the model got
//! wrong (`MALFORMED_FUNCTION_CALL` and its like) is the provider's fault and not an answer.
//!
//! **Usage.** Input is `promptTokenCount` (what was cached is part of it) and `toolUsePromptTokenCount`; output is
//! `candidatesTokenCount` and `thoughtsTokenCount`.
//!
//! Sources: ai.google.dev/api/generate-content, /api/caching (Content, Tool), /api/tokens, and
//! ai.google.dev/gemini-api/docs: thought-signatures, thinking, structured-output, function-calling, openai (how words of
//! effort become budgets).

mod answer;
mod contents;
mod request;
mod state;
mod stream;
mod thinking;

pub use answer::{read_answer, read_count};
pub use request::{count_path, path, write_count, write_request};
pub use stream::StreamDecoder;
