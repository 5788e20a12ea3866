//! What was used.

use serde::Deserialize;

use crate::chat;
use crate::usage::whole;

#[derive(Deserialize)]
pub(super) struct Usage {
    billed_units: Option<Counts>,
    tokens: Option<Counts>,
    cached_tokens: Option<f64>,
}

/// Whole numbers that come as floats.
#[derive(Deserialize, Clone, Copy)]
struct Counts {
    input_tokens: Option<f64>,
    output_tokens: Option<f64>,
}

impl Usage {
    /// The usage, when it says any.
    pub(super) fn read(self) -> Option<chat::Usage> {
        let is_said = |counts: &Counts| counts.input_tokens.is_some() || counts.output_tokens.is_some();
        let counts = self.billed_units.filter(is_said).or(self.tokens.filter(is_said))?;
        let input = whole(counts.input_tokens.unwrap_or(0.0));
        Some(chat::Usage {
            input,
            cached_input: whole(self.cached_tokens.unwrap_or(0.0)).min(input),
            cache_written: 0,
            // Thoughts are among it and not told apart.
            output: whole(counts.output_tokens.unwrap_or(0.0)),
            reasoning: 0,
        })
    }
}
