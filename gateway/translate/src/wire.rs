//! The protocols that providers speak.

/// What a chat provider speaks, whoever runs it: Azure OpenAI and every OpenAI-compatible server speak OpenAI Chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wire {
    /// `POST …/chat/completions`.
    OpenAiChat,
    /// `POST …/v1/messages`.
    AnthropicMessages,
    /// `POST …/model/{model}/converse` and `…/converse-stream`.
    BedrockConverse,
    /// `POST …/models/{model}:generateContent` and `:streamGenerateContent?alt=sse`.
    Gemini,
    /// `POST …/v2/chat`.
    CohereChat,
}
