//! What was tried for a request without success, and what that leaves to try.

use std::fmt;

use moorline_translate::faults::Class;

use super::Failure;
use crate::data::answer::Answer;
use crate::health::{Reason, Unavailable};
use crate::routing::Target;

/// What was tried without success.
#[derive(Default)]
pub(super) struct Tried {
    /// How the last attempt failed.
    failure: Option<Failure>,
    /// Of the targets that were not asked at all, the one that may be asked soonest.
    closed: Option<Unavailable>,
    /// What could not hold the request, and what was said about it.
    too_long: Option<TooLong>,
}

/// A request is longer than a target can hold. Nothing is wrong with the target.
pub(in crate::data) struct TooLong {
    /// What it can hold; 0 when that is not declared.
    window: u64,
    /// Its words, for the caller when nobody holds more.
    answer: Box<Answer>,
}

impl fmt::Debug for TooLong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the answer: it may hold parts of the prompt.
        formatter.debug_struct("TooLong").field("window", &self.window).finish_non_exhaustive()
    }
}

impl TooLong {
    /// Tells such an answer from others.
    pub(super) fn told(answer: Answer, target: &Target) -> Result<Answer, Self> {
        if answer.class == Class::ContextLength {
            Err(Self { window: target.context_window.unwrap_or(0), answer: Box::new(answer) })
        } else {
            Ok(answer)
        }
    }
}

impl Tried {
    /// Whether a target may still be tried: after one that could not hold the request, only one that holds more.
    pub(super) fn leaves(&self, target: &Target) -> bool {
        self.too_long.as_ref().is_none_or(|too_long| target.context_window > Some(too_long.window))
    }

    pub(super) fn note(&mut self, failure: Failure) {
        match failure {
            Failure::Unavailable(unavailable) => {
                self.closed = Some(self.closed.map_or(unavailable, |other| sooner(other, unavailable)));
            }
            Failure::TooLong(too_long) => self.too_long = Some(too_long),
            failure => self.failure = Some(failure),
        }
    }

    /// What is left when nothing is left to try.
    pub(super) fn end(self) -> Result<Answer, Failure> {
        match (self.too_long, self.failure, self.closed) {
            // A fault of the caller's own, whatever else failed after it.
            (Some(too_long), _, _) => Ok(*too_long.answer),
            (None, Some(failure), _) => Err(failure),
            (None, None, Some(closed)) => Err(Failure::Unavailable(closed)),
            (None, None, None) => Err(Failure::NoTarget),
        }
    }
}

/// Of two targets that are not asked now: the shorter wait, and "limited" only when both are.
fn sooner(one: Unavailable, other: Unavailable) -> Unavailable {
    let reason = if one.reason == Reason::Broken { Reason::Broken } else { other.reason };
    Unavailable { wait: one.wait.min(other.wait), reason }
}
