//! Why each environment's changes are not applied, from what its last cycle read. Kept in memory only: a cycle after a
//! restart reads it anew.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use moorline_api::views::{self, ClosedGate};
use moorline_model::environment::EnvironmentState;
use moorline_model::{CommitId, EnvironmentName, Revision};
use moorline_plan::gates::{GateStatus, SituationSnapshot};
use moorline_source::FetchProgress;
use moorline_web::Explanation;

/// What was read of every environment last, and what the daemon waits for while there is none.
#[derive(Debug, Default)]
pub struct Explanations {
    waits_for: Mutex<Option<String>>,
    fetch: Mutex<FetchProgress>,
    read: Mutex<BTreeMap<EnvironmentName, SituationSnapshot>>,
}

impl Explanations {
    /// Notes why no declaration is known; `None` when one is.
    pub fn waits_for(&self, why: Option<String>) {
        *self.waits_for.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Shows how far the fetch is, while a declaration is waited for.
    pub fn show_fetch(&self, progress: FetchProgress) {
        *self.fetch.lock().unwrap_or_else(PoisonError::into_inner) = progress;
    }

    /// Notes what a cycle read of an environment.
    pub fn note(&self, name: &EnvironmentName, read: SituationSnapshot) {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), read);
    }

    /// Follows a revision that moved to a head which declares the same.
    pub fn fast_forward(&self, name: &EnvironmentName, before: &CommitId, head: &Revision) {
        if let Some(read) = self.read.lock().unwrap_or_else(PoisonError::into_inner).get_mut(name) {
            read.fast_forward(before, head);
        }
    }
}

impl moorline_web::Gates for Explanations {
    fn why(&self, state: &EnvironmentState, now: Timestamp) -> Option<Explanation> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let why = read.get(&state.name)?.why(state, now);
        Some(Explanation { sentence: why.sentence, gates: why.gates.into_iter().map(shown).collect() })
    }

    fn waits_for(&self) -> Option<String> {
        let why = self.waits_for.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let progress = self.fetch.lock().unwrap_or_else(PoisonError::into_inner).sentence();
        Some(match progress {
            Some(progress) => format!("{why}\nThe fetch under way: {progress}"),
            None => why,
        })
    }
}

/// A gate as the API shows it.
fn shown(reading: GateStatus) -> views::GateStatus {
    match reading {
        GateStatus::Open { gate } => views::GateStatus::Open { gate: gate.as_str().to_owned() },
        GateStatus::Closed(closed) => views::GateStatus::Closed(ClosedGate {
            gate: closed.gate.as_str().to_owned(),
            waits_for: closed.waits_for.as_str().to_owned(),
            because: closed.because,
            failure: closed.failure,
            opened_by: closed.opened_by,
            opens_at: closed.opens_at,
        }),
    }
}

#[cfg(test)]
mod tests {
    use moorline_model::{CheckFailed, FailureClass};
    use moorline_plan::decide::Situation;
    use moorline_web::Gates as _;

    use super::*;

    #[test]
    fn a_gate_shows_whether_trying_again_helps() {
        let (explanations, state) = (Explanations::default(), EnvironmentState::new("prod".parse().unwrap()));
        let mistakes = CheckFailed::stalled("moorline.yaml:3: what");
        let situation = Situation {
            head: Some(Err(&mistakes)),
            current: None,
            replicas: &[],
            denials: Ok(&[]),
            interrupted: None,
            blocked: None,
        };
        explanations.note(&state.name, SituationSnapshot::of(&situation, Vec::new()));
        let why = explanations.why(&state, Timestamp::UNIX_EPOCH).unwrap();
        let source = why.gates.iter().find_map(|gate| match gate {
            views::GateStatus::Closed(closed) if closed.gate == "source" => Some(closed),
            _ => None,
        });
        assert_eq!(source.unwrap().failure, Some(FailureClass::Stalled));
    }
}
