//! A commit as people type it: the first digits, as every line of output shows them.

use std::collections::BTreeSet;
use std::str::FromStr;

use moorline_api::Client;
use moorline_api::views::History;
use moorline_model::{CommitId, EnvironmentName};

use super::api::ApiError;

/// Fewest digits that say something.
const DIGITS_MIN: usize = 4;
/// Lines of history in which a commit is looked for.
const LINES: usize = 1_000;

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
    pub(super) async fn complete(
        &self,
        client: &Client,
        environment: &EnvironmentName,
    ) -> Result<CommitId, ApiError> {
        if let Ok(commit) = self.0.parse() {
            return Ok(commit);
        }
        let history = client.history(environment, LINES).await?;
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

fn known(history: &History) -> BTreeSet<CommitId> {
    history.events.iter().filter_map(|line| line.event.commit.clone()).collect()
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
        let line = |seq: u64, commit: Option<&str>| {
            serde_json::json!({
                "seq": seq, "at": "2026-11-21T12:00:00Z", "environment": "prod", "kind": "commit", "message": "m",
                "commit": commit,
            })
        };
        let history = serde_json::json!({"events": [line(1, Some(commit)), line(2, None)], "next": null});
        let history = serde_json::from_value(history).unwrap();
        assert_eq!(
            known(&history).into_iter().map(|commit| commit.to_string()).collect::<Vec<_>>(),
            [commit]
        );
    }
}
