//! Lengths of time as people say them.

use jiff::Timestamp;

/// How long ago `then` was: its two largest units (`4m 10s`, `2h 5m`, `3d 4h`).
#[must_use]
pub fn age(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(then).as_secs().max(0);
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let Some(first) = units.iter().position(|(size, _)| seconds >= *size) else { return "0s".to_owned() };
    let part = |index: usize, seconds: i64| {
        let (size, unit) = units[index];
        format!("{}{unit}", seconds / size)
    };
    let rest = seconds % units[first].0;
    match units.get(first + 1) {
        Some((size, _)) if rest >= *size => format!("{} {}", part(first, seconds), part(first + 1, rest)),
        _ => part(first, seconds),
    }
}

/// `, for 4m 10s`; nothing for what was only just seen.
#[must_use]
pub fn lasting(since: Timestamp, now: Timestamp) -> String {
    if now.duration_since(since).as_secs() < 1 { String::new() } else { format!(", for {}", age(since, now)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_its_two_largest_units() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let ages = [0, 59, 60, 250, 3_600, 7_530, 100_000, 864_000]
            .map(|seconds| age(now - jiff::SignedDuration::from_secs(seconds), now));
        assert_eq!(ages, ["0s", "59s", "1m", "4m 10s", "1h", "2h 5m", "1d 3h", "10d"]);
    }

    #[test]
    fn what_was_only_just_seen_has_no_age() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        assert_eq!(lasting(now, now), "");
        assert_eq!(lasting(now - jiff::SignedDuration::from_secs(30), now), ", for 30s");
    }

    #[test]
    fn what_lies_ahead_is_no_age() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        assert_eq!(age(now + jiff::SignedDuration::from_secs(5), now), "0s");
    }
}
