use super::*;
use crate::chat::{Answer, Part, Stop};

mod refusals;
mod round_trips;
mod streams;

fn context(caller: Caller, wire: Wire) -> Context {
    Context {
        caller,
        wire,
        model: "house-model".to_owned(),
        id: "0198f2".to_owned(),
        created: 1_767_225_600,
        stream: true,
        usage_event: UsageEvent::Asked,
        echo: Vec::new(),
    }
}

const CALLERS: [Caller; 3] = [Caller::OpenAiChat, Caller::OpenAiResponses, Caller::AnthropicMessages];
const WIRES: [Wire; 5] =
    [Wire::OpenAiChat, Wire::AnthropicMessages, Wire::Gemini, Wire::BedrockConverse, Wire::CohereChat];
