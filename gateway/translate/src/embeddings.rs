//! Embeddings: OpenAI's `/v1/embeddings` at providers that have another word for them.
//!
//! In: the caller's body. Out: the provider's request, and what has to be kept of the caller's to read the answer
//! ([`Reply`]). In: the provider's answer. Out: OpenAI's, with the tokens it used. Numbers are handed on as they were
//! written; as base64 they are little-endian 32-bit floats, which is what OpenAI's own libraries ask for.
//!
//! | field | Gemini | Cohere | Bedrock Titan | Bedrock Cohere |
//! |---|---|---|---|---|
//! | `input`, text or list of texts | kept | kept | one text | kept |
//! | `input`, token numbers | refused | refused | refused | refused |
//! | `dimensions` | `outputDimensionality` | `output_dimension` | `dimensions` (v2) | `output_dimension` (v4) |
//! | `encoding_format` | served here | served here | served here | served here |
//! | `input_type` (Cohere's word) | `taskType` | kept, or `search_document` | dropped | kept, or `search_document` |
//! | `user` | dropped | dropped | dropped | dropped |
//!
//! Cohere's models must be told what a text is for; a caller that does not say embeds documents. One that embeds
//! queries says `"input_type":"search_query"` (`extra_body` in OpenAI's libraries).
//!
//! Sources: platform.openai.com/docs/api-reference/embeddings; ai.google.dev/api/embeddings (batchEmbedContents);
//! docs.cohere.com/reference/embed; docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html
//! and model-parameters-embed.html.

mod answer;
mod request;

pub use answer::{Translated, answer};
pub use request::{Reply, request};

#[cfg(test)]
mod tests;
