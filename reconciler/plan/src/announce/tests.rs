use super::*;

use moorline_model::drift::Finding;

use crate::drift::settle;
use crate::sample::now;

fn finding(path: &str, kind: DriftKind, severity: Severity) -> Finding {
    Finding {
        lane: Lane::Gateway,
        address: "http://a".to_owned(),
        path: path.to_owned(),
        kind,
        severity,
        declared: Some("1000".to_owned()),
        live: Some("5".to_owned()),
        note: None,
    }
}

/// What is told when these readings follow each other.
fn told(readings: &[Vec<Finding>]) -> Vec<(Transition, String)> {
    let mut known = Vec::new();
    let mut all = Vec::new();
    for findings in readings {
        let today = "2026-11-21".parse().unwrap();
        let settled = settle(&known, &[Lane::Gateway], findings.clone(), &[], today, now());
        let told = drift(&"prod".parse().unwrap(), &known, &settled, &[], now());
        all.extend(told.notifications.into_iter().map(|message| (message.transition, message.headline)));
        known = settled.drift;
    }
    all
}

fn transitions(readings: &[Vec<Finding>]) -> Vec<Transition> {
    told(readings).into_iter().map(|(transition, _)| transition).collect()
}

#[test]
fn several_fields_of_one_replica_are_one_incident() {
    let one = || finding("limits", DriftKind::Changed, Severity::Critical);
    let two = || finding("models", DriftKind::Changed, Severity::Critical);
    let both = || vec![one(), two()];
    assert_eq!(
        transitions(&[both(), both(), both(), vec![one()], vec![one()], vec![]]),
        [Transition::Opened, Transition::Changed, Transition::Resolved]
    );
}

#[test]
fn a_replica_that_cannot_be_read_is_told_as_that() {
    let dark = || vec![finding("", DriftKind::Unverifiable, Severity::Warning)];
    let told = told(&[dark(), dark(), vec![]]);
    assert_eq!(told[0].0, Transition::CannotCheck);
    assert_eq!(told[1], (Transition::Resolved, "prod: http://a can be read again, after 0s".to_owned()));
}

#[test]
fn what_is_only_informational_wakes_nobody() {
    let info = || vec![finding("x", DriftKind::Changed, Severity::Info)];
    assert_eq!(told(&[info(), info(), vec![]]), []);
}
