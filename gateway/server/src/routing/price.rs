//! Cost from declared prices, in whole numbers.

use moorline_config::document;
use moorline_translate::Tokens;

/// Tokens that a price is declared for.
const TOKENS_PRICED: u128 = 1_000_000;

/// The most that one request is taken to cost, in millionths of a US dollar: a billion dollars. Sums of more would go
/// round.
const COST_MICROS_MAX: u64 = 1_000_000_000_000_000;

/// A price in millionths of a US dollar per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    input: u64,
    cached_input: u64,
    output: u64,
}

impl Price {
    pub(super) fn compile(price: &document::Price) -> Self {
        let input = price.input.as_micros();
        Self {
            input,
            cached_input: price.cached_input.map_or(input, |cached| cached.as_micros()),
            output: price.output.as_micros(),
        }
    }

    /// What tokens cost, in millionths of a US dollar, rounded to the nearest.
    #[must_use]
    pub fn cost_micros(self, tokens: Tokens) -> u64 {
        let cached = tokens.cached_input.min(tokens.input);
        let part = |count: u64, price: u64| u128::from(count) * u128::from(price);
        let sum = part(tokens.input - cached, self.input)
            .saturating_add(part(cached, self.cached_input))
            .saturating_add(part(tokens.output, self.output));
        u64::try_from(sum.saturating_add(TOKENS_PRICED / 2) / TOKENS_PRICED)
            .map_or(COST_MICROS_MAX, |cost| cost.min(COST_MICROS_MAX))
    }

    /// Price of a million tokens in and a million out, to tell the dearer of two prices by.
    #[must_use]
    pub const fn rank(self) -> u64 {
        self.input.saturating_add(self.output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICE: Price = Price { input: 2_500_000, cached_input: 1_250_000, output: 10_000_000 };

    #[test]
    fn cached_tokens_cost_their_own_price() {
        let tokens = Tokens { input: 1_000, cached_input: 400, output: 100 };
        // 600 * 2.50 + 400 * 1.25 + 100 * 10.00 USD per million.
        assert_eq!(PRICE.cost_micros(tokens), 1_500 + 500 + 1_000);
    }

    #[test]
    fn nothing_overflows_and_nothing_goes_below_zero() {
        let most = Tokens { input: u64::MAX, cached_input: u64::MAX, output: u64::MAX };
        let dear = Price { input: u64::MAX, cached_input: u64::MAX, output: u64::MAX };
        assert_eq!(dear.cost_micros(most), COST_MICROS_MAX);
        assert_eq!(PRICE.cost_micros(Tokens { input: 1, cached_input: 9, output: 0 }), 1);
        assert_eq!(PRICE.cost_micros(Tokens::default()), 0);
    }
}
