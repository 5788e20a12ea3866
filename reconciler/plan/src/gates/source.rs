//! The head can be read, and what it declares is valid.

use moorline_model::FailureClass;
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
        Some(Err(failed)) if failed.class.may_pass() => Some(unread(failed.because.clone(), &failed.class)),
        Some(Err(mistakes)) => {
            let opened_by = "a commit that is valid (`moorline validate` checks one)";
            let closed = Closed::new(&GATE, WaitsFor::Commit, mistakes.because.clone(), opened_by);
            Some(closed.failed(Some(mistakes.class.clone())))
        }
        None => {
            let noted = conditions.0.get(&ConditionType::Source);
            let because = noted.map(|reading| reading.because.clone());
            let because = because.unwrap_or_else(|| "the repository could not be read".to_owned());
            let class = noted.and_then(|reading| reading.failure.as_ref());
            Some(unread(because, class.unwrap_or(&FailureClass::Transient)))
        }
    })
}

/// It is not known what the head says.
fn unread(because: String, class: &FailureClass) -> Closed {
    let opened_by = "its return; it is retried automatically";
    Closed::new(&GATE, WaitsFor::Repository, because, opened_by).failed(Some(class.clone()))
}
