//! Limits, wherever they stand.

use super::Problems;
use crate::document::{Each, Limit, Per};

/// The longest name of a header.
const HEADER_LENGTH_MAX: usize = 64;
/// The most that is counted: whole numbers up to here are exact in every store (2^53 - 1).
const MOST_MAX: u64 = (1 << 53) - 1;

/// Whose limits they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// A route's.
    Route,
    /// A key's that names a team.
    KeyInTeam,
    /// A key's that names none.
    KeyAlone,
}

pub(super) fn check(path: &str, limits: &[Limit], of: Of, problems: &mut Problems) {
    for (index, limit) in limits.iter().enumerate() {
        let path = format!("{path}[{index}]");
        amount(&path, limit, problems);
        window(&path, limit, problems);
        whose(&path, &limit.per, of, problems);
    }
}

fn amount(path: &str, limit: &Limit, problems: &mut Problems) {
    let given = [
        ("requests", limit.requests),
        ("tokens", limit.tokens),
        ("budget", limit.budget.map(|budget| budget.as_micros())),
        ("concurrency", limit.concurrency),
    ];
    if given.iter().filter(|(_, given)| given.is_some()).count() != 1 {
        problems.add(path, "expected exactly one of `requests`, `tokens`, `budget` and `concurrency`");
    }
    for (field, given) in given {
        match given {
            Some(0) => problems.add(format!("{path}.{field}"), "expected more than 0"),
            Some(most) if most > MOST_MAX => {
                problems.add(format!("{path}.{field}"), "expected less than 2^53 (for USD, 2^53 millionths)");
            }
            _ => {}
        }
    }
}

fn window(path: &str, limit: &Limit, problems: &mut Problems) {
    match (limit.window, limit.concurrency) {
        (None, None) => problems.add(path, "expected a `window`"),
        (Some(_), Some(_)) => {
            problems.add(format!("{path}.window"), "`concurrency` counts what runs now: it has no window");
        }
        (Some(window), None) if window.as_milliseconds() == 0 => {
            problems.add(format!("{path}.window"), "expected a window longer than 0");
        }
        _ => {}
    }
    if limit.algorithm.is_some() && limit.concurrency.is_some() {
        problems.add(
            format!("{path}.algorithm"),
            "`concurrency` counts what runs now: it has no window that could move",
        );
    }
}

fn whose(path: &str, per: &Per, of: Of, problems: &mut Problems) {
    match per {
        Per::Each(Each::Team) if of == Of::KeyAlone => {
            problems.add(format!("{path}.per"), "the key names no `team` whose use could be counted");
        }
        Per::Each(_) => {}
        Per::Header(by) => {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            let fits = (1..=HEADER_LENGTH_MAX).contains(&by.header.len());
            if !fits || !by.header.bytes().all(is_plain) {
                let problem =
                    format!("expected a header's name: 1 to {HEADER_LENGTH_MAX} letters, digits, `-` or `_`");
                problems.add(format!("{path}.per.header"), problem);
            }
        }
    }
}
