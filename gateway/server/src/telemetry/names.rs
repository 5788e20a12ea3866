//! The words of the `gen_ai.*` conventions for what we do
//! (<https://github.com/open-telemetry/semantic-conventions-genai>, as of 2026-11: `gen_ai.provider.name` took the
//! place of `gen_ai.system`).

use moorline_config::document::ProviderKind;

use crate::meters::Labels;
use crate::routing::Operation;

/// `gen_ai.operation.name`: one of the conventions' own words where one fits.
pub(super) const fn operation(operation: Operation) -> &'static str {
    match operation {
        Operation::Chat | Operation::Responses | Operation::Messages => "chat",
        Operation::Completions => "text_completion",
        Operation::Embeddings => "embeddings",
        Operation::Images => "generate_content",
        Operation::CountTokens => "count_tokens",
        Operation::Rerank => "rerank",
        Operation::Transcriptions => "transcription",
        Operation::Speech => "speech",
        Operation::Moderations => "moderation",
    }
}

/// `gen_ai.provider.name`: one of the conventions' own words, or the declared name where they have none.
pub(super) fn provider(labels: &Labels) -> &str {
    match labels.kind {
        Some(ProviderKind::Openai) => "openai",
        Some(ProviderKind::Anthropic) => "anthropic",
        Some(ProviderKind::AzureOpenai) => "azure.ai.openai",
        Some(ProviderKind::Bedrock) => "aws.bedrock",
        Some(ProviderKind::Gemini) => "gcp.gemini",
        Some(ProviderKind::Cohere) => "cohere",
        Some(ProviderKind::OpenaiCompatible) | None => &labels.provider,
    }
}
