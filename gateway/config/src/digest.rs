//! The document's identity: SHA-256 over its canonical JSON (RFC 8785).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The digest of a document, printed as `sha256:` and 64 hex digits. What the gateway attests, what verification
/// compares, what history records.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

/// Says that a text is no digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected `sha256:` and 64 lower-case hex digits")]
pub struct InvalidDigest;

impl schemars::JsonSchema for Digest {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Digest".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^sha256:[0-9a-f]{64}$" })
    }
}

impl Digest {
    /// The digest of a layered document, references unresolved.
    #[must_use]
    pub fn of(value: &Value) -> Self {
        Self(Sha256::digest(canonical(value)).into())
    }

    /// The first 12 hex digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        hex::encode(&self.0[..6])
    }
}

/// The canonical JSON bytes of a value: keys sorted, numbers in ECMAScript form, no white space.
#[must_use]
pub fn canonical(value: &Value) -> Vec<u8> {
    // A `Value` has string keys and finite numbers only, so canonical form always exists; were that ever to
    // change, an empty text would match no document rather than a wrong one.
    serde_json_canonicalizer::to_vec(value).unwrap_or_default()
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "sha256:{}", hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix("sha256:").ok_or(InvalidDigest)?;
        // One digest, one spelling: it is compared as text in many places.
        if digits.contains(|c: char| c.is_ascii_uppercase()) {
            return Err(InvalidDigest);
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| InvalidDigest)?;
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Digest {
    type Error = InvalidDigest;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(value: &Value) -> String {
        String::from_utf8(canonical(value)).unwrap()
    }

    #[test]
    fn keys_are_ordered_by_their_utf_16_units() {
        // U+10437 is D801 DC37 in UTF-16 and so comes before U+FB33, though its code point is larger.
        let value = json!({"\u{fb33}": 1, "\u{10437}": 2, "\u{20ac}": 3, "b": 4, "a": 5, "B": 6, "": 7, "1": 8, "10": 9, "2": 10});
        assert_eq!(
            text(&value),
            "{\"\":7,\"1\":8,\"10\":9,\"2\":10,\"B\":6,\"a\":5,\"b\":4,\"\u{20ac}\":3,\"\u{10437}\":2,\"\u{fb33}\":1}"
        );
    }

    #[test]
    fn numbers_are_written_as_ecmascript_writes_them() {
        for (number, written) in [
            (0.0, "0"),
            (-0.0, "0"),
            (5.0, "5"),
            (-2.5, "-2.5"),
            (0.1, "0.1"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (1.5e-10, "1.5e-10"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (123_456_789e15, "1.23456789e+23"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (9_007_199_254_740_991.0, "9007199254740991"),
            (1.0 / 3.0, "0.3333333333333333"),
        ] {
            assert_eq!(text(&json!(number)), written);
        }
        assert_eq!(text(&json!([7, -7, u64::from(u32::MAX)])), "[7,-7,4294967295]");
    }

    #[test]
    fn text_is_escaped_no_more_than_it_must_be() {
        let value = json!("\"\\/\u{8}\t\n\u{c}\r\u{0}\u{1f}\u{7f}\u{e9}\u{2028}\u{1f600}<&>'");
        assert_eq!(
            text(&value),
            "\"\\\"\\\\/\\b\\t\\n\\f\\r\\u0000\\u001f\u{7f}\u{e9}\u{2028}\u{1f600}<&>'\""
        );
        assert_eq!(text(&json!({"a": [null, true, {}, []]})), r#"{"a":[null,true,{},[]]}"#);
    }

    #[test]
    fn a_digest_is_the_hash_of_the_canonical_text_and_reads_back_as_printed() {
        // SHA-256 of the two bytes `{}`.
        let digest = Digest::of(&json!({}));
        let printed = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        assert_eq!(digest.to_string(), printed);
        assert_eq!(printed.parse(), Ok(digest));
        assert_eq!(digest.short(), "44136fa355b3");
        for text in [
            "",
            "sha256:",
            &printed[..70],
            &printed.to_uppercase(),
            &printed.replace("a3", "A3"),
            &printed[7..],
        ] {
            assert_eq!(text.parse::<Digest>(), Err(InvalidDigest), "{text}");
        }
    }
}
