use super::*;

use moorline_model::drift::Finding;

use crate::drift::track;
use crate::gateway::ReplicaReading;
use crate::sample::{now, replica};

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

/// The notifications when these readings follow each other.
fn messages(readings: &[Vec<Finding>]) -> Vec<Notification> {
    let mut state = EnvironmentState::new("prod".parse().unwrap());
    let mut all = Vec::new();
    for findings in readings {
        let today = "2026-11-21".parse().unwrap();
        let tracked = track(&state.drift, &[Lane::Gateway], findings.clone(), &[], today, now());
        let messages = drift(&mut state, tracked, &[], now());
        all.extend(messages.notifications);
    }
    assert!(all.iter().all(|message| message.lane == Some(Lane::Gateway)), "{all:?}");
    all
}

/// The lines of history when these findings are read twice, and then are gone.
fn lines(findings: &dyn Fn() -> Vec<Finding>) -> Vec<String> {
    let mut state = EnvironmentState::new("prod".parse().unwrap());
    let mut all = Vec::new();
    for found in [findings(), findings(), Vec::new()] {
        let tracked = track(&state.drift, &[Lane::Gateway], found, &[], "2026-11-21".parse().unwrap(), now());
        all.extend(drift(&mut state, tracked, &[], now()).events);
    }
    all.into_iter().map(|event| event.message).collect()
}

#[test]
fn a_line_of_history_says_what_was_declared_and_what_was_live() {
    let one = || vec![finding("limits", DriftKind::Changed, Severity::Critical)];
    assert_eq!(
        lines(&one),
        [
            "prod: http://a differs in limits from what is declared (declared 1000, live 5)",
            "prod: http://a is as declared again, after 0s",
        ]
    );
    let many =
        || ["a", "b", "c", "d"].map(|path| finding(path, DriftKind::Changed, Severity::Critical)).into();
    let line = lines(&many)[0].clone();
    assert!(line.matches("declared 1000, live 5").count() == 3 && line.ends_with("; and 1 more)"), "{line}");
    let dark = || vec![finding("", DriftKind::Unverifiable, Severity::Warning)];
    assert_eq!(lines(&dark)[0], "prod: http://a cannot be read");
}

fn transitions_and_headlines(readings: &[Vec<Finding>]) -> Vec<(Transition, String)> {
    messages(readings).into_iter().map(|message| (message.transition, message.headline)).collect()
}

