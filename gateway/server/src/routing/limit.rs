//! Declared limits, and the identity by which their counters outlive the document.

use std::sync::{Arc, OnceLock};

use moorline_config::document::{self, Per};
use moorline_config::{Duration, KeyName};

use super::KeyIndex;
use crate::limits::{Counter, Limits};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Requests.
    Requests,
    /// Tokens, in and out together.
    Tokens,
    /// Millionths of a US dollar.
    Budget,
}

impl Kind {
    /// The kind for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::Budget => "budget",
        }
    }
}

/// Whose use is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Everybody on a route.
    Route {
        /// The route's path as declared.
        path: String,
    },
    /// One key on a route.
    RouteKey {
        /// The route's path as declared.
        path: String,
        /// The key.
        key: KeyName,
    },
    /// One key on all routes.
    Key {
        /// The key.
        key: KeyName,
    },
}

/// A counter's identity: what is left when a document changes a limit's number, so that a changed limit goes on
/// counting where it was.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LimitId {
    /// Whose use.
    pub scope: Scope,
    /// Of what.
    pub kind: Kind,
    /// Length of the window.
    pub window: Duration,
}

/// One declared limit.
#[derive(Debug)]
pub struct Limit {
    /// What is counted.
    pub kind: Kind,
    /// The most in a window.
    pub most: u64,
    /// Length of the window.
    pub window: Duration,
    /// One for everybody, or one for each key.
    slots: Box<[Slot]>,
}

#[derive(Debug)]
struct Slot {
    scope: Scope,
    counter: OnceLock<Arc<Counter>>,
}

impl Limit {
    /// Compiles limits. Of two that would share a counter the smaller counts: one request must not count twice.
    pub(super) fn compile_all(limits: &[document::Limit], scopes: impl Fn(Per) -> Vec<Scope>) -> Vec<Self> {
        let mut compiled: Vec<(Per, Self)> = Vec::new();
        for limit in limits {
            let (kind, most) = match (limit.requests, limit.tokens, limit.budget) {
                (Some(requests), _, _) => (Kind::Requests, requests),
                (_, Some(tokens), _) => (Kind::Tokens, tokens),
                (_, _, Some(budget)) => (Kind::Budget, budget.as_micros()),
                (None, None, None) => continue,
            };
            let same = compiled
                .iter_mut()
                .find(|(per, other)| (*per, other.kind, other.window) == (limit.per, kind, limit.window));
            if let Some((_, same)) = same {
                same.most = same.most.min(most);
                continue;
            }
            let slots =
                scopes(limit.per).into_iter().map(|scope| Slot { scope, counter: OnceLock::new() }).collect();
            compiled.push((limit.per, Self { kind, most, window: limit.window, slots }));
        }
        compiled.into_iter().map(|(_, limit)| limit).collect()
    }

    /// The counter for a key, and whose use it counts.
    pub fn counter(&self, key: KeyIndex, limits: &Limits) -> Option<(&Scope, &Arc<Counter>)> {
        let slot = if self.slots.len() == 1 { self.slots.first() } else { self.slots.get(key.0) }?;
        let counter = slot.counter.get_or_init(|| {
            limits.counter(&LimitId { scope: slot.scope.clone(), kind: self.kind, window: self.window })
        });
        Some((&slot.scope, counter))
    }
}
