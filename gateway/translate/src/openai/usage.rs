//! `usage` and `finish_reason`.

use serde::Deserialize;

use crate::chat::{Stop, Usage as ChatUsage};
use crate::json::Object;

/// What an answer used, in the protocol's words and those of the servers that are compatible with it.
#[derive(Debug, Deserialize)]
pub(super) struct Usage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    total_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
    /// DeepSeek's word for cached tokens.
    prompt_cache_hit_tokens: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct PromptDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct CompletionDetails {
    reasoning_tokens: Option<u64>,
}

impl Usage {
    pub(super) fn read(self) -> ChatUsage {
        let input = self.prompt_tokens.unwrap_or_default();
        let rest = self.total_tokens.unwrap_or_default().saturating_sub(input);
        let prompt = self.prompt_tokens_details;
        let cached =
            prompt.as_ref().and_then(|details| details.cached_tokens).or(self.prompt_cache_hit_tokens);
        ChatUsage {
            input,
            cached_input: cached.unwrap_or_default(),
            cache_written: prompt.and_then(|details| details.cache_write_tokens).unwrap_or_default(),
            output: self.completion_tokens.unwrap_or(rest),
            reasoning: self.completion_tokens_details.and_then(|d| d.reasoning_tokens).unwrap_or_default(),
        }
    }
}

/// Writes the members of `usage`.
pub(super) fn write(usage: &ChatUsage, o: &mut Object<'_>) {
    o.number("prompt_tokens", usage.input);
    o.number("completion_tokens", usage.output);
    o.number("total_tokens", usage.input.saturating_add(usage.output));
    o.object("prompt_tokens_details", |o| {
        o.number("cached_tokens", usage.cached_input);
        o.number("cache_write_tokens", usage.cache_written);
    });
    o.object("completion_tokens_details", |o| o.number("reasoning_tokens", usage.reasoning));
}

/// Why an answer ends. Some servers say `stop` of an answer that calls tools.
pub(super) fn stop(word: &str, calls_tools: bool) -> Stop {
    match word {
        "length" => Stop::Length,
        "tool_calls" | "function_call" => Stop::ToolCalls,
        "content_filter" => Stop::Refusal,
        _ if calls_tools => Stop::ToolCalls,
        _ => Stop::End,
    }
}

/// The protocol's word for why an answer ends.
pub(super) const fn finish_reason(stop: &Stop) -> &'static str {
    match stop {
        Stop::End | Stop::Sequence(_) | Stop::Pause => "stop",
        Stop::Length => "length",
        Stop::ToolCalls => "tool_calls",
        Stop::Refusal => "content_filter",
    }
}
