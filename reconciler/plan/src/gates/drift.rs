//! Nothing differs from what is declared, or it is healed by itself.

use moorline_model::drift::{Drift, DriftKind, DriftState, Lane};
use moorline_model::intent::healing::{HealScope, everywhere};
use moorline_model::status::StatusWord;

use super::{Answer, Closed, Gate, GateInput, WaitsFor};

pub(crate) static GATE: Gate =
    Gate { name: "drift", explains: &[StatusWord::Drifted], is_trouble: true, stages: &[], check };

fn check(input: &GateInput<'_>) -> Answer {
    let state = input.state;
    let is_open =
        |drift: &&Drift| drift.state == DriftState::Open && drift.finding.kind != DriftKind::Unverifiable;
    let open: Vec<_> = state.drift.iter().filter(is_open).collect();
    if open.is_empty() {
        return Some(None);
    }
    let declared = input.situation.head.and_then(Result::ok).or(input.situation.current);
    let heal = declared.map(|declared| declared.environment.drift.heal.as_slice()).unwrap_or_default();
    let left: Vec<_> = open
        .iter()
        .filter(|drift| drift.finding.lane != Lane::Gateway || !heal.contains(&Lane::Gateway))
        .collect();
    let place = |drift: &Drift| match drift.finding.path.as_str() {
        "" => drift.finding.address.clone(),
        path => format!("{} {path}", drift.finding.address),
    };
    let Some(first) = left.first() else {
        let because = format!("{} differs from what is declared", place(open[0]));
        let opened_by = "the document in force, which is put back (drift.heal: [gateway])";
        return Some(Some(Closed::new(&GATE, WaitsFor::Itself, because, opened_by)));
    };
    let note = first.finding.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
    let more = match left.len() {
        1 => String::new(),
        count => format!(", and {} more", count - 1),
    };
    let because = format!("{} differs from what is declared{note}{more}, and nobody heals it", place(first));
    let opened_by = match HealScope::of(&state.drift, None).is_empty() {
        true => "a person who puts it right there, or a commit that declares it".to_owned(),
        false => format!(
            "`{}`, which restores the declared state, or a commit that declares it",
            everywhere(&state.name)
        ),
    };
    Some(Some(Closed::new(&GATE, WaitsFor::You, because, opened_by)))
}
