//! A request in the vocabulary's own words, from JSON.

use moorline_translate::chat::{
    Effort, Image, Message, Output, Part, Reasoning, Request, Role, Sampling, Tool, ToolChoice, ToolResult,
};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// Which model, for cases in which the name tells something. Absent: the provider's usual one.
    model: Option<String>,
    #[serde(default)]
    instructions: Vec<String>,
    #[serde(default)]
    messages: Vec<Said>,
    #[serde(default)]
    tools: Vec<Offered>,
    tool_choice: Option<Value>,
    parallel_tool_calls: Option<bool>,
    output: Option<Shape>,
    tokens_max: Option<u64>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<u64>,
    frequency_penalty: Option<f64>,
    presence_penalty: Option<f64>,
    seed: Option<i64>,
    #[serde(default)]
    stop: Vec<String>,
    reasoning: Option<Value>,
    user: Option<String>,
    #[serde(default)]
    stream: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    User(Vec<One>),
    Assistant(Vec<One>),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum One {
    Text(String),
    ImageUrl(String),
    Image {
        media_type: String,
        base64: String,
    },
    Call {
        id: String,
        name: String,
        arguments: String,
    },
    Result {
        call: String,
        parts: Vec<Self>,
        #[serde(default)]
        failed: bool,
    },
    Reasoning {
        text: String,
        signature: Option<String>,
    },
    Redacted(String),
    Refusal(String),
}

#[derive(Deserialize)]
struct Offered {
    name: String,
    description: Option<String>,
    parameters: Option<Box<RawValue>>,
    strict: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Shape {
    JsonObject,
    Schema { name: String, schema: Box<RawValue>, strict: Option<bool> },
}

fn part(one: One) -> Part {
    match one {
        One::Text(text) => Part::Text(text),
        One::ImageUrl(url) => Part::Image(Image::Url(url)),
        One::Image { media_type, base64 } => Part::Image(Image::Data { media_type, base64 }),
        One::Call { id, name, arguments } => Part::ToolCall { id, name, arguments },
        One::Result { call, parts, failed } => Part::ToolResult(ToolResult {
            call_id: call,
            parts: parts.into_iter().map(part).collect(),
            is_error: failed,
        }),
        One::Reasoning { text, signature } => Part::Reasoning { text, signature },
        One::Redacted(data) => Part::RedactedReasoning(data),
        One::Refusal(text) => Part::Refusal(text),
    }
}

fn message(said: Said) -> Message {
    let (role, parts) = match said {
        Said::User(parts) => (Role::User, parts),
        Said::Assistant(parts) => (Role::Assistant, parts),
    };
    Message { role, parts: parts.into_iter().map(part).collect() }
}

fn tool_choice(value: &Value) -> ToolChoice {
    match value.as_str() {
        Some("auto") => ToolChoice::Auto,
        Some("none") => ToolChoice::None,
        Some("required") => ToolChoice::Required,
        _ => ToolChoice::Named(value["named"].as_str().unwrap().to_owned()),
    }
}

fn reasoning(value: &Value) -> Reasoning {
    match (value.as_str(), value.as_u64()) {
        (_, Some(budget)) => Reasoning::Budget(budget),
        (Some("off"), _) => Reasoning::Off,
        (Some("minimal"), _) => Reasoning::Effort(Effort::Minimal),
        (Some("low"), _) => Reasoning::Effort(Effort::Low),
        (Some("medium"), _) => Reasoning::Effort(Effort::Medium),
        (Some("high"), _) => Reasoning::Effort(Effort::High),
        (Some("max"), _) => Reasoning::Effort(Effort::Max),
        _ => panic!("{value}"),
    }
}

/// Reads a case; `model` is the provider's usual one.
pub(crate) fn read(json: &[u8], model: &str) -> Request {
    let case: Case = serde_json::from_slice(json).unwrap();
    Request {
        model: case.model.unwrap_or_else(|| model.to_owned()),
        stream: case.stream,
        wants_usage: false,
        instructions: case.instructions,
        messages: case.messages.into_iter().map(message).collect(),
        tools: case
            .tools
            .into_iter()
            .map(|tool| Tool {
                name: tool.name,
                description: tool.description,
                parameters: tool.parameters,
                strict: tool.strict,
            })
            .collect(),
        tool_choice: case.tool_choice.as_ref().map(tool_choice),
        parallel_tool_calls: case.parallel_tool_calls,
        output: match case.output {
            None => Output::Text,
            Some(Shape::JsonObject) => Output::JsonObject,
            Some(Shape::Schema { name, schema, strict }) => Output::JsonSchema { name, schema, strict },
        },
        tokens_max: case.tokens_max,
        sampling: Sampling {
            temperature: case.temperature,
            top_p: case.top_p,
            top_k: case.top_k,
            frequency_penalty: case.frequency_penalty,
            presence_penalty: case.presence_penalty,
            seed: case.seed,
            stop: case.stop,
        },
        reasoning: case.reasoning.as_ref().map(reasoning),
        user: case.user,
        ..Request::default()
    }
}
