//! Windows in which merged changes may be applied: `Mon-Fri 08:00-18:00 Europe/Berlin`.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Days of the week and a span of the day in a time zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Window {
    text: String,
    first: Weekday,
    last: Weekday,
    opens: Time,
    closes: Time,
    zone: TimeZone,
}

/// Says why a text is no window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a window: expected days, hours and a time zone, such as `Mon-Fri 08:00-18:00 Europe/Berlin`"
)]
pub struct InvalidWindow {
    /// The text, cut to 96 characters.
    pub text: String,
}

impl Window {
    /// Whether the window is open.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        let local = now.to_zoned(self.zone.clone());
        self.has_day(local.weekday()) && self.opens <= local.time() && local.time() < self.closes
    }

    /// The next moment at which it opens, after `now`.
    #[must_use]
    pub fn next_opening(&self, now: Timestamp) -> Option<Timestamp> {
        let today = now.to_zoned(self.zone.clone()).date();
        (0..=7)
            .filter_map(|days| today.checked_add(days.days()).ok())
            .filter(|date| self.has_day(date.weekday()))
            .filter_map(|date| date.to_datetime(self.opens).to_zoned(self.zone.clone()).ok())
            .map(|opening| opening.timestamp())
            .find(|opening| *opening > now)
    }

    fn has_day(&self, day: Weekday) -> bool {
        let [first, last, day] = [self.first, self.last, day].map(Weekday::to_monday_zero_offset);
        if first <= last { (first..=last).contains(&day) } else { day >= first || day <= last }
    }
}

fn weekday(text: &str) -> Option<Weekday> {
    Some(match text {
        "Mon" => Weekday::Monday,
        "Tue" => Weekday::Tuesday,
        "Wed" => Weekday::Wednesday,
        "Thu" => Weekday::Thursday,
        "Fri" => Weekday::Friday,
        "Sat" => Weekday::Saturday,
        "Sun" => Weekday::Sunday,
        _ => return None,
    })
}

fn parse(text: &str) -> Option<Window> {
    let mut words = text.split_whitespace();
    let (days, hours, zone) = (words.next()?, words.next()?, words.next()?);
    let (first, last) = days.split_once('-').unwrap_or((days, days));
    let (opens, closes) = hours.split_once('-')?;
    let window = Window {
        text: text.to_owned(),
        first: weekday(first)?,
        last: weekday(last)?,
        opens: opens.parse().ok()?,
        closes: closes.parse().ok()?,
        zone: TimeZone::get(zone).ok()?,
    };
    (words.next().is_none() && window.opens < window.closes).then_some(window)
}

impl FromStr for Window {
    type Err = InvalidWindow;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| InvalidWindow { text: text.chars().take(96).collect() })
    }
}

impl fmt::Display for Window {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl TryFrom<String> for Window {
    type Error = InvalidWindow;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Window> for String {
    fn from(window: Window) -> Self {
        window.text
    }
}

const DAY: &str = "(Mon|Tue|Wed|Thu|Fri|Sat|Sun)";
/// As wide as what reads it: `08`, `08:00`, `0800`, `T08:00:00.5`.
const TIME: &str = r"[Tt]?([01][0-9]|2[0-4])(:?[0-5][0-9](:?[0-6][0-9]([.,][0-9]+)?)?)?";

impl JsonSchema for Window {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Window".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "Days, hours and a time zone: Mon-Fri 08:00-18:00 Europe/Berlin.",
            "pattern": format!(r"^\s*{DAY}(-{DAY})?\s+{TIME}-{TIME}\s+\S+\s*$"),
            "examples": ["Mon-Fri 08:00-18:00 Europe/Berlin", "Sun 02:00-04:00 UTC"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_follows_its_own_zone() {
        let window: Window = "Mon-Fri 08:00-18:00 Europe/Berlin".parse().unwrap();
        // 2026-11-20 is a Friday; Berlin is one hour ahead of UTC.
        assert!(window.is_open("2026-11-20T07:00:00Z".parse().unwrap()));
        assert!(!window.is_open("2026-11-20T06:59:59Z".parse().unwrap()));
        assert!(!window.is_open("2026-11-20T17:00:00Z".parse().unwrap()));
        assert!(!window.is_open("2026-11-21T10:00:00Z".parse().unwrap()));
    }

    #[test]
    fn the_next_opening_skips_the_weekend() {
        let window: Window = "Mon-Fri 08:00-18:00 Europe/Berlin".parse().unwrap();
        let friday_evening = "2026-11-20T20:00:00Z".parse().unwrap();
        assert_eq!(window.next_opening(friday_evening), "2026-11-23T07:00:00Z".parse().ok());
    }

    #[test]
    fn what_is_no_window_is_refused() {
        for text in
            ["", "Mon", "Mon-Fri 18:00-08:00 UTC", "Mon-Fri 08:00-18:00 Mars/Base", "Foo 08:00-18:00 UTC"]
        {
            assert!(text.parse::<Window>().is_err(), "{text}");
        }
    }
}
