//! Things to record.

use jiff::Timestamp;
use moorline_model::declaration::ChannelName;
use moorline_model::environment::EnvironmentState;
use moorline_model::event::{AuditEntry, Event, EventKind};
use moorline_model::notification::{Notification, Transition};
use moorline_model::rollout::{Phase, Rollout, RolloutKind};
use moorline_model::{EnvironmentName, IncidentKey};
use moorline_record::{Addressed, Fence, Record};
use tempfile::TempDir;

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + second).unwrap()
}

pub(crate) fn prod() -> EnvironmentName {
    "prod".parse().unwrap()
}

pub(crate) fn state() -> EnvironmentState {
    EnvironmentState::new(prod())
}

pub(crate) fn event(message: &str) -> Event {
    Event {
        at: at(0),
        environment: prod(),
        kind: EventKind::Rollout,
        severity: moorline_model::drift::Severity::Info,
        message: message.to_owned(),
        commit: None,
        rollout: None,
    }
}

pub(crate) fn audit(action: &str) -> AuditEntry {
    AuditEntry {
        at: at(0),
        actor: "moorline".to_owned(),
        action: action.to_owned(),
        target: "prod http://10.0.1.10:8788".to_owned(),
        commit: None,
        detail: String::new(),
    }
}

pub(crate) fn channel(name: &str) -> ChannelName {
    name.parse().unwrap()
}

pub(crate) fn message(incident: &str, transition: Transition) -> Addressed {
    let notification = Notification {
        incident: IncidentKey(incident.to_owned()),
        topic: "drift".to_owned(),
        environment: prod(),
        concerns: Vec::new(),
        lane: None,
        transition,
        severity: moorline_model::drift::Severity::Warning,
        headline: "prod drifted".to_owned(),
        details: Vec::new(),
        next: "it is healed at the next cycle".to_owned(),
        action: None,
        page: moorline_model::page::Page::Overview,
        at: at(0),
    };
    Addressed { notification, channels: vec![channel("slack"), channel("email")], others: Vec::new() }
}

// From JSON, so that a field more in the model is no change here.
pub(crate) fn rollout(number: u128, phase: &Phase) -> Rollout {
    let started_at = at(i64::try_from(number).unwrap());
    let rollout = serde_json::json!({
        "id": uuid::Uuid::from_u128(number),
        "kind": RolloutKind::Deploy,
        "revision": {
            "commit": "a".repeat(40),
            "author": "Ada",
            "message": "raise the limit",
            "committed_at": at(0),
        },
        "phase": phase,
        "started_at": started_at,
        "phase_since": started_at,
        "plan": {},
        "verify": {},
    });
    serde_json::from_value(rollout).unwrap()
}

/// A folder and the address of a record in it.
pub(crate) fn place() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("moorline.db").display());
    (folder, url)
}

/// A record in memory and its leader's fence.
pub(crate) async fn led() -> (Record, Fence) {
    let record = Record::open("sqlite::memory:").await.unwrap();
    let fence = lead(&record, "a", 0).await;
    (record, fence)
}

pub(crate) async fn lead(record: &Record, holder: &str, second: i64) -> Fence {
    let ttl = std::time::Duration::from_secs(30);
    record.lease(holder, ttl, at(second)).await.unwrap().unwrap().token
}
