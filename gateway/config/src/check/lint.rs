//! What a gateway would take, and nobody can mean: hashes that stand for no key.
//!
//! Apart from the rules, because a gateway that has such a document already goes on serving it.

use sha2::{Digest as _, Sha256};

use super::Problem;
use crate::Document;

/// The longest piece that, repeated, makes a placeholder (`0`, `deadbeef`, `0123456789abcdef`).
const PIECE_MAX: usize = 16;
/// What no key may be: what a variable that was not set leaves, and what people write until they have a key.
const GUESSED: [&str; 12] = [
    "",
    "\n",
    "key",
    "test",
    "secret",
    "token",
    "changeme",
    "password",
    "example",
    "sk-test",
    "my-key",
    "placeholder",
];

/// Lists what nobody can mean.
#[must_use]
pub fn lint(document: &Document) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, key) in document.keys.iter().enumerate() {
        let previous = key.previous.as_ref().map(|previous| ("previous.sha256", &previous.sha256));
        for (field, hash) in [("sha256", &key.sha256)].into_iter().chain(previous) {
            if let Some(problem) = no_key(hash) {
                problems.push(Problem { path: format!("keys[{index}].{field}"), problem });
            }
        }
    }
    problems
}

/// Why a hash is no key's.
fn no_key(hash: &str) -> Option<String> {
    let is_repeated = |piece: usize| {
        let mut pieces = hash.as_bytes().chunks(piece);
        let first = pieces.next();
        pieces.all(|next| Some(next) == first)
    };
    if hash.len() == 64 && (1..=PIECE_MAX).any(is_repeated) {
        let how = "make a key with `openssl rand -hex 24`, and declare what `printf %s \"$KEY\" | sha256sum` prints";
        return Some(format!("a placeholder, which no key has: {how}"));
    }
    let guessed = GUESSED.iter().find(|guess| hex::encode(Sha256::digest(guess)) == *hash)?;
    Some(match guessed.trim() {
        "" => "the SHA-256 of no text at all: the variable that was to be hashed was not set".to_owned(),
        guess => format!("the SHA-256 of `{guess}`, which anybody can guess"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_that_stand_for_no_key_are_told_from_those_that_do() {
        let of = |text: &str| hex::encode(Sha256::digest(text));
        let told = |hash: &str| no_key(hash).unwrap_or_default();
        for placeholder in
            ["0".repeat(64), "ab".repeat(32), "deadbeef".repeat(8), "0123456789abcdef".repeat(4)]
        {
            assert!(told(&placeholder).contains("placeholder"), "{placeholder}");
        }
        assert!(told(&of("")).contains("was not set") && told(&of("\n")).contains("was not set"));
        assert!(told(&of("changeme")).contains("anybody can guess"));
        assert_eq!(told(&of("mk-5f0c1d2e")), "");
    }
}
