use serde_json::json;

use super::*;
use crate::IncidentKey;
use crate::declaration::Declaration;
use crate::drift::{Lane, Severity};
use crate::notification::Transition;
use crate::page::Page;

/// The notifications of a declaration with three environments, or every mistake in them.
fn read(notifications: &Value) -> Result<Notifications, String> {
    let environment = |name: &str| {
        let endpoints = [format!("http://{name}:1")];
        let gateway = json!({"document": ["g.yaml"], "endpoints": endpoints, "admin_token": "env:T"});
        json!({"name": name, "gateway": gateway})
    };
    let environments = ["dev", "prod-eu", "prod-us"].map(environment);
    let text = json!({"version": 1, "environments": environments, "notifications": notifications});
    Declaration::parse("moorline.yaml", &text.to_string())
        .map(|declaration| declaration.notifications)
        .map_err(|mistakes| mistakes.to_string())
}

fn message(environment: &str, lane: Option<Lane>, severity: Severity) -> Notification {
    Notification {
        incident: IncidentKey("x".to_owned()),
        topic: String::new(),
        environment: environment.parse().unwrap(),
        concerns: Vec::new(),
        lane,
        transition: Transition::Opened,
        severity,
        headline: String::new(),
        details: Vec::new(),
        next: String::new(),
        action: None,
        page: Page::Overview,
        at: jiff::Timestamp::UNIX_EPOCH,
    }
}

/// The channels that a message goes to, and behind a bar the others.
fn routed(notifications: &Notifications, message: &Notification) -> String {
    let (channels, others) = notifications.route(message);
    let names = |names: Vec<ChannelName>| names.into_iter().map(String::from).collect::<Vec<_>>().join(" ");
    format!("{} | {}", names(channels), names(others))
}

#[test]
fn the_short_form_is_two_channels_that_get_everything() {
    let short = json!({"slack": {"channel": "#a"}, "email": {"to": ["a@b.c"]}});
    let short = read(&short).unwrap();
    let channels = short.channels();
    let told: Vec<_> = channels.iter().map(|found| (found.name.as_str(), found.kind, &*found.path)).collect();
    assert_eq!(told, [("slack", "slack", "notifications.slack"), ("email", "email", "notifications.email")]);
    assert_eq!(routed(&short, &message("dev", None, Severity::Info)), "slack email | ");
    assert_eq!(routed(&Notifications::default(), &message("dev", None, Severity::Critical)), " | ");
}

#[test]
fn a_message_goes_where_all_that_one_route_says_holds() {
    let notifications = read(&json!({
        "slack": {},
        "channels": {"all": {"slack": {}}, "network": {"slack": {}}, "pager": {"relay": {}}},
        "routes": [
            {"to": "pager", "environments": ["prod*"], "severity": "critical"},
            {"to": "network", "lanes": ["aws", "terraform"]},
            {"to": "network", "environments": ["dev"], "severity": "warning"},
            {"to": "slack", "environments": ["prod-eu", "prod-us"]},
        ],
    }))
    .unwrap();
    let (aws, gateway) = (Some(Lane::Aws), Some(Lane::Gateway));
    for (environment, lane, severity, expected) in [
        ("dev", None, Severity::Info, "all | slack network pager"),
        ("dev", None, Severity::Warning, "all network | slack pager"),
        ("dev", aws, Severity::Info, "all network | slack pager"),
        ("dev", gateway, Severity::Critical, "all network | slack pager"),
        ("prod-eu", None, Severity::Warning, "slack all | network pager"),
        ("prod-eu", None, Severity::Critical, "slack all pager | network"),
        ("prod-us", aws, Severity::Critical, "slack all network pager | "),
    ] {
        let message = message(environment, lane, severity);
        assert_eq!(routed(&notifications, &message), expected, "{environment} {lane:?} {severity:?}");
    }
    // Trouble with the repository is reported by one environment for all.
    let repository = Notification {
        concerns: vec!["prod-us".parse().unwrap()],
        ..message("dev", None, Severity::Critical)
    };
    assert_eq!(routed(&notifications, &repository), "slack all network pager | ");
}

#[test]
fn a_route_leads_from_something_declared_to_something_declared() {
    let routes = |route: Value| json!({"slack": {}, "channels": {"ops": {"slack": {}}}, "routes": [route]});
    for good in [json!({"to": "slack"}), json!({"to": "ops", "environments": ["*"], "lanes": ["aws"]})] {
        assert!(read(&routes(good.clone())).is_ok(), "{good}");
    }
    for (bad, said) in [
        (json!({"to": "opps"}), "routes[0].to: no channel named `opps` is declared; did you mean `ops`?"),
        (json!({"to": "email"}), "routes[0].to: no channel named `email` is declared"),
        (
            json!({"to": "ops", "environments": ["dev", "prod-us", "prod"]}),
            "routes[0].environments[2]: no environment named `prod` is declared",
        ),
        (
            json!({"to": "ops", "environments": ["stag*"]}),
            "routes[0].environments[0]: no declared environment's name matches `stag*`",
        ),
        (json!({"to": "ops", "environments": ["*prod"]}), "`*prod` is no environment's name"),
        (json!({"to": "ops", "environments": []}), "routes[0].environments: expected at least one"),
        (json!({"to": "ops", "lanes": []}), "routes[0].lanes: expected at least one"),
        (json!({"to": "ops", "lanes": ["cloud"]}), "expected `terraform`, `aws` or `gateway`"),
        (json!({"to": "ops", "severity": "bad"}), "expected `info`, `warning` or `critical`"),
    ] {
        let mistakes = read(&routes(bad.clone())).unwrap_err();
        assert!(mistakes.contains(said), "{bad}: {mistakes}");
    }
}

#[test]
fn a_name_is_one_channels_and_plain() {
    let twice = read(&json!({"slack": {}, "channels": {"slack": {"slack": {}}}})).unwrap_err();
    assert!(twice.contains("notifications.channels.slack: `slack` is declared twice"), "{twice}");
    let names = ["a", "On-call_2", "0"];
    assert!(names.iter().all(|name| name.parse::<ChannelName>().is_ok()));
    let long = "a".repeat(65);
    for name in ["", "-a", "a.b", "a/b", "a b", "a:b", "\u{e9}t\u{e9}", &long] {
        assert!(name.parse::<ChannelName>().is_err(), "{name}");
    }
    let none = read(&json!({"channels": {"a": {}}})).unwrap_err();
    assert!(none.contains("notifications.channels.a: expected exactly one kind"), "{none}");
    assert!(read(&json!({"channels": {"a": {"slack": {}, "email": {}}}})).is_err());
}

#[test]
fn a_message_that_an_earlier_release_queued_is_read() {
    let queued = json!({
        "incident": "rollout/prod/0190", "environment": "prod", "transition": "resolved", "severity": "info",
        "headline": "x", "next": "y", "path": "/environments/prod", "at": "2026-11-21T14:02:00Z",
    });
    let message: Notification = serde_json::from_value(queued.clone()).unwrap();
    assert_eq!((message.lane, message.concerns.len()), (None, 0));
    let written = serde_json::to_value(&message).unwrap();
    assert!(written.get("lane").is_none() && written.get("concerns").is_none(), "{written}");
}
