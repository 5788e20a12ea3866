//! The YAML 1.2 core schema: what a plain scalar means.
//!
//! Numbers are kept so that two documents that say the same have the same value and the same digest: `5`, `5.0` and
//! `5e0` are one number, and what a double cannot hold exactly is refused rather than rounded.

use serde_json::Number;

use crate::tree::Content;

/// The largest whole number that canonical JSON (a double) holds exactly: 2^53 − 1.
const WHOLE_MAX: f64 = 9_007_199_254_740_991.0;
/// What is said of a number that is out of range.
pub(crate) const OUT_OF_RANGE: &str = "this number is out of range: expected one from -9007199254740991 to 9007199254740991 (put it in quotes if it is text)";

/// Reads an unquoted scalar.
///
/// # Errors
/// A number that cannot be held exactly.
pub(crate) fn plain(text: &str) -> Result<Content, &'static str> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Content::Null),
        "true" | "True" | "TRUE" => return Ok(Content::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Content::Bool(false)),
        _ => {}
    }
    match number(text) {
        None => Ok(Content::Text(text.to_owned())),
        Some(number) => exact(number).map(Content::Number).ok_or(OUT_OF_RANGE),
    }
}

/// The one way to write a number: whole where it is whole. None when a double cannot hold it.
pub(crate) fn exact(number: f64) -> Option<Number> {
    if !(number.is_finite() && number.abs() <= WHOLE_MAX) {
        return None;
    }
    if number.fract() == 0.0 {
        #[expect(clippy::cast_possible_truncation, reason = "whole and in range, checked above")]
        let whole = number as i64;
        return Some(Number::from(whole));
    }
    Number::from_f64(number)
}

/// The number a text spells in the core schema; infinite when it is too large or no number at all (`.inf`, `.nan`).
fn number(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(f64::INFINITY);
    }
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let has_digits = !whole.is_empty() || !fraction.is_empty();
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    if !(has_digits && digits(whole) && digits(fraction) && exponent_fits) {
        return None;
    }
    let parsed: f64 = text.parse().ok()?;
    // A whole number that a double would round, and say nothing, is out of range too; `abs` above 2^53 catches it.
    Some(parsed)
}

fn radix(digits: &str, base: u32) -> Option<f64> {
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(base)) {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "beyond 2^53 the caller refuses it anyway")]
    Some(u64::from_str_radix(digits, base).map_or(f64::INFINITY, |number| number as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> serde_json::Value {
        crate::tree::Node::new(crate::tree::Place::default(), plain(text).unwrap()).value()
    }

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        for text in ["", "~", "null", "Null", "NULL"] {
            assert_eq!(value(text), serde_json::Value::Null, "{text}");
        }
        for (text, expected) in [
            ("true", serde_json::json!(true)),
            ("FALSE", serde_json::json!(false)),
            ("12", serde_json::json!(12)),
            ("-7", serde_json::json!(-7)),
            ("+7", serde_json::json!(7)),
            ("007", serde_json::json!(7)),
            ("0x1f", serde_json::json!(31)),
            ("0o17", serde_json::json!(15)),
            ("2.50", serde_json::json!(2.5)),
            (".5", serde_json::json!(0.5)),
            ("5.", serde_json::json!(5)),
            ("5.00", serde_json::json!(5)),
            ("1e3", serde_json::json!(1000)),
            ("1e-2", serde_json::json!(0.01)),
            ("-0.0", serde_json::json!(0)),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    #[test]
    fn words_that_only_look_like_something_stay_text() {
        for text in [
            "yes",
            "no",
            "on",
            "off",
            "y",
            "nUll",
            "tRue",
            "1.2.3",
            "1e",
            "e1",
            ".",
            "-",
            "+",
            "0x",
            "0xg",
            "0o8",
            "1_000",
            "12:30",
            "-0x1",
            "5m",
            ".infinity",
            "+.nan",
        ] {
            assert_eq!(value(text), serde_json::json!(text));
        }
    }

    #[test]
    fn numbers_that_cannot_be_held_exactly_are_refused() {
        assert_eq!(value("9007199254740991"), serde_json::json!(9_007_199_254_740_991_i64));
        for text in [
            "9007199254740992",
            "9007199254740993",
            "-9007199254740992",
            "1e16",
            "1e999",
            ".inf",
            "-.INF",
            ".nan",
            "0xffffffffffffffffff",
        ] {
            assert!(plain(text).is_err(), "{text}");
        }
    }
}
