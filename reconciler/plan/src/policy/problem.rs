//! Why policies could not be evaluated.

use moorline_model::masking;

/// Why policies could not be evaluated. Each of these refuses the change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A file does not compile.
    #[error("{file}:{line}: {problem}")]
    Compile {
        file: String,
        /// The line, from 1; 0 when unknown.
        line: u32,
        /// What is wrong.
        problem: String,
    },
    /// A file is too large.
    #[error("{file}: a policy file is at most {bytes_max} bytes")]
    TooLarge { file: String, bytes_max: usize },
    /// A file is in a package that nobody asks, so that its rules would never deny.
    #[error("{file}: package `{package}` is never asked: expected a package under `moorline`")]
    Package { file: String, package: String },
    /// The input could not be handed over.
    #[error("the policies' input could not be read: {problem}")]
    Input {
        /// What is wrong.
        problem: String,
    },
    /// A rule could not be evaluated.
    #[error("{rule} could not be evaluated: {problem}")]
    Evaluation {
        rule: String,
        /// What is wrong.
        problem: String,
    },
    /// A rule did not answer with a set of texts.
    #[error("{rule} must be a set of messages: expected `deny contains message if {{ … }}`")]
    Answer { rule: String },
}

impl PolicyError {
    /// Reads file, line and message out of what the engine says:
    /// a line `--> FILE:LINE:COLUMN`, the source, and last `error: MESSAGE`.
    pub(super) fn compile(file: &str, error: &dyn std::fmt::Display) -> Self {
        let text = error.to_string();
        let place = text.lines().find_map(|line| line.trim().strip_prefix("--> "));
        let mut parts = place.unwrap_or_default().rsplitn(3, ':');
        let (_column, line, named) = (parts.next(), parts.next(), parts.next());
        Self::Compile {
            file: named.unwrap_or(file).to_owned(),
            line: line.and_then(|line| line.parse().ok()).unwrap_or(0),
            problem: last_line(&text),
        }
    }
}

/// The engine's own sentence, without the picture of the source around it.
pub(super) fn last_line(text: &str) -> String {
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("unknown");
    masking::masked(line.strip_prefix("error: ").unwrap_or(line))
}
