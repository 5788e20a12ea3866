//! The head can be read, and what it declares is valid.

use moorline_model::condition::{ConditionStatus, ConditionType};
use moorline_model::status::StatusWord;

use super::{Answer, Closed, Gate, GateInput, WaitsFor};

pub(crate) static GATE: Gate = Gate {
    name: "source",
    explains: &[StatusWord::CannotCheck, StatusWord::Failed],
    is_trouble: false,
    stages: &[],
    check,
};

fn check(input: &GateInput<'_>) -> Answer {
    let conditions = &input.state.conditions;
    if input.state.undeclared_since.is_some() {
        let because = format!("no commit declares {} any more", input.state.name);
        let opened_by = "a commit that declares it again";
        return Some(Some(Closed::new(&GATE, WaitsFor::Commit, because, opened_by)));
    }
    // What was read before says nothing of what is in the repository now.
    let head = input.situation.head.filter(|head| {
        head.is_err() || conditions.status(ConditionType::Source) != ConditionStatus::CannotCheck
    });
    Some(match head {
        Some(Ok(_)) => None,
        Some(Err(mistakes)) => {
            let opened_by = "a commit that is valid (`moorline validate` checks one)";
            Some(Closed::new(&GATE, WaitsFor::Commit, mistakes.to_owned(), opened_by))
        }
        None => {
            let noted = conditions.0.get(&ConditionType::Source).map(|reading| reading.because.clone());
            let because = noted.unwrap_or_else(|| "the repository could not be read".to_owned());
            let opened_by = "its return; it is retried automatically";
            Some(Closed::new(&GATE, WaitsFor::Repository, because, opened_by))
        }
    })
}
