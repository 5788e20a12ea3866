//! What was logged already. A cycle finds the same mistake again and again; the log names it once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// Things that are remembered; with more, all are forgotten, and logged again at most once.
const REMEMBERED_MAX: usize = 1024;

/// What was logged last, by what it was about.
#[derive(Debug, Default)]
pub struct LogOnce {
    known: Mutex<BTreeMap<String, String>>,
}

impl LogOnce {
    /// Whether this is not what was logged of this thing last.
    pub fn is_new(&self, about: &str, text: &str) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.get(about).is_some_and(|last| last == text) {
            return false;
        }
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert(about.to_owned(), text.to_owned());
        true
    }

    /// Of the things whose name begins like this only some are left: the others are news when they come again.
    pub fn retain(&self, begins: &str, left: &BTreeSet<String>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|about, _| !about.starts_with(begins) || left.contains(about));
    }

    /// What was logged last of a thing.
    #[must_use]
    pub fn last(&self, about: &str) -> Option<String> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(about).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_said_once_and_something_else_again() {
        let log_once = LogOnce::default();
        let told: Vec<_> =
            [("prod c1", "a"), ("prod c1", "a"), ("dev c1", "a"), ("prod c1", "b"), ("prod c1", "b")]
                .into_iter()
                .map(|(about, text)| log_once.is_new(about, text))
                .collect();
        assert_eq!(told, [true, false, true, true, false]);
    }
}
