//! Regular expressions that people declare: linear in time, bounded in size, compiled in one place so that what is
//! checked is what serves.

use regex::{Regex, RegexBuilder};

/// The longest pattern.
pub const PATTERN_BYTES_MAX: usize = 1_024;
/// The most memory one takes when compiled.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// Says why a text is no pattern that could be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPattern {
    /// It is longer than [`PATTERN_BYTES_MAX`].
    #[error("expected a regular expression of at most {PATTERN_BYTES_MAX} bytes")]
    TooLong,
    /// It is none, or too large when compiled.
    #[error("expected a regular expression: {0}")]
    Malformed(String),
    /// It matches everything.
    #[error(
        "expected a regular expression that does not match the empty text: this one would be found everywhere"
    )]
    Empty,
}

/// Compiles a pattern.
///
/// # Errors
/// [`InvalidPattern`] says why it cannot be used.
pub fn compile(pattern: &str) -> Result<Regex, InvalidPattern> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(InvalidPattern::TooLong);
    }
    let built =
        RegexBuilder::new(pattern).size_limit(COMPILED_BYTES_MAX).dfa_size_limit(COMPILED_BYTES_MAX).build();
    let regex = built.map_err(|error| {
        // The last line says what is wrong; those before draw it.
        let told = error.to_string();
        let last = told.lines().last().unwrap_or_default();
        InvalidPattern::Malformed(last.trim_start_matches("error: ").to_owned())
    })?;
    if regex.is_match("") { Err(InvalidPattern::Empty) } else { Ok(regex) }
}
