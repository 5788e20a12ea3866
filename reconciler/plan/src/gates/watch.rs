//! Gates on what is looked at whether or not something changes: secrets, replicas, the source, drift, lanes.

use moorline_model::comparison;
use moorline_model::condition::{ConditionStatus, ConditionType};
use moorline_model::drift::{Drift, DriftKind, DriftState, Lane};
use moorline_model::intent::healing::{HealScope, everywhere};

use super::{Closed, Gate, GateInput, WaitsFor};
use crate::replica_groups;

pub(super) fn variable(input: &GateInput<'_>) -> Option<Option<Closed>> {
    let each: Vec<_> =
        input.missing.iter().map(|missing| format!("{} ({})", missing.why, missing.path)).collect();
    Some((!each.is_empty()).then(|| {
        let opened_by = "a value for it where the daemon runs (a variable needs the daemon's restart), or a commit that \
                         names another";
        Closed::new(Gate::Variable, WaitsFor::You, each.join("; "), opened_by)
    }))
}

/// Replicas that report the same are reported together.
pub(super) fn replicas(input: &GateInput<'_>) -> Option<Option<Closed>> {
    input.desired.or(input.situation.current)?;
    let readings = input.situation.replicas;
    let unread = readings
        .iter()
        .filter_map(|reading| Some((reading.endpoint.as_str(), reading.result.as_ref().err()?.clone())));
    let each = replica_groups::merged(unread, readings.len());
    if each.is_empty() && !readings.is_empty() {
        return Some(None);
    }
    let what = if each.is_empty() { "no replica was found".to_owned() } else { each.join("; ") };
    let opened_by = "the replicas' answer; they are asked again by themselves";
    Some(Some(Closed::new(Gate::Replicas, WaitsFor::You, what, opened_by)))
}

pub(super) fn source(input: &GateInput<'_>) -> Option<Option<Closed>> {
    let conditions = &input.state.conditions;
    if input.state.undeclared_since.is_some() {
        let because = format!("no commit declares {} any more", input.state.name);
        let opened_by = "a commit that declares it again";
        return Some(Some(Closed::new(Gate::Source, WaitsFor::Commit, because, opened_by)));
    }
    // What was read before says nothing of what is in the repository now.
    let head = input.situation.head.filter(|head| {
        head.is_err() || conditions.status(ConditionType::Source) != ConditionStatus::CannotCheck
    });
    Some(match head {
        Some(Ok(_)) => None,
        Some(Err(mistakes)) => {
            let opened_by = "a commit that is valid (`moorline validate` checks one)";
            Some(Closed::new(Gate::Source, WaitsFor::Commit, mistakes.to_owned(), opened_by))
        }
        None => {
            let noted = conditions.0.get(&ConditionType::Source).map(|reading| reading.because.clone());
            let because = noted.unwrap_or_else(|| "the repository could not be read".to_owned());
            let opened_by = "its return; it is asked again by itself";
            Some(Closed::new(Gate::Source, WaitsFor::Repository, because, opened_by))
        }
    })
}

/// Open drift: healed by itself where that is declared, else it waits for a person.
pub(super) fn drift(input: &GateInput<'_>) -> Option<Option<Closed>> {
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
    let told = |drift: &Drift| match drift.finding.path.as_str() {
        "" => drift.finding.address.clone(),
        path => format!("{} {path}", drift.finding.address),
    };
    let Some(first) = left.first() else {
        let because = format!("{} differs from what is declared", told(open[0]));
        let opened_by = "the document in force, which is put back (drift.heal: [gateway])";
        return Some(Some(Closed::new(Gate::Drift, WaitsFor::Itself, because, opened_by)));
    };
    let note = first.finding.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
    let more = match left.len() {
        1 => String::new(),
        count => format!(", and {} more", count - 1),
    };
    let because = format!("{} differs from what is declared{note}{more}, and nobody heals it", told(first));
    let opened_by = match HealScope::of(&state.drift, None).is_empty() {
        true => "a person who puts it right there, or a commit that declares it".to_owned(),
        false => format!(
            "`{}`, which gives the declared state back, or a commit that declares it",
            everywhere(&state.name)
        ),
    };
    Some(Some(Closed::new(Gate::Drift, WaitsFor::You, because, opened_by)))
}

/// Lanes other than the replicas', which have a gate of their own.
pub(super) fn lanes(input: &GateInput<'_>) -> Option<Option<Closed>> {
    let state = input.state;
    state.applied.as_ref()?;
    let is_known = |known: &comparison::Comparison| known.trouble.is_none() && known.compared_at.is_some();
    let mut open = state.lanes.iter().filter(|(lane, known)| **lane != Lane::Gateway && !is_known(known));
    let closed = open.next().map(|(lane, known)| match &known.trouble {
        Some(trouble) => {
            let because = format!("{} could not be compared: {trouble}", lane.as_str());
            let opened_by = "what it names being put right; it is looked at again by itself";
            Closed::new(Gate::Lanes, WaitsFor::You, because, opened_by)
        }
        None => {
            let because = format!("{} was not compared yet", lane.as_str());
            Closed::new(Gate::Lanes, WaitsFor::Itself, because, "the next look")
        }
    });
    Some(closed)
}
