//! Errors of the admin and the daemon's HTTP APIs: RFC 9457 problem details.

use moorline_config::Mistake;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// A problem: what went wrong, in words for people and a `type` for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// `urn:moorline:problem:` and a word: `unauthorized`, `not-found`, `invalid-document`, `precondition-failed`,
    /// `owned-by-another`, `no-candidate`, `too-large`, `malformed`, `unavailable`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same in a few words.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What happened here and what to do next.
    pub detail: String,
    /// The mistakes of an invalid document.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mistakes: Vec<Mistake>,
}

impl Problem {
    /// A problem of the given kind (the word after `urn:moorline:problem:`).
    #[must_use]
    pub fn new(status: u16, kind: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:moorline:problem:{kind}"),
            title: title.to_owned(),
            status,
            detail: detail.into(),
            mistakes: Vec::new(),
        }
    }

    /// Whether the problem is of the given kind.
    #[must_use]
    pub fn is(&self, kind: &str) -> bool {
        self.kind.strip_prefix("urn:moorline:problem:") == Some(kind)
    }
}
