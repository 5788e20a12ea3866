//! `/metrics`, `/healthz`, `/readyz`: open to all, as exporters are; nothing here is a secret.

pub(crate) mod registry;
mod table;

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;

use self::registry::Described;
use self::table::{Figures, TABLE};
use crate::App;
use crate::exposition::Exposition;
use crate::problem::Problem;

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
    let figures = Figures {
        states: crate::api::declared(&app).await?,
        rollouts: app.web.record.rollout_counts().await?,
        pending: app.web.record.outbox_pending().await?,
        fence: app.web.record.leader().await?.fence.0,
        writes: app.web.record.writes(),
    };
    let mut exposition = Exposition::default();
    registry::write(TABLE, &figures, &mut exposition);
    let known: Vec<_> = figures.states.iter().map(|state| &state.name).collect();
    app.web.metrics.write(&mut exposition, &known);
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], exposition.into_text()).into_response())
}

/// The metrics that the web writes itself.
#[must_use]
pub fn described() -> Vec<Described> {
    TABLE.iter().map(|metric| metric.described).collect()
}
