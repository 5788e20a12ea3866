//! What was used.

use serde::Deserialize;

use crate::chat::Usage;

/// What was read from and written to the cache is not among `inputTokens`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Counts {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_write_input_tokens: Option<u64>,
}

impl From<Counts> for Usage {
    fn from(counts: Counts) -> Self {
        let cached_input = counts.cache_read_input_tokens.unwrap_or(0);
        let cache_written = counts.cache_write_input_tokens.unwrap_or(0);
        let input =
            counts.input_tokens.unwrap_or(0).saturating_add(cached_input).saturating_add(cache_written);
        // Thoughts are among the output and not told apart.
        Self { input, cached_input, cache_written, output: counts.output_tokens.unwrap_or(0), reasoning: 0 }
    }
}
