//! Why an answer ends.

use crate::chat::Stop;

/// The model said something that Bedrock could not read: there is no answer.
pub(super) struct Malformed;

pub(super) fn read(reason: &str) -> Result<Stop, Malformed> {
    Ok(match reason {
        "tool_use" => Stop::ToolCalls,
        "max_tokens" | "model_context_window_exceeded" => Stop::Length,
        "stop_sequence" => Stop::Sequence(None),
        "guardrail_intervened" | "content_filtered" | "refusal" => Stop::Refusal,
        "pause_turn" => Stop::Pause,
        "malformed_model_output" | "malformed_tool_use" => return Err(Malformed),
        // `end_turn`, and words to come.
        _ => Stop::End,
    })
}
