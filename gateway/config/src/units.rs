//! Quantities people write: durations (`250ms`, `30s`, `5m`, `1h`, `1d`), sizes (`64KiB`), money in USD, shares
//! (`2%`). Each is parsed once, keeps its unit in its type, and prints in the form it is written in.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Says why a text is not the quantity that was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}{}", meant.as_ref().map(|meant| format!("; write {meant}")).unwrap_or_default())]
pub struct InvalidQuantity {
    /// The text that was refused.
    pub text: String,
    /// What was expected, with examples.
    pub expected: &'static str,
    /// What was probably meant: a number that lacks its unit.
    pub meant: Option<String>,
}

impl InvalidQuantity {
    fn new(text: &str, expected: &'static str) -> Self {
        Self { text: text.chars().take(64).collect(), expected, meant: None }
    }

    /// The same, with what a number without its unit probably means.
    fn meaning(self, means: impl Fn(f64) -> String) -> Self {
        let is_bare = self.text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let number = self.text.parse::<f64>().ok().filter(|_| is_bare);
        Self { meant: number.map(means), ..self }
    }
}

/// Reads what is written as text. A plain number is read as its digits: what is wrong with it is not that it lacks quotes.
///
/// # Errors
/// Those of the deserialiser and of `T`'s own reading.
pub fn from_text_or_number<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    deserializer.deserialize_any(TextOrNumber(PhantomData))
}

struct TextOrNumber<T>(PhantomData<T>);

impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for TextOrNumber<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

/// Splits `12.5ms` into `12.5` and `ms`.
fn split(text: &str) -> Option<(f64, &str)> {
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let number = text[..at].parse::<f64>().ok()?;
    Some((number, &text[at..]))
}

macro_rules! written {
    ($name:ident, $pattern:literal, $description:literal, $examples:expr) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                from_text_or_number(deserializer)
            }
        }
        impl From<$name> for String {
            fn from(quantity: $name) -> Self {
                quantity.to_string()
            }
        }
        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string", "pattern": $pattern, "description": $description, "examples": $examples,
                })
            }
        }
    };
}

/// A length of time, from a millisecond to about 49 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
pub struct Duration {
    milliseconds: u32,
}

impl Duration {
    const EXPECTED: &'static str = "a duration such as 250ms, 30s, 5m, 1h or 1d";

    /// A duration of whole milliseconds.
    #[must_use]
    pub const fn from_milliseconds(milliseconds: u32) -> Self {
        Self { milliseconds }
    }

    /// A duration of whole seconds (saturating at about 49 days).
    #[must_use]
    pub const fn from_seconds(seconds: u32) -> Self {
        Self { milliseconds: seconds.saturating_mul(1000) }
    }

    /// The same length as the standard library's type.
    #[must_use]
    pub const fn get(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.milliseconds as u64)
    }

    /// The length in milliseconds.
    #[must_use]
    pub const fn as_milliseconds(self) -> u64 {
        self.milliseconds as u64
    }
}

impl FromStr for Duration {
    type Err = InvalidQuantity;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || InvalidQuantity::new(text, Self::EXPECTED).meaning(|seconds| format!("{seconds}s"));
        let (number, unit) = split(text).ok_or_else(wrong)?;
        let factor = match unit {
            "ms" => 1.0,
            "s" => 1e3,
            "m" => 60e3,
            "h" => 3_600e3,
            "d" => 86_400e3,
            _ => return Err(wrong()),
        };
        // 1.001 s is a millisecond more than 1 s, though 1.001 is not exactly that as a double.
        let milliseconds = (number * factor).round();
        if (number * factor - milliseconds).abs() > 1e-6 || milliseconds > f64::from(u32::MAX) {
            return Err(wrong());
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be whole and in range above"
        )]
        Ok(Self { milliseconds: milliseconds as u32 })
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.milliseconds;
        let (number, unit) = match all {
            // Zero is a multiple of everything; seconds read best.
            0 => (0, "s"),
            _ if all.is_multiple_of(86_400_000) => (all / 86_400_000, "d"),
            _ if all.is_multiple_of(3_600_000) => (all / 3_600_000, "h"),
            _ if all.is_multiple_of(60_000) => (all / 60_000, "m"),
            _ if all.is_multiple_of(1_000) => (all / 1_000, "s"),
            _ => (all, "ms"),
        };
        write!(formatter, "{number}{unit}")
    }
}
written!(
    Duration,
    r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)(ms|s|m|h|d)$",
    "A duration such as 250ms, 30s, 5m, 1h or 1d.",
    ["250ms", "30s", "5m", "1h", "1d"]
);

