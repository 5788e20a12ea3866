//! Why something could not be checked or done, and whether trying again helps. What is tried again, and who is asked to act,
//! follows from the class and never from the sentence.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether trying again helps. In order of what it takes to go on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "class", rename_all = "snake_case")]
pub enum FailureClass {
    /// It may go better by itself, and is tried again: a network, a deadline, a service that starts.
    Transient,
    /// Somebody else must finish first; then it goes on by itself.
    Waiting {
        /// Who or what.
        on: String,
    },
    /// A person must put something right: a mistake, a missing variable, a refused token. It is looked at again, but
    /// trying harder does not help.
    Stalled,
}

impl FailureClass {
    /// Whether it may pass without a person.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        match self {
            Self::Transient | Self::Waiting { .. } => true,
            Self::Stalled => false,
        }
    }
}

/// Why something could not be checked or done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{because}")]
pub struct CheckFailed {
    /// Whether trying again helps.
    pub class: FailureClass,
    /// Why, for people, with its causes. No secret is in it.
    pub because: String,
}

impl CheckFailed {
    /// One of this class.
    #[must_use]
    pub fn new(class: FailureClass, because: impl Into<String>) -> Self {
        Self { class, because: because.into() }
    }

    /// One that may go better by itself.
    #[must_use]
    pub fn transient(because: impl Into<String>) -> Self {
        Self::new(FailureClass::Transient, because)
    }

    /// One that needs a person.
    #[must_use]
    pub fn stalled(because: impl Into<String>) -> Self {
        Self::new(FailureClass::Stalled, because)
    }

    /// The same with these words before its own.
    #[must_use]
    pub fn after(self, words: &str) -> Self {
        Self { because: format!("{words}{}", self.because), ..self }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_needs_a_person_does_not_pass_by_itself_and_outweighs_the_others() {
        let waiting = FailureClass::Waiting { on: "ann".to_owned() };
        let classes = [FailureClass::Transient, waiting, FailureClass::Stalled];
        assert_eq!(classes.each_ref().map(FailureClass::may_pass), [true, true, false]);
        assert!(classes.is_sorted());
        let json = classes.map(|class| serde_json::to_value(class).unwrap());
        let expected = [
            json!({"class": "transient"}),
            json!({"class": "waiting", "on": "ann"}),
            json!({"class": "stalled"}),
        ];
        assert_eq!(json, expected);
    }
}
