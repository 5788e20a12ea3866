//! Limits, wherever they stand.

use super::Problems;
use crate::document::Limit;

pub(super) fn check(path: &str, limits: &[Limit], problems: &mut Problems) {
    for (index, limit) in limits.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let given = [
            ("requests", limit.requests.map(|requests| requests > 0)),
            ("tokens", limit.tokens.map(|tokens| tokens > 0)),
            ("budget", limit.budget.map(|budget| budget.as_micros() > 0)),
        ];
        if given.iter().filter(|(_, given)| given.is_some()).count() != 1 {
            problems.add(path.as_str(), "expected exactly one of `requests`, `tokens` and `budget`");
        }
        for (field, given) in given {
            if given == Some(false) {
                problems.add(format!("{path}.{field}"), "expected more than 0");
            }
        }
        if limit.window.as_milliseconds() == 0 {
            problems.add(format!("{path}.window"), "expected a window longer than 0");
        }
    }
}