/// A size in bytes, written in binary units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
pub struct ByteSize {
    bytes: u64,
}

impl ByteSize {
    const EXPECTED: &'static str = "a size such as 512B, 64KiB, 16MiB or 1GiB";

    /// A size of so many bytes.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Self {
        Self { bytes }
    }

    /// The size in bytes.
    #[must_use]
    pub const fn as_bytes(self) -> u64 {
        self.bytes
    }
}

impl FromStr for ByteSize {
    type Err = InvalidQuantity;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || InvalidQuantity::new(text, Self::EXPECTED).meaning(|bytes| format!("{bytes}B"));
        let at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number = text[..at].parse::<u64>().map_err(|_| wrong())?;
        let shift = match &text[at..] {
            "B" => 0,
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            _ => return Err(wrong()),
        };
        let bytes = number.checked_mul(1 << shift).ok_or_else(wrong)?;
        Ok(Self { bytes })
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shift, unit) = match self.bytes.trailing_zeros() {
            _ if self.bytes == 0 => (0, "B"),
            30.. => (30, "GiB"),
            20.. => (20, "MiB"),
            10.. => (10, "KiB"),
            _ => (0, "B"),
        };
        write!(formatter, "{}{unit}", self.bytes >> shift)
    }
}
written!(ByteSize, r"^[0-9]+(B|KiB|MiB|GiB)$", "A size such as 64KiB.", ["64KiB", "256MiB"]);

/// A share of a whole, from 0 % to 100 %, kept in hundredths of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
pub struct Percent {
    basis_points: u16,
}

impl Percent {
    const EXPECTED: &'static str = "a share from 0% to 100%, with at most two decimals, such as 2% or 0.5%";
    /// Nothing.
    pub const ZERO: Self = Self { basis_points: 0 };
    /// All of it.
    pub const HUNDRED: Self = Self { basis_points: 10_000 };

    /// A whole number of percent; more than 100 is 100.
    #[must_use]
    pub const fn whole(percent: u16) -> Self {
        Self { basis_points: if percent > 100 { 10_000 } else { percent * 100 } }
    }

    /// A number of hundredths of a percent; more than 10,000 is all of it.
    #[must_use]
    pub const fn of_basis_points(basis_points: u16) -> Self {
        Self { basis_points: if basis_points > 10_000 { 10_000 } else { basis_points } }
    }

    /// The share as a fraction from 0 to 1.
    #[must_use]
    pub fn as_fraction(self) -> f64 {
        f64::from(self.basis_points) / 10_000.0
    }

    /// The share in hundredths of a percent, 0 to 10,000.
    #[must_use]
    pub const fn as_basis_points(self) -> u16 {
        self.basis_points
    }
}

impl FromStr for Percent {
    type Err = InvalidQuantity;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Below one it may be the share, or the fraction.
        let means = |number: f64| match number {
            0.0 | 1.0.. => format!("{number}%"),
            _ => format!("{}% or {number}%", number * 100.0),
        };
        let wrong = || InvalidQuantity::new(text, Self::EXPECTED).meaning(means);
        let (number, unit) = split(text).ok_or_else(wrong)?;
        let basis_points = (number * 100.0).round();
        if unit != "%" || basis_points > 10_000.0 || (number * 100.0 - basis_points).abs() > 1e-6 {
            return Err(wrong());
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be 0 to 10,000 above"
        )]
        Ok(Self { basis_points: basis_points as u16 })
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}%", f64::from(self.basis_points) / 100.0)
    }
}
written!(
    Percent,
    r"^0*(100(\.0*)?|[0-9]{1,2}(\.[0-9]{0,2}0*)?|\.[0-9]{1,2}0*)%$",
    "A share from 0% to 100%, such as 2%.",
    ["2%", "0.5%", "100%"]
);

