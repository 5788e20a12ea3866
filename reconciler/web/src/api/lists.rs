//! The lists below an environment, and the audit.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use moorline_record::Sequence;
use serde_json::{Value, json};

use super::view::LaneView;
use super::{PageQuery, page, state};
use crate::App;
use crate::problem::Problem;

/// `GET …/drift`: what may be said, what was compared and when, and the findings.
pub(crate) async fn drift(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let state = state(&app, &name).await?;
    let said = moorline_model::comparison::drift(&state);
    let lanes = LaneView::all(&state, (app.web.clock)());
    let answer = json!({ "said": said, "lanes": lanes, "drift": state.drift, "looked": state.last_checked });
    Ok(Json(answer).into_response())
}

/// `GET …/rollouts`
pub(crate) async fn rollouts(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    query: PageQuery,
) -> Result<Response, Problem> {
    let state = state(&app, &name).await?;
    let rollouts = app.web.record.rollouts(&state.name, page(query)?.rows()).await?;
    Ok(Json(json!({ "rollouts": rollouts })).into_response())
}

/// `GET …/history`: newest first; `next` is the `before` of the next page.
pub(crate) async fn history(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    query: PageQuery,
) -> Result<Response, Problem> {
    let state = state(&app, &name).await?;
    let page = page(query)?;
    let events = app.web.record.history(&state.name, page.rows(), page.before.map(Sequence)).await?;
    let next = events.last().filter(|_| events.len() == page.rows()).map(|event| event.seq);
    Ok(Json(json!({ "events": events, "next": next })).into_response())
}

/// `GET …/why`
pub(crate) async fn why(State(app): State<Arc<App>>, Path(name): Path<String>) -> Result<Response, Problem> {
    let state = state(&app, &name).await?;
    let (word, since) = moorline_model::status::word(&state);
    let why: Value =
        app.web.gates.why(&state, (app.web.clock)()).ok_or_else(|| {
            Problem::unavailable("no cycle has looked at its gates yet; try again in a moment")
        })?;
    let status = json!({ "word": word.as_str(), "since": since, "exit_code": word.exit_code() });
    let callers = moorline_model::callers::callers(&state);
    let answer =
        json!({ "sentence": why["sentence"], "status": status, "callers": callers, "gates": why["gates"] });
    Ok(Json(answer).into_response())
}

/// `GET /audit`: newest first.
pub(crate) async fn audit(State(app): State<Arc<App>>, query: PageQuery) -> Result<Response, Problem> {
    let page = page(query)?;
    let entries = app.web.record.audit_log(page.environment.as_ref(), page.rows()).await?;
    Ok(Json(json!({ "entries": entries })).into_response())
}
