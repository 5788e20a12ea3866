//! A commit as people type it: the first digits, as every line of output shows them.

use std::collections::BTreeSet;
use std::str::FromStr;

use moorline_model::CommitId;
use serde_json::Value;

use super::api::{Api, ApiError};

/// Fewest digits that say something.
const DIGITS_MIN: usize = 4;
/// Lines of history in which a commit is looked for.
const LINES: u32 = 1_000;

/// The first digits of a commit, or all 40.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix(String);

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_hex = text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if is_hex && (DIGITS_MIN..=40).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("`{text}` is no commit: expected its first {DIGITS_MIN} to 40 lower-case hex digits"))
        }
    }
}

impl Prefix {
    /// The whole commit, found in the environment's history.
    pub(super) async fn complete(&self, api: &Api, environment: &str) -> Result<CommitId, ApiError> {
        if let Ok(commit) = self.0.parse() {
            return Ok(commit);
        }
        let history = api.get(&format!("{environment}/history?limit={LINES}")).await?;
        let known = known(&history);
        let mut found = known.iter().filter(|commit| commit.as_str().starts_with(&self.0));
        match (found.next(), found.next()) {
            (Some(commit), None) => Ok(commit.clone()),
            (None, _) => Err(ApiError::Commit(format!(
                "no commit in the history begins with {}: give all 40 digits",
                self.0
            ))),
            _ => Err(ApiError::Commit(format!(
                "more than one commit begins with {}: give more digits",
                self.0
            ))),
        }
    }
}

fn known(history: &Value) -> BTreeSet<CommitId> {
    let events = history.get("events").and_then(Value::as_array).into_iter().flatten();
    events.filter_map(|event| event.get("commit")?.as_str()?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_beginning_of_a_commit_is_refused() {
        for wrong in ["", "abc", "ABCDEF", "main", &"a".repeat(41)] {
            assert!(wrong.parse::<Prefix>().is_err(), "{wrong}");
        }
        assert!("0123abcd".parse::<Prefix>().is_ok());
    }

    #[test]
    fn commits_are_known_from_history() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let history = serde_json::json!({"events": [{"commit": commit}, {"commit": null}, {}]});
        assert_eq!(
            known(&history).into_iter().map(|commit| commit.to_string()).collect::<Vec<_>>(),
            [commit]
        );
    }
}
