//! What Terraform says when something is wrong, with known secrets taken out.
//!
//! Snippets of code are dropped; they may hold literals. The detail is kept, shortened, because it is often the only
//! place that names the real cause.

use std::fmt;

use serde::Deserialize;

use crate::error::LockHolder;
use crate::redact::Known;

/// Most characters of a detail that are kept.
const DETAIL_CHARACTERS_MAX: usize = 600;
/// Most characters of a summary that are kept.
const SUMMARY_CHARACTERS_MAX: usize = 300;

/// An error or a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it is an error.
    pub severity: Severity,
    /// One line.
    pub summary: String,
    /// More, when there is more.
    pub detail: Option<String>,
    /// Where in the code: `main.tf:2`.
    pub location: Option<String>,
    /// The resource it is about.
    pub address: Option<String>,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The command failed for it.
    Error,
    /// It did not.
    Warning,
}

/// A diagnostic as Terraform writes it.
#[derive(Debug, Deserialize)]
pub(crate) struct RawDiagnostic {
    #[serde(default)]
    severity: String,
    #[serde(default)]
    summary: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    address: Option<String>,
    #[serde(default)]
    range: Option<RawRange>,
}

#[derive(Debug, Deserialize)]
struct RawRange {
    filename: String,
    start: RawPosition,
}

#[derive(Debug, Deserialize)]
struct RawPosition {
    line: u64,
}

impl Diagnostic {
    pub(crate) fn read(raw: &RawDiagnostic, known: &Known) -> Self {
        let clean = |text: &str, most: usize| known.text(&shorten(text, most));
        Self {
            severity: if raw.severity == "warning" { Severity::Warning } else { Severity::Error },
            summary: clean(&known.text(&raw.summary), SUMMARY_CHARACTERS_MAX),
            // Scrubbed before it is cut as well: a cut through a secret would hide it from the second pass.
            detail: (!raw.detail.is_empty()).then(|| clean(&known.text(&raw.detail), DETAIL_CHARACTERS_MAX)),
            location: raw
                .range
                .as_ref()
                .map(|range| known.text(&format!("{}:{}", printable(&range.filename), range.start.line))),
            address: raw.address.as_deref().map(|address| known.text(&printable(address))),
        }
    }

    /// Reads the errors out of text for people, for the commands that have no JSON.
    pub(crate) fn read_text(text: &str, known: &Known) -> Vec<Self> {
        let text = known.text(text);
        let lines: Vec<&str> =
            text.lines().map(|line| line.trim_start_matches(['│', '╷', '╵', ' ']).trim_end()).collect();
        let starts: Vec<usize> = (0..lines.len()).filter(|&at| lines[at].starts_with("Error: ")).collect();
        if starts.is_empty() {
            let rest = shorten(text.trim(), DETAIL_CHARACTERS_MAX);
            return (!rest.is_empty()).then(|| Self::plain(rest, None, None)).into_iter().collect();
        }
        let ends = starts.iter().skip(1).copied().chain([lines.len()]);
        starts
            .iter()
            .zip(ends)
            .map(|(&start, end)| {
                let summary = shorten(&lines[start]["Error: ".len()..], SUMMARY_CHARACTERS_MAX);
                let location = lines[start + 1..end].iter().find_map(|line| text_location(line));
                let detail = lines[start + 1..end].join("\n");
                Self::plain(summary, Some(shorten(detail.trim(), DETAIL_CHARACTERS_MAX)), location)
            })
            .collect()
    }

    fn plain(summary: String, detail: Option<String>, location: Option<String>) -> Self {
        let detail = detail.filter(|detail| !detail.is_empty());
        Self { severity: Severity::Error, summary, detail, location, address: None }
    }

