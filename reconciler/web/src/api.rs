//! `/api/v1`: what is known, what people may ask for, what happens as it happens.

mod actions;
mod document;
mod events;
mod lists;
mod view;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use moorline_model::EnvironmentName;
use moorline_model::environment::EnvironmentState;
use moorline_record::StoreError;
use serde::{Deserialize, Serialize};

use crate::App;
use crate::problem::Problem;

pub(crate) use actions::{ACTIONS, ask, intent};
pub(crate) use document::{read_document, write_document};
pub(crate) use events::{STREAMS_MAX, events};
pub(crate) use lists::{audit, drift, history, rollouts, why};
pub(crate) use view::EnvironmentView;

/// The description of the API.
const OPENAPI: &str = include_str!("api/openapi.json");

/// Rows of a list when none are asked for.
const ROWS: usize = 50;
/// Most rows of one answer.
const ROWS_MAX: usize = 1_000;

/// How much of a list is asked for.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Page {
    limit: Option<usize>,
    before: Option<u64>,
    environment: Option<EnvironmentName>,
}

impl Page {
    fn rows(&self) -> usize {
        self.limit.unwrap_or(ROWS).min(ROWS_MAX)
    }
}

/// The part of the query that a list understands, or a problem.
pub(crate) type PageQuery = Result<Query<Page>, axum::extract::rejection::QueryRejection>;

fn page(query: PageQuery) -> Result<Page, Problem> {
    query.map(|Query(page)| page).map_err(|error| Problem::malformed(error.body_text()))
}

/// The state of the environment a path names.
pub(crate) async fn state(app: &App, name: &str) -> Result<EnvironmentState, Problem> {
    let unknown =
        || Problem::not_found(format!("no environment is called `{}`", crate::console::short(name)));
    let name: EnvironmentName = name.parse().map_err(|_| unknown())?;
    app.web.record.load(&name).await?.map(|(state, _)| state).ok_or_else(unknown)
}

/// `GET /openapi.json`
pub(crate) async fn openapi() -> Response {
    ([(CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

#[derive(Serialize)]
struct Environments<'a> {
    environments: Vec<EnvironmentView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for: Option<String>,
}

/// The environments that a commit declares. One that none declares any more is found by its name only.
pub(crate) async fn declared(app: &App) -> Result<Vec<EnvironmentState>, StoreError> {
    let mut states = app.web.record.environments().await?;
    states.retain(|state| state.undeclared_since.is_none());
    Ok(states)
}

/// `GET /environments`
pub(crate) async fn environments(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let now = (app.web.clock)();
    let states = declared(&app).await?;
    let environments = states.iter().map(|state| EnvironmentView::of(state, now)).collect();
    let waits_for = states.is_empty().then(|| app.web.gates.waits_for()).flatten();
    Ok(Json(Environments { environments, waits_for }).into_response())
}

/// `GET /environments/{name}`
pub(crate) async fn environment(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let state = state(&app, &name).await?;
    Ok(Json(EnvironmentView::of(&state, (app.web.clock)())).into_response())
}
