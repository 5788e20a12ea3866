//! What guardrails came to, over the life of the process.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use moorline_config::GuardrailName;

/// Most names kept of documents that are gone; further ones are counted together.
const NAMES_MAX: usize = 1_024;
/// Stands for those.
const OTHER: &str = "other";

/// What is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// What a caller sent.
    Request,
    /// What a model answered.
    Response,
}

/// What it came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing was found.
    Passed,
    /// Something was found, and let pass.
    Monitored,
    /// Something was found, or it could not be read, and was stopped.
    Blocked,
    /// Its service said nothing that counts, and it was let pass.
    UnavailableAllowed,
    /// Its service said nothing that counts, and it was stopped.
    UnavailableBlocked,
}

impl Stage {
    /// The stage as a label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
        }
    }
}

const STAGES: [(Stage, &str); 2] = [(Stage::Request, "request"), (Stage::Response, "response")];
const ACTIONS: [(Action, &str); 5] = [
    (Action::Passed, "passed"),
    (Action::Monitored, "monitored"),
    (Action::Blocked, "blocked"),
    (Action::UnavailableAllowed, "unavailable_allowed"),
    (Action::UnavailableBlocked, "unavailable_blocked"),
];

/// Every stage and action, as labels.
pub fn labels() -> impl Iterator<Item = (&'static str, &'static str)> {
    STAGES.iter().flat_map(|(_, stage)| ACTIONS.iter().map(|(_, action)| (*stage, *action)))
}

/// The counts of one guardrail.
#[derive(Debug, Default)]
pub struct Tally([[AtomicU64; ACTIONS.len()]; STAGES.len()]);

/// The counts of all guardrails of this process.
#[derive(Debug, Default)]
pub struct Tallies(Mutex<BTreeMap<String, Arc<Tally>>>);

impl Tally {
    pub(super) fn count(&self, stage: Stage, action: Action) {
        if let Some(count) = self.0.get(stage as usize).and_then(|stage| stage.get(action as usize)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Tallies {
    /// The counts of a guardrail, made when it is asked for first.
    pub(super) fn tally(&self, name: &GuardrailName) -> Arc<Tally> {
        let mut tallies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = tallies.contains_key(name.as_str()) || tallies.len() < NAMES_MAX;
        let name = if is_known { name.as_str() } else { OTHER };
        Arc::clone(tallies.entry(name.to_owned()).or_default())
    }

    /// Every count: name, stage, action and number.
    #[must_use]
    pub fn all(&self) -> Vec<(String, &'static str, &'static str, u64)> {
        let tallies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |(name, tally): (&String, &Arc<Tally>)| -> Vec<_> {
            STAGES
                .iter()
                .zip(&tally.0)
                .flat_map(|((_, stage), counts)| {
                    ACTIONS.iter().zip(counts).map(move |((_, action), count)| (*stage, *action, count))
                })
                .map(|(stage, action, count)| (name.clone(), stage, action, count.load(Ordering::Relaxed)))
                .filter(|(.., count)| *count > 0)
                .collect()
        };
        tallies.iter().flat_map(of).collect()
    }
}
