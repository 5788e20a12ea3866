//! An environment that no commit declares any more: it is left as it is, and nobody looks at it.
//!
//! In: what is remembered of it. Out: the same without what was read, which is not so any more for all that is known, and a
//! line of history. A commit that declares it again finds what it is held by and what verified there.

use jiff::Timestamp;
use moorline_model::comparison::Comparisons;
use moorline_model::condition::{ConditionStatus, ConditionType, Conditions};
use moorline_model::drift::Severity;
use moorline_model::environment::EnvironmentState;
use moorline_model::event::{Event, EventKind};

/// Remembers that nothing declares the environment; `None` when that is known.
pub fn retire(state: &mut EnvironmentState, now: Timestamp) -> Option<Event> {
    if state.undeclared_since.is_some() {
        return None;
    }
    state.undeclared_since = Some(now);
    state.replicas.clear();
    state.drift.clear();
    state.last_checked.clear();
    state.lanes = Comparisons::new();
    state.conditions = Conditions::default();
    let because = "no commit declares it any more: it is left as it is, and nobody looks at it";
    state.conditions.note(ConditionType::Source, ConditionStatus::CannotCheck, because, now);
    Some(Event {
        at: now,
        environment: state.name.clone(),
        kind: EventKind::Check,
        severity: Severity::Warning,
        message: because.to_owned(),
        commit: None,
        rollout: None,
    })
}

#[cfg(test)]
mod tests {
    use moorline_model::callers::callers;
    use moorline_model::intent::Operation;
    use moorline_model::status::{StatusWord, word};

    use super::*;
    use crate::gateway::remembered;
    use crate::sample::{document, in_force, now, replica};

    #[test]
    fn nothing_is_said_of_what_nobody_looks_at() {
        let mut state = in_force("c1");
        let reading = replica("a", Some(document("c1").digest()), None);
        state.replicas = vec![remembered(&reading, now())];
        state.conditions.note(
            ConditionType::Health,
            ConditionStatus::Good,
            "1 of 1 replicas serve c1",
            now(),
        );
        assert!(retire(&mut state, now()).is_some());
        assert_eq!(retire(&mut state, now()), None, "once");
        assert_eq!(word(&state).0, StatusWord::CannotCheck);
        assert_eq!(state.conditions.status(ConditionType::Health), ConditionStatus::Unknown);
        let callers = callers(&state);
        assert_eq!((callers.affected, callers.sentence.contains("no commit declares")), (None, true));
        for operation in [Operation::Sync, Operation::Hold { commit: None }, Operation::Release] {
            let refusal = operation.refused(&state).unwrap();
            assert_eq!(refusal.kind, "not-declared", "{refusal:?}");
        }
        assert!(state.verified.is_some(), "what verified there is known when it comes back");
    }
}
