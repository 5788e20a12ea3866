//! `/api/v1`: what is known, what people may ask for, what happens as it happens.

mod actions;
mod document;
mod events;
mod lists;

use jiff::Timestamp;
use moorline_api::Nothing;
use moorline_api::views::{EnvironmentView, Environments, EnvironmentsQuery};
use moorline_model::EnvironmentName;
use moorline_model::environment::EnvironmentState;
use moorline_record::StoreError;

use crate::App;
use crate::call::Call;
use crate::problem::Problem;

pub(crate) use actions::{ACTIONS, ask, intent};
pub(crate) use document::{read_document, tag, write_document};
pub(crate) use events::{STREAMS_MAX, events};
pub(crate) use lists::{audit, drift, history, rollouts, why};

/// Rows of a list when none are asked for.
const ROWS: usize = 50;
/// Most rows of one answer.
const ROWS_MAX: usize = 1_000;

fn rows(limit: Option<usize>) -> usize {
    limit.unwrap_or(ROWS).min(ROWS_MAX)
}

/// The state of the environment a path names.
pub(crate) async fn state(app: &App, name: &str) -> Result<EnvironmentState, Problem> {
    let unknown =
        || Problem::not_found(format!("no environment is called `{}`", crate::console::short(name)));
    let name: EnvironmentName = name.parse().map_err(|_| unknown())?;
    app.web.record.load(&name).await?.map(|(state, _)| state).ok_or_else(unknown)
}

/// The environments that a commit declares. One that none declares any more is found by its name only.
pub(crate) async fn declared(app: &App) -> Result<Vec<EnvironmentState>, StoreError> {
    let mut states = app.web.record.environments().await?;
    states.retain(|state| state.undeclared_since.is_none());
    Ok(states)
}

/// `GET /environments`
pub(crate) async fn environments(call: Call<EnvironmentsQuery, Nothing>) -> Result<Environments, Problem> {
    let Call { app, .. } = call;
    let now: Timestamp = (app.web.clock)();
    let states = declared(&app).await?;
    let waits_for = states.is_empty().then(|| app.web.gates.waits_for()).flatten();
    let environments = states.into_iter().map(|state| EnvironmentView::of(state, now)).collect();
    Ok(Environments { environments, next: None, waits_for })
}

/// `GET /environments/{name}`
pub(crate) async fn environment(call: Call<Nothing, Nothing>) -> Result<EnvironmentView, Problem> {
    let state = state(&call.app, call.name()).await?;
    Ok(EnvironmentView::of(state, (call.app.web.clock)()))
}
