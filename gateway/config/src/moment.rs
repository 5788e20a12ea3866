//! Moments people write: RFC 3339, with an offset (`2027-06-30T00:00:00Z`).

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A moment in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Moment(Timestamp);

/// Says that a text is no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a moment: expected a date and time with an offset, such as 2027-06-30T00:00:00Z")]
pub struct InvalidMoment(String);

impl Moment {
    /// The moment in milliseconds since the epoch; 0 for all before it.
    #[must_use]
    pub fn as_milliseconds(self) -> u64 {
        u64::try_from(self.0.as_millisecond()).unwrap_or(0)
    }
}

impl FromStr for Moment {
    type Err = InvalidMoment;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| InvalidMoment(text.chars().take(64).collect()))
    }
}

impl TryFrom<String> for Moment {
    type Error = InvalidMoment;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        moment.to_string()
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl JsonSchema for Moment {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Moment".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "format": "date-time",
            "pattern": r"^[0-9+-][0-9-]*[Tt ].*([Zz]|[+-][0-9]{2}(:?[0-9]{2}){0,2})(\[.*\])?$",
            "examples": ["2027-06-30T00:00:00Z"],
            "description": "A moment (RFC 3339, with an offset) such as 2027-06-30T00:00:00Z.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_with_an_offset_only() {
        let moment: Moment = "2027-06-30T02:00:00+02:00".parse().unwrap();
        assert_eq!(moment.to_string(), "2027-06-30T00:00:00Z");
        assert_eq!(moment.as_milliseconds(), 1_814_313_600_000);
        assert_eq!("1960-01-01T00:00:00Z".parse::<Moment>().unwrap().as_milliseconds(), 0);
        for text in
            ["", "2027-06-30", "2027-06-30T00:00:00", "tomorrow", "1814313600", "2027-13-01T00:00:00Z"]
        {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
    }
}
