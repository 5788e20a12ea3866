//! Text to a typed document, every mistake at once.
//!
//! In: layered YAML or JSON sources. Out: the typed document, its plain value, and where each path stands.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::check::Problem;
use crate::{Mistake, Mistakes, layer};

/// A text and the name to report it by.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// File name or URL, for mistakes.
    pub name: &'a str,
    /// The text.
    pub text: &'a str,
}

/// A document that decoded, before its own rules are checked.
#[derive(Debug)]
pub struct Decoded<T> {
    /// The typed document.
    pub document: T,
    /// The layered value it was read from.
    pub value: Value,
    /// The sources' name, for mistakes.
    file: String,
}

impl<T> Decoded<T> {
    /// Gives each problem its file, line and column.
    #[must_use]
    pub fn locate(&self, problems: Vec<Problem>) -> Mistakes {
        Mistakes(problems.into_iter().map(|p| Mistake { file: self.file.clone(), line: 0, column: 0, path: p.path, problem: p.problem }).collect())
    }
}

/// Decodes layered sources into a document type, reporting every mistake.
///
/// # Errors
/// Syntax errors, unknown fields, wrong types and missing fields, each with its place.
pub fn decode<T: DeserializeOwned>(sources: &[Source<'_>]) -> Result<Decoded<T>, Mistakes> {
    let mut value = Value::Null;
    for s in sources {
        value = layer(value, serde_json::from_str(s.text).map_err(|e| Mistakes(vec![Mistake{file: s.name.into(), line: 0, column: 0, path: String::new(), problem: e.to_string()}]))?);
    }
    let document = serde_json::from_value(value.clone()).map_err(|e| Mistakes(vec![Mistake{file: String::new(), line: 0, column: 0, path: String::new(), problem: e.to_string()}]))?;
    Ok(Decoded { document, value, file: sources.first().map(|s| s.name.to_owned()).unwrap_or_default() })
}
