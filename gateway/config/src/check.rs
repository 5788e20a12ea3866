//! The rules of a gateway document that its types cannot say.
//!
//! In: a document whose shape is right. Out: every rule it breaks, each with its path. One file a part of the
//! document.

mod address;
mod guardrails;
mod jwt;
mod keys;
mod limits;
mod lint;
mod models;
mod providers;
mod resilience;
mod routes;
mod stores;
mod text;

pub use lint::lint;

use crate::{Document, ModelName, suggest};

/// Most problems listed; a document with more is generated, and its generator wrong.
const PROBLEMS_MAX: usize = 200;
/// Most declared names a misspelt one is compared with.
const COMPARED_MAX: usize = 500;

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
pub fn check(document: &Document) -> Vec<Problem> {
    let mut problems = Problems::default();
    address::check(document, &mut problems);
    providers::check(document, &mut problems);
    models::check(document, &mut problems);
    routes::check(document, &mut problems);
    keys::check(document, &mut problems);
    guardrails::check(document, &mut problems);
    jwt::check(document, &mut problems);
    stores::check(document, &mut problems);
    text::check(document, &mut problems);
    problems.0
}

/// The problems found so far, up to a number.
#[derive(Debug, Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, path: impl Into<String>, problem: impl Into<String>) {
        if !self.full() {
            self.0.push(Problem { path: path.into(), problem: problem.into() });
        }
    }

    fn full(&self) -> bool {
        self.0.len() >= PROBLEMS_MAX
    }

    /// A name that must be one of those declared.
    fn declared<'names>(
        &mut self,
        path: String,
        kind: &str,
        name: &str,
        is_declared: bool,
        names: impl Iterator<Item = &'names str>,
    ) {
        if is_declared || self.full() {
            return;
        }
        let hint = suggest::hint(name, names.take(COMPARED_MAX));
        self.add(path, format!("no {kind} `{name}` is declared{hint}"));
    }

    /// A list of models, each declared, none twice.
    fn models(&mut self, document: &Document, path: &str, models: &[ModelName]) {
        let mut seen = std::collections::BTreeSet::new();
        for (index, name) in models.iter().enumerate() {
            let path = format!("{path}[{index}]");
            if !seen.insert(name) {
                self.add(path, format!("`{name}` is named twice"));
                continue;
            }
            self.model(document, path, name);
        }
    }

    /// A model that must be declared.
    fn model(&mut self, document: &Document, path: String, name: &ModelName) {
        let names = document.models.keys().map(ModelName::as_str);
        self.declared(path, "model", name.as_str(), document.models.contains_key(name), names);
    }
}

#[cfg(test)]
mod tests;
