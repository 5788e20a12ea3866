//! `/api/v1`: what is known, what people may ask for, what happens as it happens.

mod actions;
mod document;
mod events;
mod lists;

use std::sync::Arc;

use jiff::Timestamp;
use moorline_api::Nothing;
use moorline_api::views::{EnvironmentView, Environments, EnvironmentsQuery};
use moorline_model::EnvironmentName;
use moorline_model::environment::EnvironmentState;
use moorline_record::StoreError;

use crate::App;
use crate::call::Call;
use crate::problem::Problem;

pub(crate) use actions::{ACTIONS, intent, submit};
pub(crate) use document::{read_document, tag, write_document};
pub(crate) use events::{STREAMS_MAX, events};
pub(crate) use lists::{audit, drift, history, rollouts, why};

/// Rows of a list without `limit`.
const ROWS: usize = 50;
/// Environments of a page without `limit`: each is shown with all that is known of it.
pub(crate) const ENVIRONMENTS: usize = 100;
/// Most rows of one answer.
const ROWS_MAX: usize = 1_000;

fn rows(limit: Option<usize>) -> usize {
    limit.unwrap_or(ROWS).min(ROWS_MAX)
}

/// The state of the environment a path names.
pub(crate) async fn state(app: &App, name: &str) -> Result<Arc<EnvironmentState>, Problem> {
    let unknown =
        || Problem::not_found(format!("no environment is called `{}`", crate::console::short(name)));
    let name: EnvironmentName = name.parse().map_err(|_| unknown())?;
    app.web.record.load(&name).await?.map(|(state, _)| state).ok_or_else(unknown)
}

/// Every environment that a commit declares.
pub(crate) async fn declared(app: &App) -> Result<Vec<Arc<EnvironmentState>>, StoreError> {
    let mut states = app.web.record.environments().await?;
    states.retain(|state| state.undeclared_since.is_none());
    Ok(states)
}

/// A page of environments.
pub(crate) struct DeclaredPage {
    pub(crate) states: Vec<Arc<EnvironmentState>>,
    /// After which name the next page begins; `None`: this is the last one.
    pub(crate) next: Option<EnvironmentName>,
}

/// The environments that a commit declares, by name, at most `rows`: those after a name, and with a text those whose name
/// holds it. One that no commit declares any more is found by its name only.
pub(crate) async fn declared_page(
    app: &App,
    mut after: Option<EnvironmentName>,
    holding: Option<&str>,
    rows: usize,
) -> Result<DeclaredPage, StoreError> {
    let record = &app.web.record;
    let mut states = Vec::new();
    // One more than requested says whether there is another page.
    while states.len() <= rows {
        let names = record.environment_names(after.as_ref(), holding, rows + 1 - states.len()).await?;
        let Some(last) = names.last() else { break };
        after = Some(last.clone());
        for name in &names {
            let state = record.load(name).await?.map(|(state, _)| state);
            states.extend(state.filter(|state| state.undeclared_since.is_none()));
        }
    }
    let has_more = states.len() > rows;
    states.truncate(rows);
    let next = states.last().filter(|_| has_more).map(|last| last.name.clone());
    Ok(DeclaredPage { states, next })
}

/// `GET /environments`
pub(crate) async fn environments(call: Call<EnvironmentsQuery, Nothing>) -> Result<Environments, Problem> {
    let Call { app, query: EnvironmentsQuery { limit, after }, .. } = call;
    let now: Timestamp = (app.web.clock)();
    let rows = limit.unwrap_or(ENVIRONMENTS).clamp(1, ROWS_MAX);
    let is_first = after.is_none();
    let DeclaredPage { states, next } = declared_page(&app, after, None, rows).await?;
    let waits_for = (is_first && states.is_empty()).then(|| app.web.gates.waits_for()).flatten();
    let environments =
        states.into_iter().map(|state| EnvironmentView::of(Arc::unwrap_or_clone(state), now)).collect();
    Ok(Environments { environments, next, waits_for })
}

/// `GET /environments/{name}`
pub(crate) async fn environment(call: Call<Nothing, Nothing>) -> Result<EnvironmentView, Problem> {
    let state = state(&call.app, call.name()).await?;
    Ok(EnvironmentView::of(Arc::unwrap_or_clone(state), (call.app.web.clock)()))
}
