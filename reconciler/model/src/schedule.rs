//! When something is due: a cron expression (`sec min hour dom mon dow`, UTC) or a duration.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use moorline_config::schema::zero;
use moorline_config::{Duration, from_text_or_number};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub enum Schedule {
    /// So long after the last time.
    Every(Duration),
    /// At the moments a cron expression names, in UTC.
    Cron(Box<CronExpression>),
}

/// A parsed cron expression and the text it came from.
#[derive(Debug, Clone)]
pub struct CronExpression {
    text: String,
    schedule: cron::Schedule,
}

impl PartialEq for CronExpression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
impl Eq for CronExpression {}

/// Says why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a schedule: expected a duration such as 30s, or cron `sec min hour day-of-month month day-of-week` such as `0 */15 * * * *`{}",
    meant.as_ref().map(|meant| format!("; write {meant}")).unwrap_or_default()
)]
pub struct InvalidSchedule {
    /// The text, cut to 64 characters.
    pub text: String,
    /// What was probably meant: a duration that lacks its unit.
    pub meant: Option<String>,
}

impl Schedule {
    /// The first moment after `last` at which it is due; `None` when a cron expression never comes again.
    #[must_use]
    pub fn next_after(&self, last: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every(interval) => last.checked_add(interval.get()).ok(),
            Self::Cron(expression) => {
                let after = chrono_time(last)?;
                let next = expression.schedule.after(&after).next()?;
                Timestamp::from_second(next.timestamp()).ok()
            }
        }
    }

    /// Whether it is due at `now`, given when it last ran. What never ran is due.
    #[must_use]
    pub fn is_due(&self, last: Option<Timestamp>, now: Timestamp) -> bool {
        last.is_none_or(|last| self.next_after(last).is_some_and(|next| next <= now))
    }
}

// The cron crate speaks chrono; this is the one place where the two meet.
fn chrono_time(time: Timestamp) -> Option<cron_time::DateTime<cron_time::Utc>> {
    cron_time::DateTime::from_timestamp(time.as_second(), 0)
}

impl FromStr for Schedule {
    type Err = InvalidSchedule;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let interval = text.parse::<Duration>();
        if let Ok(interval) = interval
            && interval.as_milliseconds() > 0
        {
            return Ok(Self::Every(interval));
        }
        let meant = interval.err().and_then(|error| error.meant);
        let wrong = || InvalidSchedule { text: text.chars().take(64).collect(), meant };
        let schedule = Some(text).filter(|text| has_fields(text)).map(cron::Schedule::from_str);
        let schedule = schedule.and_then(Result::ok).ok_or_else(wrong)?;
        Ok(Self::Cron(Box::new(CronExpression { text: text.to_owned(), schedule })))
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every(interval) => interval.fmt(formatter),
            Self::Cron(expression) => formatter.write_str(&expression.text),
        }
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text_or_number(deserializer)
    }
}

impl From<Schedule> for String {
    fn from(schedule: Schedule) -> Self {
        schedule.to_string()
    }
}

/// A cron expression as a regular expression: six or seven fields, each with numbers in its range, or names.
fn cron_pattern() -> String {
    let field = |point: &str, any: &str| {
        let item = format!("({any}|({point})(-({point}))?)(/0*[1-9][0-9]*)?");
        format!("{item}(,{item})*")
    };
    let fields = [
        field("0*[1-5]?[0-9]", r"\*"),
        field("0*[1-5]?[0-9]", r"\*"),
        field("0*(1?[0-9]|2[0-3])", r"\*"),
        field("0*([1-9]|[12][0-9]|3[01])", r"[*?]"),
        field("0*([1-9]|1[0-2])|[A-Za-z]+", r"\*"),
        field("0*[1-7]|[A-Za-z]+", r"[*?]"),
    ];
    let year = field("0*(19[7-9][0-9]|20[0-9][0-9]|2100)", r"\*");
    format!(r"^\s*(@(yearly|monthly|weekly|daily|hourly)|{}(\s+{year})?)\s*$", fields.join(r"\s+"))
}

/// Whether the fields of a cron expression stand apart from each other. The parser takes `******` too, which says
/// nothing to whoever reads it.
fn has_fields(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let is_keyword = text.trim_start().starts_with('@');
    let is_whole = |word: &str| !word.starts_with([',', '-', '/']) && !word.ends_with([',', '-', '/']);
    is_keyword || ((6..=7).contains(&words.clone().count()) && words.all(is_whole))
}

impl JsonSchema for Schedule {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Schedule".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A duration (30s) or a cron expression with seconds, in UTC (0 */15 * * * *).",
            "anyOf": [
                {"allOf": [{"$ref": generator.subschema_for::<Duration>().get("$ref")}, {"not": zero()}]},
                {"pattern": cron_pattern()},
            ],
            "examples": ["30s", "5m", "0 */15 * * * *", "0 0 3 * * Mon-Fri"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn cron_is_read_with_seconds_and_in_utc() {
        let schedule: Schedule = "0 */15 * * * *".parse().unwrap();
        assert_eq!(schedule.next_after(at("2026-11-21T05:46:10Z")), Some(at("2026-11-21T06:00:00Z")));
        assert!(!schedule.is_due(Some(at("2026-11-21T05:46:10Z")), at("2026-11-21T05:59:59Z")));
        assert!(schedule.is_due(Some(at("2026-11-21T05:46:10Z")), at("2026-11-21T06:00:00Z")));
    }

    #[test]
    fn a_duration_counts_from_the_last_time_and_what_never_ran_is_due() {
        let schedule: Schedule = "30s".parse().unwrap();
        assert!(schedule.is_due(None, at("2026-11-21T00:00:00Z")));
        assert!(!schedule.is_due(Some(at("2026-11-21T00:00:00Z")), at("2026-11-21T00:00:29Z")));
        assert!(schedule.is_due(Some(at("2026-11-21T00:00:00Z")), at("2026-11-21T00:00:30Z")));
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in ["", "0s", "soon", "* * *", "61 * * * * *", "******", "1, 2 * * * * *"] {
            assert!(text.parse::<Schedule>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_without_its_unit_is_answered_with_what_to_write() {
        for json in ["30", "\"30\""] {
            let error = serde_json::from_str::<Schedule>(json).unwrap_err().to_string();
            assert!(error.starts_with("`30` is not a schedule") && error.contains("; write 30s"), "{error}");
        }
    }
}
