//! The rules of a gateway document that its types cannot say.

use crate::Document;

/// A mistake whose line is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Path inside the document, as in [`crate::Mistake::path`].
    pub path: String,
    /// What is wrong and what was expected.
    pub problem: String,
}

/// Lists every rule the document breaks.
#[must_use]
pub fn check(_document: &Document) -> Vec<Problem> {
    Vec::new()
}
