//! What one document changes in another, as people say it.
//!
//! In: two documents, and nothing but them. Out: [`Changes`]: a sentence, and the fields with their values, masked where
//! that is due. [`walk`] finds what differs, with elements of lists matched by what they are called, so that a route that
//! was moved or put in front is not twenty changes; [`words`] names it; [`sentence`] says it.

mod limit;
mod sentence;
mod walk;
mod words;

use moorline_model::changes::Changes;
use moorline_model::config::Digest;
use serde_json::{Value, json};

use self::words::Worded;

/// Most fields that are kept one by one; the others are counted.
const FIELDS_MAX: usize = 40;

/// What changes on the way from one document to another. `before` is absent where nothing is in force yet; `digest` is
/// the identity of `after`.
///
/// Empty exactly when both documents have the same identity.
#[must_use]
pub fn changes(before: Option<&Value>, after: &Value, digest: Digest) -> Changes {
    let nothing = json!({});
    let mut worded: Vec<Worded> =
        walk::differences(before.unwrap_or(&nothing), after).into_iter().map(words::word).collect();
    let same = before.is_some_and(|before| Digest::of(before) == digest);
    if worded.is_empty() && !same {
        worded.push(Worded::in_writing());
    }
    let sentence = match (before, same) {
        (_, true) => "the document stays as it is".to_owned(),
        (None, _) => sentence::first(&worded),
        (Some(_), _) => sentence::sentence(&worded),
    };
    // Of a first document its parts; that it has a version goes without saying.
    if before.is_none() && worded.iter().any(Worded::is_named) {
        worded.retain(Worded::is_named);
    }
    let more = worded.len().saturating_sub(FIELDS_MAX);
    let fields = worded.into_iter().take(FIELDS_MAX).map(Worded::into_field).collect();
    Changes { document: digest, sentence, fields, more }
}

#[cfg(test)]
mod tests;
