//! The lists below an environment, and the audit.

use std::sync::Arc;

use moorline_api::Nothing;
use moorline_api::views::{
    Audit, AuditQuery, AuditRow, DriftView, History, HistoryEvent, HistoryQuery, Rollouts, RowsQuery, Why,
    WhyStatus,
};
use moorline_model::callers::callers;
use moorline_model::status;
use moorline_record::{Recorded, Sequence};

use super::{rows, state};
use crate::call::Call;
use crate::problem::Problem;

/// `GET …/drift`
pub(crate) async fn drift(call: Call<Nothing, Nothing>) -> Result<DriftView, Problem> {
    let state = state(&call.app, call.name()).await?;
    Ok(DriftView::of(Arc::unwrap_or_clone(state), (call.app.web.clock)()))
}

/// `GET …/rollouts`
pub(crate) async fn rollouts(call: Call<RowsQuery, Nothing>) -> Result<Rollouts, Problem> {
    let state = state(&call.app, call.name()).await?;
    let rollouts = call.app.web.record.rollouts(&state.name, rows(call.query.limit)).await?;
    Ok(Rollouts { rollouts })
}

/// `GET …/history`
pub(crate) async fn history(call: Call<HistoryQuery, Nothing>) -> Result<History, Problem> {
    let state = state(&call.app, call.name()).await?;
    let (rows, before) = (rows(call.query.limit), call.query.before.map(Sequence));
    let events = call.app.web.record.history(&state.name, rows, before).await?;
    let next = events.last().filter(|_| events.len() == rows).map(|event| event.seq.0);
    Ok(History { events: events.into_iter().map(shown).collect(), next })
}

/// A line of the history as the API shows it.
pub(crate) fn shown(recorded: Recorded) -> HistoryEvent {
    HistoryEvent { seq: recorded.seq.0, event: recorded.event }
}

/// `GET …/why`
pub(crate) async fn why(call: Call<Nothing, Nothing>) -> Result<Why, Problem> {
    let state = state(&call.app, call.name()).await?;
    let (word, since) = status::word(&state);
    let waiting =
        call.app.web.gates.why(&state, (call.app.web.clock)()).ok_or_else(|| {
            Problem::unavailable("no cycle has looked at its gates yet; try again in a moment")
        })?;
    let status = WhyStatus { word, since, exit_code: word.exit() };
    Ok(Why { sentence: waiting.sentence, status, callers: callers(&state), gates: waiting.gates })
}

/// `GET /audit`: newest first.
pub(crate) async fn audit(call: Call<AuditQuery, Nothing>) -> Result<Audit, Problem> {
    let AuditQuery { limit, environment } = call.query;
    let entries = call.app.web.record.audit_log(environment.as_ref(), rows(limit)).await?;
    let entries = entries
        .into_iter()
        .map(|row| AuditRow { seq: row.seq.0, entry: row.entry, hash: row.hash })
        .collect();
    Ok(Audit { entries })
}
