//! History as it happens: server-sent events, resumed after `Last-Event-ID`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{Stream, unfold};
use http::HeaderMap;
use moorline_record::{Record, Recorded, Sequence};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

use crate::App;
use crate::problem::Problem;

/// Streams open at once.
pub(crate) const STREAMS_MAX: usize = 64;
/// Events read at a time.
const BATCH: usize = 100;
/// How soon what another process wrote is seen. What this one wrote is seen at once.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often a quiet stream says that it is alive.
const ALIVE_EVERY: Duration = Duration::from_secs(15);
/// How long one stream lasts. A browser comes back by itself, and is asked again who it is.
const STREAM_TIMEOUT: Duration = Duration::from_secs(600);

/// `GET /events`
pub(crate) async fn events(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Problem> {
    let place = Arc::clone(&app.streams).try_acquire_owned().map_err(|_| {
        Problem::unavailable(format!("{STREAMS_MAX} streams are open already; try again later"))
    })?;
    let changes = app.web.record.changes();
    let after =
        match headers.get("last-event-id") {
            Some(id) => id.to_str().ok().and_then(|id| id.parse().ok()).map(Sequence).ok_or_else(|| {
                Problem::malformed("expected Last-Event-ID to be a number this stream sent")
            })?,
            None => app.web.record.last_event().await?,
        };
    let tail = Tail {
        record: app.web.record.clone(),
        changes,
        after,
        read: VecDeque::new(),
        cancel: app.cancel.clone(),
        ends: tokio::time::Instant::now() + STREAM_TIMEOUT,
        _place: place,
    };
    Ok(Sse::new(tail.stream()).keep_alive(KeepAlive::new().interval(ALIVE_EVERY)).into_response())
}

/// The end of the history, followed.
struct Tail {
    record: Record,
    changes: watch::Receiver<u64>,
    after: Sequence,
    read: VecDeque<Recorded>,
    cancel: CancellationToken,
    ends: tokio::time::Instant,
    _place: OwnedSemaphorePermit,
}

impl Tail {
    fn stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        unfold(self, |mut tail| async move { tail.next().await.map(|event| (Ok(event), tail)) })
    }

    /// The next event; `None` ends the stream, and the client resumes it.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(recorded) = self.read.pop_front() {
                self.after = recorded.seq;
                let event = Event::default().id(recorded.seq.to_string()).event("history");
                return event.json_data(&recorded).ok();
            }
            self.changes.mark_unchanged();
            match self.record.events_after(self.after, BATCH).await {
                Ok(events) if !events.is_empty() => self.read.extend(events),
                Ok(_) => self.wait().await?,
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "an event stream ended");
                    return None;
                }
            }
        }
    }

    async fn wait(&mut self) -> Option<()> {
        tokio::select! {
            () = self.cancel.cancelled() => None,
            () = tokio::time::sleep_until(self.ends) => None,
            // Cancel safe: a change that is not noticed here is noticed at the next wait.
            changed = self.changes.changed() => changed.ok(),
            () = tokio::time::sleep(LOOK_EVERY) => Some(()),
        }
    }
}
