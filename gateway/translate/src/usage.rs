//! The tokens an answer used, read from the answer.
//!
//! In: a `usage` object as a provider writes it. Out: [`Tokens`]. [`UsageWatch`] finds that object in an answer.

mod watch;

use serde_json::Value;

pub use watch::{UsageWatch, tokens_of};

/// The most tokens that one request is believed to have used. What a provider says beyond that is a slip, and sums of
/// such numbers would go round.
pub const TOKENS_MAX: u64 = 1_000_000_000_000;

/// Tokens of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tokens {
    /// Tokens in, cached ones among them.
    pub input: u64,
    /// Tokens in that the provider read from its cache.
    pub cached_input: u64,
    /// Tokens out, reasoning among them.
    pub output: u64,
}

impl Tokens {
    /// Tokens in and out.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.input.saturating_add(self.output)
    }

    /// The same, each number up to [`TOKENS_MAX`].
    #[must_use]
    pub fn bounded(self) -> Self {
        let Self { input, cached_input, output } = self;
        let bounded = |count: u64| count.min(TOKENS_MAX);
        Self { input: bounded(input), cached_input: bounded(cached_input), output: bounded(output) }
    }

    /// Reads a `usage` object of the OpenAI protocol.
    #[must_use]
    pub fn from_openai(usage: &[u8]) -> Option<Self> {
        serde_json::from_slice(usage).map_or_else(|_| Self::from_odd_openai(usage), OpenAiUsage::tokens)
    }

    /// Reads one whose fields are not all of the types they should be, as far as it goes.
    fn from_odd_openai(usage: &[u8]) -> Option<Self> {
        let usage: Value = serde_json::from_slice(usage).ok()?;
        let field = |names: [&str; 2]| names.iter().find_map(|name| usage.get(name)).and_then(Value::as_u64);
        let input = field(["prompt_tokens", "input_tokens"]);
        let output = field(["completion_tokens", "output_tokens"]);
        let total = usage.get("total_tokens").and_then(Value::as_u64);
        let cached_input = ["prompt_tokens_details", "input_tokens_details"]
            .iter()
            .find_map(|name| usage.get(name)?.get("cached_tokens")?.as_u64());
        Self::from_counts(input, output, total, cached_input)
    }

    fn from_counts(
        input: Option<u64>,
        output: Option<u64>,
        total: Option<u64>,
        cached_input: Option<u64>,
    ) -> Option<Self> {
        let (input, output) = match (input, output, total) {
            (None, None, None) => return None,
            (None, None, Some(total)) => (total, 0),
            (input, output, _) => (input.unwrap_or(0), output.unwrap_or(0)),
        };
        Some(Self { input, cached_input: cached_input.unwrap_or(0).min(input), output })
    }
}

/// A `usage` object of the OpenAI protocol as it should be, under the names of Chat and of Responses.
#[derive(serde::Deserialize)]
struct OpenAiUsage {
    prompt_tokens: Option<u64>,
    input_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    output_tokens: Option<u64>,
    total_tokens: Option<u64>,
    prompt_tokens_details: Option<OpenAiDetails>,
    input_tokens_details: Option<OpenAiDetails>,
}

#[derive(serde::Deserialize)]
struct OpenAiDetails {
    cached_tokens: Option<u64>,
}

impl OpenAiUsage {
    fn tokens(self) -> Option<Tokens> {
        let details = self.prompt_tokens_details.or(self.input_tokens_details);
        Tokens::from_counts(
            self.prompt_tokens.or(self.input_tokens),
            self.completion_tokens.or(self.output_tokens),
            self.total_tokens,
            details.and_then(|details| details.cached_tokens),
        )
    }
}

/// A count that a provider writes as a float (`12.0`). What is no count is 0.
pub(crate) const fn whole(count: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates, and NaN is 0"
    )]
    let whole = count as u64;
    whole
}

impl Tokens {
    /// Reads a `usage` object of the Messages protocol: tokens of the cache are not among its `input_tokens`.
    #[must_use]
    pub fn from_anthropic(usage: &[u8]) -> Option<Self> {
        crate::passthrough::messages_tokens(usage)
    }
}
