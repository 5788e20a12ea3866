//! The head was not tried before in vain. What failed before is not tried again by itself.

use moorline_model::status::StatusWord;

use super::{Answer, Closed, Gate, GateInput, Stage, WaitsFor, release};
use crate::decide::was_tried;

pub(crate) static GATE: Gate =
    Gate { name: "tried", explains: &[StatusWord::Failed], is_trouble: true, stages: &[Stage::Begin], check };

fn check(input: &GateInput<'_>) -> Answer {
    let (state, change) = (input.state, input.change?);
    let rollout = state.rollout.as_ref().filter(|_| input.rollout.is_none())?;
    let short = change.revision.commit.short();
    let may_begin = state.sync.is_some() || state.frozen.is_some();
    Some((was_tried(state, &change.revision.commit) && !may_begin).then(|| {
        let reason = rollout.reason.as_deref().unwrap_or("it failed");
        let because = format!("{short} was tried and failed: {reason}");
        // A sync does not begin what is held; a release does.
        let again = match state.hold_on(&change.revision.commit) {
            Some(_) => release(state),
            None => format!("`moorline sync {}`", state.name),
        };
        let opened_by = format!("a commit that mends it, or {again}, which tries it again");
        Closed::new(&GATE, WaitsFor::You, because, opened_by)
    }))
}
