//! What an answer says of the gateway itself: its generation, how the caller's limits stand, what the cache had.
//!
//! In: one word after the other, while a request is decided on. Out: headers, put on whatever answer it gets.

use http::{HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

use crate::digits::Digits;
use crate::limits::{Reservation, Standing};
use crate::routing::limit::Kind;

/// Headers to put on an answer.
pub(super) struct Marks(Vec<(HeaderName, HeaderValue)>);

impl Marks {
    /// None yet, with room for the usual ones.
    pub(super) fn new() -> Self {
        Self(Vec::with_capacity(8))
    }

    /// One more.
    pub(super) fn add(&mut self, name: HeaderName, value: HeaderValue) {
        self.0.push((name, value));
    }

    /// How the caller's limits stand.
    pub(super) fn limits(&mut self, reservation: &Reservation) {
        for (kind, standing) in [(Kind::Requests, reservation.requests), (Kind::Tokens, reservation.tokens)] {
            self.0.extend(standing.into_iter().flat_map(|standing| standing_headers(kind, standing)));
        }
    }

    /// Puts them on an answer.
    pub(super) fn put(self, headers: &mut HeaderMap) {
        for (name, value) in self.0 {
            headers.insert(name, value);
        }
    }
}

/// How a limit stands, in the headers clients know. They know none for the other kinds.
pub(super) fn standing_headers(
    kind: Kind,
    standing: Standing,
) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    const REQUESTS: [HeaderName; 3] = [
        HeaderName::from_static("x-ratelimit-limit-requests"),
        HeaderName::from_static("x-ratelimit-remaining-requests"),
        HeaderName::from_static("x-ratelimit-reset-requests"),
    ];
    const TOKENS: [HeaderName; 3] = [
        HeaderName::from_static("x-ratelimit-limit-tokens"),
        HeaderName::from_static("x-ratelimit-remaining-tokens"),
        HeaderName::from_static("x-ratelimit-reset-tokens"),
    ];
    let names = match kind {
        Kind::Requests => Some(REQUESTS),
        Kind::Tokens => Some(TOKENS),
        Kind::Budget | Kind::Concurrency => None,
    };
    let Standing { most, remaining, reset } = standing;
    let values = [number(most, ""), number(remaining, ""), number(reset.div_ceil(1_000), "s")];
    names.into_iter().flatten().zip(values)
}

/// A number as a header's value.
fn number(number: u64, unit: &str) -> HeaderValue {
    let digits = Digits::of(number, 1);
    let mut text = SmallVec::<[u8; 24]>::from_slice(digits.as_bytes());
    text.extend_from_slice(unit.as_bytes());
    HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_numbers_fit() {
        let standing = Standing { most: u64::MAX, remaining: 0, reset: u64::MAX };
        let said: Vec<_> = standing_headers(Kind::Tokens, standing)
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        assert_eq!(
            said,
            [
                "x-ratelimit-limit-tokens: 18446744073709551615",
                "x-ratelimit-remaining-tokens: 0",
                "x-ratelimit-reset-tokens: 18446744073709552s",
            ]
        );
        assert_eq!(standing_headers(Kind::Budget, standing).count(), 0);
    }
}
