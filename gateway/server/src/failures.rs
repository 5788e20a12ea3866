//! The last requests that did not end well and had asked to be explained, for the admin API.
//!
//! In: a failure, when its request ends. Out: the same, by the request's id. Bounded: who sends many loses the oldest,
//! and nothing but that. Requests that do not ask are never here, so that an outage costs them nothing.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use moorline_admin::Failure;

/// The most failures kept.
const KEPT_MAX: usize = 256;

/// The last failures.
#[derive(Debug, Default)]
pub struct Failures(Mutex<VecDeque<Failure>>);

impl Failures {
    /// Keeps one.
    pub fn note(&self, failure: Failure) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back(failure);
    }

    /// The newest of the request with this id.
    #[must_use]
    pub fn of(&self, request: &str) -> Option<Failure> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().rev().find(|failure| failure.request == request).cloned()
    }
}

#[cfg(test)]
mod tests {
    use moorline_admin::ErrorKind;

    use super::*;

    #[test]
    fn the_oldest_make_room() {
        let failures = Failures::default();
        let failure = |request: String| Failure {
            request,
            status: 502,
            kind: ErrorKind::UpstreamFailed,
            message: None,
            targets: Vec::new(),
        };
        (0..=KEPT_MAX).for_each(|number| failures.note(failure(number.to_string())));
        assert_eq!(failures.of("0"), None);
        assert_eq!(failures.of("1").unwrap().request, "1");
        assert_eq!(failures.of(&KEPT_MAX.to_string()).unwrap().request, KEPT_MAX.to_string());
    }
}
