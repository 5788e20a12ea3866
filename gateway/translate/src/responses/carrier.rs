//! What `encrypted_content` holds of thoughts that are not OpenAI's.
//!
//! `moorline:thinking:SIGNATURE`, whose text is the item's summary, or `moorline:redacted:DATA`. Nothing in it is ours
//! to hide or to vouch for: the provider checks what it has signed.

use crate::chat::Part;

const SIGNED: &str = "moorline:thinking:";
const REDACTED: &str = "moorline:redacted:";

/// What carries a signature.
pub(super) fn signed(signature: &str) -> String {
    format!("{SIGNED}{signature}")
}

/// What carries thoughts that nobody can read.
pub(super) fn redacted(data: &str) -> String {
    format!("{REDACTED}{data}")
}

/// The thoughts that are carried; `None` when they are not ours.
pub(super) fn read(encrypted: &str, text: String) -> Option<Part> {
    if let Some(signature) = encrypted.strip_prefix(SIGNED) {
        return Some(Part::Reasoning { text, signature: Some(signature.to_owned()) });
    }
    encrypted.strip_prefix(REDACTED).map(|data| Part::RedactedReasoning(data.to_owned()))
}
