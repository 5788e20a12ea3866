//! Calls that look: status, counts, events, metrics. And `drain`, which only tells the process to end well.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Query, State};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use http::Uri;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use moorline_admin::{Failure, Generation, Stats, Status};
use serde::Deserialize;
use tokio_stream::wrappers::BroadcastStream;

use super::refusal::Refusal;
use super::{Ends, Server};
use crate::{clock, metrics};

/// `GET /admin/v1/status`.
pub(super) async fn status(
    State(server): State<Arc<Server>>,
    Extension(ends): Extension<Ends>,
) -> Json<Status> {
    Json(server.status(&ends))
}

/// Which counts are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// The stable one when absent.
    generation: Option<u64>,
    since: Option<Timestamp>,
}

/// `GET /admin/v1/stats?generation=…&since=…`.
pub(super) async fn stats(State(server): State<Arc<Server>>, uri: Uri) -> Result<Json<Stats>, Refusal> {
    let Query(asked) = Query::<Asked>::try_from_uri(&uri)
        .map_err(|error| Refusal::malformed(format!("the query is not as expected: {error}")))?;
    let state = &server.admin.state;
    let stable = || state.snapshot().stable.as_ref().map(|stable| stable.number);
    let number = asked.generation.map(Generation).or_else(stable);
    let stats = number.and_then(|number| state.stats(number, asked.since, clock::now()));
    stats.map(Json).ok_or_else(|| match number {
        Some(number) => Refusal::not_found(format!("generation {number} is not held any more")),
        None => Refusal::not_found("nothing was declared yet"),
    })
}

/// Which failure is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedFailure {
    request: String,
}

/// `GET /admin/v1/failures?request=…`.
pub(super) async fn failure(State(server): State<Arc<Server>>, uri: Uri) -> Result<Json<Failure>, Refusal> {
    let Query(asked) = Query::<AskedFailure>::try_from_uri(&uri)
        .map_err(|error| Refusal::malformed(format!("the query is not as expected: {error}")))?;
    let known = server.admin.gauges.failures().of(&asked.request);
    known.map(Json).ok_or_else(|| {
        Refusal::not_found("no such request failed lately, or it did not ask with `x-moorline-probe`")
    })
}

/// `GET /admin/v1/events`.
pub(super) async fn events(State(server): State<Arc<Server>>) -> Result<Response, Refusal> {
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
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

/// `GET /metrics`.
pub(super) async fn metrics(State(server): State<Arc<Server>>) -> Response {
    let admin = &server.admin;
    let text = metrics::page(&admin.state, &admin.gauges, &admin.health, clock::now());
    ([(CONTENT_TYPE, metrics::MEDIA_TYPE)], text).into_response()
}

/// `POST /admin/v1/drain`.
pub(super) async fn drain(
    State(server): State<Arc<Server>>,
    Extension(ends): Extension<Ends>,
) -> Json<Status> {
    server.admin.state.drain();
    Json(server.status(&ends))
}