fn transitions(readings: &[Vec<Finding>]) -> Vec<Transition> {
    transitions_and_headlines(readings).into_iter().map(|(transition, _)| transition).collect()
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
fn an_address_that_was_corrected_is_declared_no_more_and_not_read_again() {
    let dark = |address: &str| Finding {
        address: address.to_owned(),
        ..finding("", DriftKind::Unverifiable, Severity::Warning)
    };
    let at = |name: &str| ReplicaReading { endpoint: name.to_owned(), ..replica("a", None, None) };
    let end_of = |findings: &[Finding], declared: &[&str]| {
        let mut state = EnvironmentState::new("prod".parse().unwrap());
        let mut last = String::new();
        for findings in [findings, findings, &[]] {
            let names = if findings.is_empty() { declared } else { &["http://a", "http://typo"] };
            state.replicas = names.iter().map(|name| crate::gateway::remembered(&at(name), now())).collect();
            let today = "2026-11-21".parse().unwrap();
            let tracked = track(&state.drift, &[Lane::Gateway], findings.to_vec(), &[], today, now());
            for event in drift(&mut state, tracked, &[], now()).events {
                last = event.message;
            }
        }
        last
    };
    let typo = || dark("http://typo");
    assert_eq!(end_of(&[typo()], &["http://a", "http://b"]), "prod: http://typo is not declared any more");
    assert_eq!(
        end_of(&[dark("http://a"), typo()], &["http://a"]),
        "prod: http://a can be read again, after 0s; http://typo is not declared any more"
    );
}

#[test]
fn a_replica_that_cannot_be_read_is_reported_as_that() {
    let dark = || vec![finding("", DriftKind::Unverifiable, Severity::Warning)];
    let reported = transitions_and_headlines(&[dark(), dark(), vec![]]);
    assert_eq!(reported[0].0, Transition::CannotCheck);
    assert_eq!(reported[1], (Transition::Resolved, "prod: http://a can be read again, after 0s".to_owned()));
}

#[test]
fn what_is_only_informational_wakes_nobody() {
    let info = || vec![finding("x", DriftKind::Changed, Severity::Info)];
    assert_eq!(transitions_and_headlines(&[info(), info(), vec![]]), []);
}

fn at(address: &str, kind: DriftKind) -> Finding {
    let severity = if kind == DriftKind::Unverifiable { Severity::Warning } else { Severity::Critical };
    Finding { address: address.to_owned(), ..finding("", kind, severity) }
}

#[test]
fn all_replicas_are_one_incident_and_a_second_outage_is_another() {
    let (a, b) = (|| at("http://a", DriftKind::Changed), || at("http://b", DriftKind::Unverifiable));
    let one = || vec![a()];
    let both = || vec![a(), b()];
    let reported = messages(&[one(), one(), both(), both(), vec![b()], vec![], one(), one()]);
    let headlines: Vec<_> = reported.iter().map(|message| message.headline.as_str()).collect();
    assert_eq!(
        headlines,
        [
            "prod: http://a differs from what is declared",
            "prod: http://a differs from what is declared, and http://b cannot be read",
            "prod: http://b cannot be read",
            "prod: http://b can be read again, after 0s",
            "prod: http://a differs from what is declared",
        ]
    );
    let transitions: Vec<_> = reported.iter().map(|message| message.transition).collect();
    let expected = [
        Transition::Opened,
        Transition::Changed,
        Transition::CannotCheck,
        Transition::Resolved,
        Transition::Opened,
    ];
    assert_eq!(transitions, expected);
    assert!(reported[..4].iter().all(|message| message.incident == reported[0].incident));
    assert!(
        reported.iter().all(|message| message.topic == "gateway replicas: drift since 2026-11-21 12:00 UTC")
    );
}

#[test]
fn several_replicas_are_counted_and_each_is_a_detail() {
    let both = || vec![at("http://a", DriftKind::Changed), at("http://b", DriftKind::Changed)];
    let reported = messages(&[both(), both(), vec![]]);
    assert_eq!(reported[0].headline, "prod: 2 gateway replicas differ from what is declared");
    assert_eq!(reported[0].details[1], "http://b all of it: declared 1000, live 5");
    assert_eq!(reported[1].headline, "prod: 2 gateway replicas are as declared again, after 0s");
}

#[test]
fn an_alert_names_the_command_that_gives_the_declared_state_back_where_people_must() {
    let action = |finding: &dyn Fn() -> Vec<Finding>, heal: &[Lane]| {
        let mut state = EnvironmentState::new("prod".parse().unwrap());
        let mut last = None;
        for _ in 0..2 {
            let lanes = [Lane::Gateway, Lane::Terraform, Lane::Aws];
            let tracked = track(&state.drift, &lanes, finding(), &[], "2026-11-21".parse().unwrap(), now());
            last = drift(&mut state, tracked, heal, now()).notifications.pop();
        }
        last.unwrap().action.unwrap()
    };
    let replica = || vec![at("http://a", DriftKind::Changed)];
    assert_eq!(action(&replica, &[]), "moorline heal prod --only http://a");
    assert_eq!(action(&replica, &[Lane::Gateway]), "moorline drift prod");
    let resource = || vec![Finding { lane: Lane::Terraform, ..at("aws_lb.a[0]", DriftKind::Changed) }];
    assert_eq!(action(&resource, &[Lane::Gateway]), "moorline heal prod --only 'aws_lb.a[0]'");
    // Terraform gives both back at once: a command for one of them would be refused.
    let two =
        || vec![resource()[0].clone(), Finding { lane: Lane::Aws, ..at("aws_lb.b", DriftKind::Changed) }];
    assert_eq!(action(&two, &[]), "moorline heal prod");
    let foreign = || vec![Finding { lane: Lane::Aws, ..at("rule", DriftKind::Unmanaged) }];
    assert_eq!(action(&foreign, &[]), "moorline why prod");
    let dark = || vec![at("http://a", DriftKind::Unverifiable)];
    assert_eq!(action(&dark, &[]), "moorline why prod");
    let many =
        || ["http://a", "http://b", "http://c", "http://d"].map(|one| at(one, DriftKind::Changed)).into();
    assert_eq!(action(&many, &[]), "moorline heal prod");
}
