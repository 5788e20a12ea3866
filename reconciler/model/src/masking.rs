//! What looks like a secret: the second net below what is marked as one.
//!
//! The one place that decides it, for values of documents and for what people write: titles of commits, reasons, names.
//! What people write is cleaned where it comes in ([`masked`]), so that no place that shows it has to think of it. What
//! is typed is never cleaned: a commit's id, a digest and a plan's SHA-256 stay what they are.

mod address;
mod text;
mod word;

use serde::{Deserialize, Deserializer};

/// Stands for what is not shown.
pub const NOT_SHOWN: &str = "(not shown)";

/// Whether a field of that name probably holds a secret.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    const WORDS: [&str; 14] = [
        "password",
        "passwd",
        "passphrase",
        "secret",
        "apikey",
        "privatekey",
        "accesskey",
        "credential",
        "authorization",
        "authtoken",
        "bearer",
        "connectionstring",
        "clientkey",
        "webhookurl",
    ];
    // A gateway's clock for the first token of a stream.
    if name == "first_token" {
        return false;
    }
    // `token` alone is looked for as a word: `max_tokens` and `tokenizer` are no secrets.
    let lower = name.to_lowercase();
    let is_token = lower.split(|c: char| !c.is_alphanumeric()).any(|word| word == "token" || word == "pat");
    let plain: String = lower.chars().filter(|c| c.is_alphanumeric()).collect();
    is_token || WORDS.iter().any(|word| plain.contains(word))
}

/// Whether a value as a whole has the form of a credential.
#[must_use]
pub fn is_secret_form(text: &str) -> bool {
    let text = text.trim();
    text.contains("-----BEGIN") || word::is_credential(text) || text::is_authorization(text)
}

/// A text in which [`NOT_SHOWN`] stands for everything that looks like a secret.
#[must_use]
pub fn masked(text: &str) -> String {
    masked_as(text, NOT_SHOWN)
}

/// A text in which `mark` stands for everything that looks like a secret.
#[must_use]
pub fn masked_as(text: &str, mark: &str) -> String {
    text::masked(text, mark)
}

/// Reads a text that a person wrote, [`masked`].
///
/// # Errors
/// It is no text.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map(|text| masked(&text))
}

#[cfg(test)]
mod tests;
