//! The id of a request: the caller's own when it is well formed, else a new one.
//!
//! In: a request's headers. Out: text that is safe in headers, logs and errors, and that costs no copy to hand on.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::dice::Dice;

/// Where it is read and said.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id taken from a caller, in bytes.
const BYTES_MAX: usize = 128;

/// The id of a request: letters, digits and `-_.`.
#[derive(Debug, Clone)]
pub(super) struct RequestId(HeaderValue);

impl RequestId {
    /// A caller's id when it is well formed, else a new one.
    pub(super) fn of(headers: &HeaderMap, dice: &Dice) -> Self {
        let given = headers.get(REQUEST_ID).filter(|given| is_plain(given.as_bytes()));
        Self(given.map_or_else(|| fresh(dice), Clone::clone))
    }

    /// As text.
    pub(super) fn as_str(&self) -> &str {
        // Every value of this type is ASCII.
        std::str::from_utf8(self.0.as_bytes()).unwrap_or_default()
    }

    /// The same with a word behind it, for a request that is made of this one.
    pub(super) fn with(&self, word: &'static str) -> Self {
        Self(HeaderValue::try_from(format!("{self}{word}")).unwrap_or_else(|_| self.header()))
    }

    /// As a header.
    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

fn is_plain(id: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    (1..=BYTES_MAX).contains(&id.len()) && id.iter().all(is_plain)
}

/// A UUID of version 7: ids sort by time.
fn fresh(dice: &Dice) -> HeaderValue {
    let now = u64::try_from(crate::clock::now().as_millisecond()).unwrap_or(0);
    let mut random = [0; 10];
    let drawn = dice.next().to_le_bytes().into_iter().chain(dice.next().to_le_bytes());
    for (byte, drawn) in random.iter_mut().zip(drawn) {
        *byte = drawn;
    }
    let id = uuid::Builder::from_unix_timestamp_millis(now, &random).into_uuid();
    let mut text = uuid::Uuid::encode_buffer();
    let text = id.as_hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_well_formed_id_is_kept_and_any_other_replaced() {
        let id = |given: &str| {
            let headers = HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_str(given).unwrap())]);
            RequestId::of(&headers, &Dice::new()).to_string()
        };
        assert_eq!(id("a-Z_0.9"), "a-Z_0.9");
        assert_eq!(id(&"x".repeat(BYTES_MAX)), "x".repeat(BYTES_MAX));
        for given in ["", "a b", "a\"b", "a/b", &"x".repeat(BYTES_MAX + 1)] {
            let own = id(given);
            assert!(own.len() == 36 && own != given && is_plain(own.as_bytes()), "{given}: {own}");
        }
    }
}