    /// Whether it is of the kind that passes by itself: a lock, the network, a throttled API.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        const SIGNS: [&str; 22] = [
            "error acquiring the state lock",
            "timeout",
            "timed out",
            "deadline exceeded",
            "connection refused",
            "connection reset",
            "no such host",
            "temporary failure in name resolution",
            "network is unreachable",
            "no route to host",
            "unexpected eof",
            "tls handshake",
            "too many requests",
            "throttl",
            "rate exceeded",
            "requestlimitexceeded",
            "slow down",
            "service unavailable",
            "bad gateway",
            "internal server error",
            "could not connect to",
            "failed to request discovery document",
        ];
        let holds = |text: &str| {
            let text = text.to_lowercase();
            SIGNS.iter().any(|sign| text.contains(sign))
        };
        self.severity == Severity::Error
            && (holds(&self.summary) || self.detail.as_deref().is_some_and(holds))
    }

    /// The holder of the lock, if it is about a lock that another holds.
    #[must_use]
    pub fn lock_holder(&self) -> Option<LockHolder> {
        if self.summary != "Error acquiring the state lock" {
            return None;
        }
        let detail = self.detail.as_deref().unwrap_or_default();
        let field = |name: &str| {
            detail
                .lines()
                .find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'))
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
        };
        Some(LockHolder {
            id: field("ID"),
            who: field("Who"),
            operation: field("Operation")
                .map(|operation| operation.trim_start_matches("OperationType").to_lowercase()),
            created: field("Created"),
        })
    }

    /// Whether Terraform wants `init` to run first: what it installed or wrote is gone, or is not what the code asks
    /// for.
    pub(crate) fn asks_for_init(&self) -> bool {
        const SIGNS: [&str; 4] = [
            "nitialization required",
            "Module not installed",
            "Required plugins are not installed",
            "Inconsistent dependency lock file",
        ];
        SIGNS.iter().any(|sign| self.summary.contains(sign))
    }

    /// Whether Terraform refused a saved plan because the state moved on.
    #[must_use]
    pub fn is_stale_plan(&self) -> bool {
        self.summary.starts_with("Saved plan is stale")
            || self.summary.starts_with("Saved plan does not match the given state")
            || self.summary.contains("different state lineage")
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = &self.location {
            write!(formatter, "{location}: ")?;
        }
        write!(formatter, "{}", self.summary)?;
        if let Some(address) = &self.address {
            write!(formatter, " ({address})")?;
        }
        if let Some(detail) = &self.detail {
            write!(formatter, ": {}", detail.split_whitespace().collect::<Vec<_>>().join(" "))?;
        }
        Ok(())
    }
}

/// `on main.tf line 2, in resource "a" "b":`
fn text_location(line: &str) -> Option<String> {
    let (file, rest) = line.trim().strip_prefix("on ")?.split_once(" line ")?;
    let line: String = rest.chars().take_while(char::is_ascii_digit).collect();
    (!line.is_empty()).then(|| format!("{}:{line}", printable(file)))
}

/// Cuts a text, and takes out what could move a terminal's cursor.
pub(crate) fn shorten(text: &str, characters_max: usize) -> String {
    let text = printable(text);
    match text.char_indices().nth(characters_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn printable(text: &str) -> String {
    let is_mark =
        |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
    text.chars().filter(|&c| c == '\n' || (!c.is_control() && !is_mark(c))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_for_people_keeps_its_place_in_the_code() {
        let text = "╷\n│ Error: Invalid reference\n│ \n│   on main.tf line 2, in resource \"a\" \"b\":\n│    2:   input = x\n╵\n";
        let found = Diagnostic::read_text(text, &Known::default());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].summary, "Invalid reference");
        assert_eq!(found[0].location.as_deref(), Some("main.tf:2"));
    }

    #[test]
    fn the_holder_of_a_lock_is_read_from_the_detail() {
        let raw = RawDiagnostic {
            severity: "error".to_owned(),
            summary: "Error acquiring the state lock".to_owned(),
            detail: "Error message: resource temporarily unavailable\nLock Info:\n  ID:        883a\n  Operation: OperationTypeApply\n  Who:       root@vm\n  Created:   2026-11-21".to_owned(),
            address: None,
            range: None,
        };
        let holder = Diagnostic::read(&raw, &Known::default()).lock_holder().unwrap();
        assert_eq!(holder.to_string(), "root@vm for apply since 2026-11-21 (lock 883a)");
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(shorten("a\u{1b}[31mb\u{202e}c", 10), "a[31mbc");
    }
}
