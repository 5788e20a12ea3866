//! Calls that look: status, counts, events, metrics. And `drain`, which only tells the process to end well.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use http::header::CONTENT_TYPE;
use jiff::SignedDuration;
use moorline_admin::endpoint::Nothing;
use moorline_admin::endpoints::{FailureQuery, StatsQuery, StatusQuery};
use moorline_admin::{Failure, Generation, Recent, Stats, Status};
use tokio_stream::wrappers::BroadcastStream;

use super::Server;
use super::call::Call;
use super::refusal::Refusal;
use crate::{clock, metrics};

/// `GET /admin/v1/status?recent_seconds=…`.
pub(super) async fn status(call: Call<StatusQuery, Nothing>) -> Result<Status, Refusal> {
    let mut status = call.server.status(&call.ends);
    if let (Some(seconds), Some(stable)) = (call.query.recent_seconds, &status.stable) {
        let now = clock::now();
        let since = now.checked_sub(SignedDuration::from_secs(seconds.into())).unwrap_or(now);
        let stats = call.server.admin.state.stats(stable.generation, Some(since), now);
        status.recent =
            stats.map(|Stats { total, .. }| Recent { asked: total.asked(), faults: total.faults() });
    }
    Ok(status)
}

/// `GET /admin/v1/stats?generation=…&since=…`.
pub(super) async fn stats(call: Call<StatsQuery, Nothing>) -> Result<Stats, Refusal> {
    let state = &call.server.admin.state;
    let stable = || state.snapshot().stable.as_ref().map(|stable| stable.number);
    let number = call.query.generation.map(Generation).or_else(stable);
    let stats = number.and_then(|number| state.stats(number, call.query.since, clock::now()));
    stats.ok_or_else(|| match number {
        Some(number) => Refusal::not_found(format!("generation {number} is not held any more")),
        None => Refusal::not_found("nothing was declared yet"),
    })
}

/// `GET /admin/v1/failures?request=…`.
pub(super) async fn failure(call: Call<FailureQuery, Nothing>) -> Result<Failure, Refusal> {
    let known = call.server.admin.gauges.failures().of(&call.query.request);
    known.ok_or_else(|| {
        Refusal::not_found("no such request failed lately, or it did not ask with `x-moorline-probe`")
    })
}

/// `GET /admin/v1/events`.
pub(super) async fn events(call: Call<Nothing, Nothing>) -> Result<Response, Refusal> {
    let server = call.server;
    let permit = Arc::clone(&server.listeners)
        .try_acquire_owned()
        .map_err(|_| Refusal::unavailable("too many listeners; ask again when one has gone"))?;
    let stop = server.stop.clone();
    let events = BroadcastStream::new(server.admin.state.listen())
        // A listener that was too slow misses events, and reads the status as after any reconnection.
        .filter_map(|event| async move { event.ok() })
        .filter_map(|event| async move { sse::Event::default().json_data(&event).ok() })
        .map(move |event| {
            let _held_while_listening = &permit;
            Ok::<_, Infallible>(event)
        })
        .take_until(stop.cancelled_owned());
    let keep_alive = KeepAlive::new().interval(moorline_admin::KEEP_ALIVE);
    Ok(Sse::new(events).keep_alive(keep_alive).into_response())
}

/// `GET /metrics`.
pub(super) async fn metrics(State(server): State<Arc<Server>>) -> Response {
    let admin = &server.admin;
    let text = metrics::page(&admin.state, &admin.gauges, &admin.health, clock::now());
    ([(CONTENT_TYPE, metrics::MEDIA_TYPE)], text).into_response()
}

/// `POST /admin/v1/drain`.
pub(super) async fn drain(call: Call<Nothing, Nothing>) -> Result<Status, Refusal> {
    call.server.admin.state.drain();
    Ok(call.server.status(&call.ends))
}
