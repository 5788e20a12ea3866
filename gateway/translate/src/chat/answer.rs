//! What a provider answers.

use super::request::Part;
use crate::usage::Tokens;

/// A whole answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The provider's id of it; empty when it gives none.
    pub id: String,
    /// The model that answered, as the provider names it; empty when it does not say.
    pub model: String,
    /// What it says, in order.
    pub parts: Vec<Part>,
    /// Why it ends.
    pub stop: Stop,
    /// What it used, when the provider says.
    pub usage: Option<Usage>,
}

/// Why an answer ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// It is finished.
    End,
    /// The most tokens were reached.
    Length,
    /// One of the caller's stop texts came up; which one, when the provider says.
    Sequence(Option<String>),
    /// Tools are to be called.
    ToolCalls,
    /// The provider withheld the rest, or the model refused.
    Refusal,
    /// A long turn was paused and can be continued.
    Pause,
}

/// What an answer used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Tokens in, with those read from and written to the provider's cache.
    pub input: u64,
    /// Of them, read from the cache.
    pub cached_input: u64,
    /// Of them, written to the cache.
    pub cache_written: u64,
    /// Tokens out, with those of reasoning.
    pub output: u64,
    /// Of them, of reasoning.
    pub reasoning: u64,
}

impl Usage {
    /// What is accounted.
    #[must_use]
    pub fn tokens(self) -> Tokens {
        Tokens { input: self.input, cached_input: self.cached_input.min(self.input), output: self.output }
    }
}
