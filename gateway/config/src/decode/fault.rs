//! What goes wrong while a tree is decoded, as data.
//!
//! serde's own errors are sentences with the value in them; a value may be a secret. This error keeps what kind of
//! thing was wrong and what was expected, and drops the value the moment it is made.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use super::words;
use crate::suggest;
use crate::tree::{Path, Segment};

/// One thing wrong.
#[derive(Debug)]
pub(super) struct Fault {
    /// The steps to it, innermost first: each reader on the way out adds its own.
    trail: Vec<Segment>,
    pub(super) kind: Kind,
}

/// What is wrong.
#[derive(Debug)]
pub(super) enum Kind {
    /// A field nobody knows, and the known one that was probably meant.
    UnknownField { field: String, meant: Option<&'static str>, known: &'static [&'static str] },
    /// A field that must be given.
    MissingField { field: &'static str },
    /// Anything else, in words.
    Other { problem: String },
}

impl Fault {
    fn new(kind: Kind) -> Self {
        Self { trail: Vec::new(), kind }
    }

    fn other(problem: impl Into<String>) -> Self {
        Self::new(Kind::Other { problem: problem.into() })
    }

    /// The same fault, seen from one step further out.
    pub(super) fn below(mut self, segment: Segment) -> Self {
        self.trail.push(segment);
        self
    }

    /// Where it stands.
    pub(super) fn path(&self) -> Path {
        Path(self.trail.iter().rev().cloned().collect())
    }

    /// A part of the wrong shape for a choice between words.
    pub(super) fn not_a_choice(known: &'static [&'static str], found: &str) -> Self {
        Self::other(format!("expected {}, found {found}", words::one_of(known)))
    }
}

impl Kind {
    /// What is wrong, in words.
    pub(super) fn problem(&self) -> String {
        match self {
            Self::UnknownField { meant, known, .. } => {
                let hint = meant.map(|word| format!("; did you mean `{word}`?")).unwrap_or_default();
                if known.is_empty() {
                    return format!("this field is not known{hint}");
                }
                format!("this field is not known: expected {}{hint}", words::one_of(known))
            }
            Self::MissingField { .. } => "this field must be given".to_owned(),
            Self::Other { problem } => problem.clone(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.kind.problem())
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(problem: T) -> Self {
        Self::other(words::sentence(&problem.to_string()))
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = words::expectation(&expected.to_string());
        let scalar = matches!(
            unexpected,
            Unexpected::Bool(_) | Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_)
        );
        let quotes = if scalar && expected == "text" { " (put it in quotes)" } else { "" };
        Self::other(format!("expected {expected}, found {}{quotes}", words::found(&unexpected)))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = words::expectation(&expected.to_string());
        Self::other(format!("expected {expected}, found {} that is not", words::found(&unexpected)))
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::other(format!("expected {}, found {length}", words::expectation(&expected.to_string())))
    }

    fn unknown_variant(word: &str, known: &'static [&'static str]) -> Self {
        let hint = suggest::hint(word, known.iter().copied());
        Self::other(format!("expected {}{hint}", words::one_of(known)))
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        let meant = suggest::nearest(field, known.iter().copied());
        Self::new(Kind::UnknownField { field: field.to_owned(), meant, known })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Kind::MissingField { field })
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::other(format!("`{field}` is given twice"))
    }
}
