//! What a caller asks.

use serde_json::value::RawValue;

/// A chat request.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The model, as the provider names it.
    pub model: String,
    /// Whether the answer is to come as a stream.
    pub stream: bool,
    /// OpenAI Chat: whether the caller asked for the event that tells what a stream used.
    pub wants_usage: bool,
    /// System prompts, in order; a conversation's `system` and `developer` messages are all gathered here.
    pub instructions: Vec<String>,
    /// The conversation.
    pub messages: Vec<Message>,
    /// Tools the model may call, in order (the order is part of what providers cache prompts by).
    pub tools: Vec<Tool>,
    /// Which of them it may or must call.
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may call several at once. Absent: the provider's default.
    pub parallel_tool_calls: Option<bool>,
    /// The shape of the answer.
    pub output: Output,
    /// The most tokens the answer may have.
    pub tokens_max: Option<u64>,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// How much the model is to think first. Absent: the provider's default.
    pub reasoning: Option<Reasoning>,
    /// The caller's own user, for the provider's abuse detection.
    pub user: Option<String>,
    /// Fields that were left out because the other protocol has no word for them and the answer is still what was
    /// asked for. They are told to the caller in the header `x-moorline-dropped`.
    pub dropped: Vec<&'static str>,
}

impl Request {
    /// Names a field that is left out, once.
    pub fn drop_field(&mut self, field: &'static str) {
        if !self.dropped.contains(&field) {
            self.dropped.push(field);
        }
    }
}

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The caller, tool results among it.
    User,
    /// The model.
    Assistant,
}

/// One message. Two of one role may follow each other; protocols that forbid it merge them when they write.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub parts: Vec<Part>,
}

/// A part of a message or of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Text.
    Text(String),
    /// An image.
    Image(Image),
    /// The model calls a tool.
    ToolCall {
        /// The call's id; empty in an answer whose provider gives none.
        id: String,
        /// The tool.
        name: String,
        /// Its arguments: JSON text, kept as it was written. Empty: none.
        arguments: String,
    },
    /// What a tool said.
    ToolResult(ToolResult),
    /// What the model thought before it answered.
    Reasoning {
        /// In words; may be empty where only the signature is given.
        text: String,
        /// The provider's proof that it is its own; must come back unchanged in the next turn.
        signature: Option<String>,
    },
    /// Thoughts that the provider gives only encrypted; must come back unchanged in the next turn.
    RedactedReasoning(String),
    /// The model declines, in words.
    Refusal(String),
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Image {
    /// To be fetched by the provider. Never by us.
    Url(String),
    /// Given inline.
    Data {
        /// Such as `image/png`.
        media_type: String,
        /// In base64.
        base64: String,
    },
}

/// What a tool said.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolResult {
    /// The call it answers.
    pub call_id: String,
    /// What it said: texts and images.
    pub parts: Vec<Part>,
    /// Whether the tool failed.
    pub is_error: bool,
}

/// A tool the model may call.
#[derive(Debug, Clone)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it does, for the model.
    pub description: Option<String>,
    /// JSON Schema of its arguments, byte for byte as the caller wrote it.
    pub parameters: Option<Box<RawValue>>,
    /// Whether arguments must match the schema exactly.
    pub strict: Option<bool>,
}

/// Which tools may or must be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// None.
    None,
    /// At least one.
    Required,
    /// This one.
    Named(String),
}

/// The shape of an answer.
#[derive(Debug, Clone, Default)]
pub enum Output {
    /// Free text.
    #[default]
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON that matches a schema.
    JsonSchema {
        /// The schema's name.
        name: String,
        /// The schema, byte for byte as the caller wrote it.
        schema: Box<RawValue>,
        /// Whether the answer must match exactly.
        strict: Option<bool>,
    },
}

/// How tokens are drawn.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sampling {
    /// Temperature.
    pub temperature: Option<f64>,
    /// Nucleus.
    pub top_p: Option<f64>,
    /// The most likely so many.
    pub top_k: Option<u64>,
    /// Penalty for tokens by how often they came.
    pub frequency_penalty: Option<f64>,
    /// Penalty for tokens that came at all.
    pub presence_penalty: Option<f64>,
    /// Seed.
    pub seed: Option<i64>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
}

/// How much a model is to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reasoning {
    /// Not at all.
    Off,
    /// In words.
    Effort(Effort),
    /// In tokens.
    Budget(u64),
}

/// How much a model is to think, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Next to nothing.
    Minimal,
    /// A little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
    /// More than that.
    XHigh,
    /// As much as the model can.
    Max,
}
