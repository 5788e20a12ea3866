//! A request as it goes to a provider: where below its base address, and what it says.

use std::fmt::Write as _;

/// A request for a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Where, below the provider's base address; begins with `/` and is ready for a URL.
    pub path: String,
    /// What it says: JSON.
    pub body: Vec<u8>,
    /// Fields that were left out because the provider has no word for them and the answer is still what was asked.
    pub dropped: Vec<&'static str>,
}

/// Makes a model's name one segment of a path. Names of Amazon are ARNs with `:` and `/`, and are signed in this form.
pub(crate) fn segment(model: &str) -> String {
    let mut segment = String::with_capacity(model.len());
    for byte in model.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            write!(segment, "%{byte:02X}").unwrap_or_default();
        }
    }
    segment
}

#[cfg(test)]
mod tests {
    use super::segment;

    #[test]
    fn a_model_is_one_segment_whatever_it_is_named() {
        assert_eq!(segment("gemini-embedding-001"), "gemini-embedding-001");
        assert_eq!(
            segment("arn:aws:bedrock:us-east-1:1:inference-profile/us.amazon.titan-embed-text-v2:0"),
            "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.amazon.titan-embed-text-v2%3A0"
        );
        assert_eq!(segment("../v1/x?y#z é"), "..%2Fv1%2Fx%3Fy%23z%20%C3%A9");
    }
}
