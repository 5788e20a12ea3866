//! The wait that an upstream asks for, in all the forms in which they do.
//!
//! `retry-after-ms` and `retry-after` speak of this request and win. Without them, the moment at which a limit is full
//! again is one: of several the furthest, for all of them must have room. Which limit refused is not said, so that a
//! limit with something left does not count.

use std::time::Duration;

use jiff::Timestamp;

use super::super::upstream::Lines;

/// A limit's headers: when it is full again, and what is left of it.
const LIMITS: [(&str, &str); 7] = [
    ("x-ratelimit-reset", "x-ratelimit-remaining"),
    ("x-ratelimit-reset-requests", "x-ratelimit-remaining-requests"),
    ("x-ratelimit-reset-tokens", "x-ratelimit-remaining-tokens"),
    ("anthropic-ratelimit-requests-reset", "anthropic-ratelimit-requests-remaining"),
    ("anthropic-ratelimit-tokens-reset", "anthropic-ratelimit-tokens-remaining"),
    ("anthropic-ratelimit-input-tokens-reset", "anthropic-ratelimit-input-tokens-remaining"),
    ("anthropic-ratelimit-output-tokens-reset", "anthropic-ratelimit-output-tokens-remaining"),
];
/// A number of seconds from here on is a moment since the epoch (September 2001), not a wait.
const EPOCH_SECONDS_FROM: f64 = 1e9;
/// The same in milliseconds.
const EPOCH_MILLIS_FROM: f64 = 1e12;

/// The wait an upstream asks for; nothing when it asks for none that can be read.
pub(in crate::data) fn retry_after(headers: &Lines, now: Timestamp) -> Option<Duration> {
    let text = |name| headers.get(name).map(str::trim);
    let millis = text("retry-after-ms").and_then(|text| text.parse().ok());
    if let Some(wait) = millis.and_then(|millis: f64| seconds(millis / 1_000.0)) {
        return Some(wait);
    }
    if let Some(wait) = text("retry-after").and_then(|text| wait(text, now)) {
        return Some(wait);
    }
    let is_spent =
        |remaining| text(remaining).and_then(|left| left.parse().ok()).is_none_or(|left: f64| left < 1.0);
    LIMITS
        .iter()
        .filter(|(_, remaining)| is_spent(remaining))
        .filter_map(|(reset, _)| wait(text(reset)?, now))
        .max()
}

/// A wait in any of its forms: seconds, a Go duration, a moment since the epoch, RFC 3339, or an HTTP date.
fn wait(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(number) = text.parse::<f64>() {
        return if number >= EPOCH_MILLIS_FROM {
            seconds(number / 1_000.0 - since_epoch(now)).or(Some(Duration::ZERO))
        } else if number >= EPOCH_SECONDS_FROM {
            seconds(number - since_epoch(now)).or(Some(Duration::ZERO))
        } else {
            seconds(number)
        };
    }
    if let Some(wait) = go_duration(text) {
        return Some(wait);
    }
    let moment = text.parse().ok().or_else(|| Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp()))?;
    Some(Duration::try_from(now.until(moment).ok()?).unwrap_or(Duration::ZERO))
}

/// `6m0s`, `1m30.5s`, `20ms`: how Go prints a duration.
fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut sum = 0.0;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (digits, after) = rest.split_at(number);
        let unit = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let seconds = match unit {
            "h" => 3_600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" | "μs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        sum += digits.parse::<f64>().ok()? * seconds;
        rest = after;
    }
    if text.is_empty() { None } else { seconds(sum) }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds since the epoch fit a double exactly")]
fn since_epoch(now: Timestamp) -> f64 {
    now.as_millisecond() as f64 / 1_000.0
}

/// Nothing for what is negative, endless or no number.
fn seconds(number: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&str, &str)]) -> Option<u128> {
        let now: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
        retry_after(&headers.iter().copied().collect(), now).map(|wait| wait.as_millis())
    }

    #[test]
    fn a_wait_is_read_in_each_of_its_forms() {
        for (name, value, expected) in [
            ("retry-after", "3", Some(3_000)),
            ("retry-after", "0", Some(0)),
            ("retry-after", "0.5", Some(500)),
            ("retry-after", " 2 ", Some(2_000)),
            ("retry-after", "Sat, 21 Nov 2026 08:00:07 GMT", Some(7_000)),
            ("retry-after", "Sat, 21 Nov 2026 07:00:00 GMT", Some(0)),
            ("retry-after", "6m0s", Some(360_000)),
            ("retry-after", "1795248005", Some(5_000)),
            ("retry-after-ms", "250", Some(250)),
            ("retry-after-ms", "0.5", Some(0)),
            ("x-ratelimit-reset", "12", Some(12_000)),
            ("x-ratelimit-reset", "1795248030", Some(30_000)),
            ("x-ratelimit-reset", "1795248030500", Some(30_500)),
            ("x-ratelimit-reset", "1600000000", Some(0)),
            ("x-ratelimit-reset-requests", "1s", Some(1_000)),
            ("x-ratelimit-reset-requests", "6m0s", Some(360_000)),
            ("x-ratelimit-reset-tokens", "1m30.5s", Some(90_500)),
            ("x-ratelimit-reset-tokens", "20ms", Some(20)),
            ("x-ratelimit-reset-tokens", "1h0m0s", Some(3_600_000)),
            ("anthropic-ratelimit-requests-reset", "2026-11-21T08:00:30Z", Some(30_000)),
            ("anthropic-ratelimit-tokens-reset", "2026-11-21T10:00:00.25+02:00", Some(250)),
            ("anthropic-ratelimit-input-tokens-reset", "2026-11-21T07:59:00Z", Some(0)),
            ("anthropic-ratelimit-output-tokens-reset", "9", Some(9_000)),
            ("retry-after", "soon", None),
            ("retry-after", "", None),
            ("retry-after", "-1", None),
            ("retry-after", "NaN", None),
            ("retry-after", "inf", Some(0)),
            ("retry-after", "1e300", Some(0)),
            ("retry-after", "5x", None),
            ("retry-after", "1.2.3s", None),
            ("x-other", "3", None),
        ] {
            assert_eq!(read(&[(name, value)]), expected, "{name}: {value}");
        }
    }

    #[test]
    fn what_speaks_of_the_request_wins_over_what_speaks_of_a_limit() {
        let reset = ("x-ratelimit-reset-tokens", "50s");
        assert_eq!(read(&[reset, ("retry-after", "3")]), Some(3_000));
        assert_eq!(read(&[reset, ("retry-after", "3"), ("retry-after-ms", "2500")]), Some(2_500));
        assert_eq!(read(&[reset, ("retry-after", "soon")]), Some(50_000));
    }

    #[test]
    fn of_spent_limits_the_one_that_takes_longest_counts_and_others_do_not() {
        let requests = [("x-ratelimit-reset-requests", "6m0s"), ("x-ratelimit-remaining-requests", "59")];
        let tokens = [("x-ratelimit-reset-tokens", "7s"), ("x-ratelimit-remaining-tokens", "0")];
        assert_eq!(read(&[requests, tokens].concat()), Some(7_000));
        assert_eq!(read(&[&requests[..1], &tokens].concat()), Some(360_000));
        assert_eq!(read(&requests), None);
    }
}
