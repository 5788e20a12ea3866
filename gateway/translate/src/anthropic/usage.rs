//! `usage` and `stop_reason`.

use serde::Deserialize;

use crate::chat::{Stop, Usage as ChatUsage};
use crate::json::Object;

/// What an answer used. Tokens read from and written to the cache are not among `input_tokens`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(super) struct Usage {
    input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct OutputDetails {
    thinking_tokens: Option<u64>,
}

impl Usage {
    pub(super) fn read(self) -> ChatUsage {
        let cached_input = self.cache_read_input_tokens.unwrap_or_default();
        let cache_written = self.cache_creation_input_tokens.unwrap_or_default();
        let own = self.input_tokens.unwrap_or_default();
        ChatUsage {
            input: own.saturating_add(cached_input).saturating_add(cache_written),
            cached_input,
            cache_written,
            output: self.output_tokens.unwrap_or_default(),
            reasoning: self.output_tokens_details.and_then(|d| d.thinking_tokens).unwrap_or_default(),
        }
    }

    /// What a stream said first, overtaken by what it says now: figures are totals, and those left out stand.
    pub(super) fn overtaken_by(self, newer: Self) -> Self {
        Self {
            input_tokens: newer.input_tokens.or(self.input_tokens),
            cache_read_input_tokens: newer.cache_read_input_tokens.or(self.cache_read_input_tokens),
            cache_creation_input_tokens: newer
                .cache_creation_input_tokens
                .or(self.cache_creation_input_tokens),
            output_tokens: newer.output_tokens.or(self.output_tokens),
            output_tokens_details: newer.output_tokens_details.or(self.output_tokens_details),
        }
    }
}

/// Writes the members of `usage`; clients (Claude Code among them) want all four figures.
pub(super) fn write(usage: &ChatUsage, o: &mut Object<'_>) {
    let cached = usage.cached_input.saturating_add(usage.cache_written);
    o.number("input_tokens", usage.input.saturating_sub(cached));
    o.number("cache_creation_input_tokens", usage.cache_written);
    o.number("cache_read_input_tokens", usage.cached_input);
    o.number("output_tokens", usage.output);
    if usage.reasoning > 0 {
        o.object("output_tokens_details", |o| o.number("thinking_tokens", usage.reasoning));
    }
}

/// Why an answer ends.
pub(super) fn stop(word: &str, sequence: Option<String>) -> Stop {
    match word {
        "max_tokens" | "model_context_window_exceeded" => Stop::Length,
        "stop_sequence" => Stop::Sequence(sequence),
        "tool_use" => Stop::ToolCalls,
        "refusal" => Stop::Refusal,
        "pause_turn" => Stop::Pause,
        _ => Stop::End,
    }
}

/// Writes the members that say why an answer ends.
pub(super) fn write_stop(stop: &Stop, has_refused: bool, o: &mut Object<'_>) {
    let (reason, sequence) = match stop {
        // Others say a refusal in a part of the answer, and that the answer is whole.
        Stop::End if has_refused => ("refusal", None),
        // Without its text it is no sequence that a client could find.
        Stop::End | Stop::Sequence(None) => ("end_turn", None),
        Stop::Sequence(Some(text)) => ("stop_sequence", Some(text.as_str())),
        Stop::Length => ("max_tokens", None),
        Stop::ToolCalls => ("tool_use", None),
        Stop::Refusal => ("refusal", None),
        Stop::Pause => ("pause_turn", None),
    };
    o.text("stop_reason", reason);
    o.text_or_null("stop_sequence", sequence);
}
