//! Whose proof a signature is.
//!
//! Providers sign thoughts and refuse a conversation with a signature that is not theirs. A conversation may come to
//! another provider than the one that answered its last turn, after a fallback or because the caller changed the
//! model. So what Gemini signs is marked on its way to the caller, and whoever writes a request takes the signatures
//! that its provider can know. Claude's are the same at Anthropic and on Bedrock, and stay as they are, so that a caller
//! may carry them past us.

const GEMINI: &str = "gemini:";

/// A signature of Gemini's, as callers get it.
pub(crate) fn from_gemini(signature: &str) -> String {
    format!("{GEMINI}{signature}")
}

/// The signature as Gemini gave it, when it is one of its own.
pub(crate) fn for_gemini(signature: &str) -> Option<&str> {
    signature.strip_prefix(GEMINI)
}

/// The signature, when Claude may have given it.
pub(crate) fn for_claude(signature: &str) -> Option<&str> {
    (!signature.is_empty() && !signature.starts_with(GEMINI)).then_some(signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_goes_back_to_who_gave_it_only() {
        let signed = from_gemini("CiQB");
        assert_eq!(for_gemini(&signed), Some("CiQB"));
        assert_eq!(for_claude(&signed), None);
        assert_eq!(for_gemini("EqQB"), None);
        assert_eq!(for_claude("EqQB"), Some("EqQB"));
        assert_eq!(for_claude(""), None);
    }
}