/// An amount of US dollars that is not negative. Written as a plain number (`5.00`).
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "f64", into = "f64")]
#[schemars(with = "f64", extend("minimum" = 0, "examples" = [2.5]))]
pub struct Usd(f64);

impl Usd {
    /// The amount in dollars.
    #[must_use]
    pub const fn as_dollars(self) -> f64 {
        self.0
    }

    /// The amount in millionths of a dollar, the unit of our ledgers (checked integer arithmetic).
    #[must_use]
    pub fn as_micros(self) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative by construction; a cast saturates"
        )]
        let micros = (self.0 * 1e6).round() as u64;
        micros
    }
}

impl TryFrom<f64> for Usd {
    type Error = InvalidQuantity;
    fn try_from(dollars: f64) -> Result<Self, Self::Error> {
        if dollars.is_finite() && dollars >= 0.0 {
            Ok(Self(dollars))
        } else {
            Err(InvalidQuantity::new(
                &dollars.to_string(),
                "an amount of US dollars that is not negative, such as 2.50",
            ))
        }
    }
}

impl From<Usd> for f64 {
    fn from(amount: Usd) -> Self {
        amount.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_print_as_they_are_written() {
        for text in ["250ms", "30s", "5m", "1h", "1d"] {
            assert_eq!(text.parse::<Duration>().unwrap().to_string(), text);
        }
        for (text, milliseconds) in
            [("1.001s", 1001), ("1.1m", 66_000), ("0.5h", 1_800_000), ("4.35s", 4350), ("0s", 0)]
        {
            assert_eq!(text.parse::<Duration>().unwrap().as_milliseconds(), milliseconds);
        }
        for text in ["512B", "64KiB", "16MiB", "1GiB"] {
            assert_eq!(text.parse::<ByteSize>().unwrap().to_string(), text);
        }
        for text in ["0%", "2%", "0.5%", "12.25%", "100%"] {
            assert_eq!(text.parse::<Percent>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_number_without_its_unit_is_answered_with_what_to_write_in_quotes_or_not() {
        let said = |error: serde_json::Error| error.to_string();
        for json in ["50", "\"50\""] {
            let share = said(serde_json::from_str::<Percent>(json).unwrap_err());
            assert!(share.starts_with("`50` is not a share") && share.contains("; write 50%"), "{share}");
            let time = said(serde_json::from_str::<Duration>(json).unwrap_err());
            assert!(time.contains("; write 50s"), "{time}");
            let size = said(serde_json::from_str::<ByteSize>(json).unwrap_err());
            assert!(size.contains("; write 50B"), "{size}");
        }
        let half = said(serde_json::from_str::<Percent>("0.5").unwrap_err());
        assert!(half.contains("; write 50% or 0.5%"), "{half}");
        for other in ["five", "-1", "1w"] {
            assert_eq!(other.parse::<Duration>().unwrap_err().meant, None, "{other}");
        }
    }

    #[test]
    fn what_is_not_a_quantity_is_refused() {
        for text in ["", "5", "5 s", "-1s", "1w", "s", "1.0001s", "99999999h"] {
            assert!(text.parse::<Duration>().is_err(), "{text}");
        }
        for text in ["64", "64KB", "1.5MiB", "-1B", "99999999999999999999GiB"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
        for text in ["2", "101%", "0.001%", "-1%"] {
            assert!(text.parse::<Percent>().is_err(), "{text}");
        }
        assert!(Usd::try_from(-1.0).is_err());
        assert!(Usd::try_from(f64::NAN).is_err());
    }
}
