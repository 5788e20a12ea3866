//! `/metrics`, `/healthz`, `/readyz`: open to all, as exporters are; nothing here is a secret.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use moorline_model::condition::{ConditionStatus, ConditionType};
use moorline_model::drift::{DriftState, Lane};
use moorline_model::environment::EnvironmentState;
use moorline_model::rollout::Phase;
use moorline_model::status::{self, StatusWord};
use moorline_record::StoreError;

use crate::App;
use crate::exposition::{Exposition, Kind, as_float};
use crate::problem::Problem;

const STANDINGS: [(ConditionStatus, &str); 6] = [
    (ConditionStatus::Unknown, "unknown"),
    (ConditionStatus::Good, "good"),
    (ConditionStatus::Busy, "busy"),
    (ConditionStatus::Attention, "attention"),
    (ConditionStatus::Bad, "bad"),
    (ConditionStatus::CannotCheck, "cannot_check"),
];
const WORDS: [StatusWord; 7] = [
    StatusWord::InSync,
    StatusWord::Drifted,
    StatusWord::Applying,
    StatusWord::Verifying,
    StatusWord::Held,
    StatusWord::Failed,
    StatusWord::CannotCheck,
];
const LANES: [Lane; 3] = [Lane::Terraform, Lane::Aws, Lane::Gateway];
const DRIFT_STATES: [(DriftState, &str); 3] =
    [(DriftState::Suspected, "suspected"), (DriftState::Open, "open"), (DriftState::Ignored, "ignored")];
/// The phases a rollout ends in.
const ENDS: [Phase; 5] =
    [Phase::Succeeded, Phase::RolledBack, Phase::Frozen, Phase::Failed, Phase::Superseded];

/// `GET /healthz`: the process answers.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: what is shown is not from before the start.
pub(crate) async fn readyz(State(app): State<Arc<App>>) -> Response {
    if (app.web.ready)() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "no cycle has run yet\n").into_response()
    }
}

/// `GET /metrics`
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let mut exposition = Exposition::default();
    let version = env!("CARGO_PKG_VERSION");
    exposition
        .family("moorline_build_info", Kind::Gauge, "1, with the release as a label.")
        .sample(&[("version", version)], 1.0);
    let states = crate::api::declared(&app).await?;
    environments(&mut exposition, &states);
    drift(&mut exposition, &states);
    replicas(&mut exposition, &states);
    recorded(&app, &mut exposition, &states).await?;
    let known: Vec<_> = states.iter().map(|state| &state.name).collect();
    app.web.metrics.write(&mut exposition, &known);
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], exposition.into_text()).into_response())
}

fn flag(is_so: bool) -> f64 {
    if is_so { 1.0 } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit a float's digits")]
fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}

fn environments(exposition: &mut Exposition, states: &[EnvironmentState]) {
    exposition.family(
        "moorline_environment_status",
        Kind::Gauge,
        "1 for the word that describes the environment, 0 for the others.",
    );
    for state in states {
        let (word, _) = status::word(state);
        for candidate in WORDS {
            let labels = [("environment", state.name.as_str()), ("word", candidate.as_str())];
            exposition.sample(&labels, flag(candidate == word));
        }
    }
    exposition.family(
        "moorline_environment_axis",
        Kind::Gauge,
        "1 for the status that the condition has, 0 for the others.",
    );
    for (state, axis) in with_axes(states) {
        let standing = state.conditions.status(axis);
        for (candidate, name) in STANDINGS {
            let labels = [("environment", state.name.as_str()), ("axis", axis.as_str()), ("standing", name)];
            exposition.sample(&labels, flag(candidate == standing));
        }
    }
    exposition.family(
        "moorline_last_check_timestamp_seconds",
        Kind::Gauge,
        "When the condition was last checked, in seconds since 1970.",
    );
    for (state, axis) in with_axes(states) {
        if let Some(reading) = state.conditions.0.get(&axis) {
            let labels = [("environment", state.name.as_str()), ("axis", axis.as_str())];
            exposition.sample(&labels, seconds(reading.checked_at));
        }
    }
    exposition.family("moorline_holds", Kind::Gauge, "Holds that keep commits from being applied.");
    for state in states {
        exposition.sample(&[("environment", state.name.as_str())], as_float(state.holds.len() as u64));
    }
}

fn with_axes(states: &[EnvironmentState]) -> impl Iterator<Item = (&EnvironmentState, ConditionType)> {
    states.iter().flat_map(|state| ConditionType::ALL.into_iter().map(move |axis| (state, axis)))
}

fn drift(exposition: &mut Exposition, states: &[EnvironmentState]) {
    exposition.family(
        "moorline_drift_findings",
        Kind::Gauge,
        "Differences between declared and live, by lane and by how far they have come.",
    );
    for state in states {
        for lane in LANES {
            for (drift_state, name) in DRIFT_STATES {
                let is_meant = |drift: &&moorline_model::drift::Drift| {
                    drift.finding.lane == lane && drift.state == drift_state
                };
                let count = state.drift.iter().filter(is_meant).count();
                let labels = [("environment", state.name.as_str()), ("lane", lane.as_str()), ("state", name)];
                exposition.sample(&labels, as_float(count as u64));
            }
        }
    }
}

fn replicas(exposition: &mut Exposition, states: &[EnvironmentState]) {
    exposition.family(
        "moorline_replicas",
        Kind::Gauge,
        "Gateway replicas that serve the applied document, another one, or could not be read.",
    );
    for state in states {
        let applied = state.applied.as_ref().map(|applied| applied.digest);
        let unreadable = state.replicas.iter().filter(|replica| replica.error.is_some()).count();
        let in_step = |replica: &&moorline_model::environment::Replica| {
            replica.error.is_none() && replica.digest.is_some() && replica.digest == applied
        };
        let in_step = state.replicas.iter().filter(in_step).count();
        let other = state.replicas.len() - unreadable - in_step;
        for (name, count) in [("in_step", in_step), ("other", other), ("unreadable", unreadable)] {
            let labels = [("environment", state.name.as_str()), ("state", name)];
            exposition.sample(&labels, as_float(count as u64));
        }
    }
}

async fn recorded(
    app: &App,
    exposition: &mut Exposition,
    states: &[EnvironmentState],
) -> Result<(), StoreError> {
    let counts = app.web.record.rollout_counts().await?;
    exposition.family("moorline_rollouts_total", Kind::Counter, "Rollouts by the phase they ended in.");
    for state in states {
        for phase in ENDS {
            let is_meant = |(name, ended, _): &&(String, String, u64)| {
                name == state.name.as_str() && ended == phase.as_str()
            };
            let count = counts.iter().find(is_meant).map_or(0, |(_, _, count)| *count);
            let labels = [("environment", state.name.as_str()), ("phase", phase.as_str())];
            exposition.sample(&labels, as_float(count));
        }
    }
    let pending = app.web.record.outbox_pending().await?;
    exposition.family("moorline_outbox_pending", Kind::Gauge, "Messages that wait to go out.");
    let mut waiting = BTreeMap::from([("slack", 0), ("email", 0)]);
    waiting.extend(pending.iter().map(|(channel, count)| (channel.as_str(), *count)));
    for (channel, count) in waiting {
        exposition.sample(&[("channel", channel)], as_float(count));
    }
    let leader = app.web.record.leader().await?;
    exposition
        .family("moorline_leader_fence", Kind::Gauge, "The newest leader's fencing token.")
        .sample(&[], as_float(leader.fence.0));
    Ok(())
}
