//! History as it happens: server-sent events, resumed after `Last-Event-ID`. Between them the stream says the daemon's
//! time, at once and every few seconds: who follows it knows by that that the daemon is there.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{Stream, unfold};
use jiff::Timestamp;
use moorline_api::Nothing;
use moorline_record::{Record, Recorded, Sequence};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

use super::lists::shown;
use crate::call::Call;
use crate::problem::Problem;

/// Streams open at once.
pub(crate) const STREAMS_MAX: usize = 64;
/// Events read at a time.
const BATCH: usize = 100;
/// How soon what another process wrote is seen. What this one wrote is seen at once.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often the stream says that the daemon is there; the console counts on 5 seconds at most.
const CLOCK_EVERY: Duration = Duration::from_secs(4);
/// How long one stream lasts. A browser comes back by itself, and is asked again who it is.
const STREAM_TIMEOUT: Duration = Duration::from_secs(600);

/// `GET /events`
pub(crate) async fn events(call: Call<Nothing, Nothing>) -> Result<Response, Problem> {
    let Call { app, headers, .. } = call;
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
        clock: app.web.clock,
        next_clock: tokio::time::Instant::now(),
        _place: place,
    };
    // A proxy in front must not buffer the stream.
    Ok(([("x-accel-buffering", "no")], Sse::new(tail.stream())).into_response())
}

/// The end of the history, followed.
struct Tail {
    record: Record,
    changes: watch::Receiver<u64>,
    after: Sequence,
    read: VecDeque<Recorded>,
    cancel: CancellationToken,
    ends: tokio::time::Instant,
    clock: fn() -> Timestamp,
    /// When the daemon's time is sent next.
    next_clock: tokio::time::Instant,
    _place: OwnedSemaphorePermit,
}

impl Tail {
    fn stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        unfold(self, |mut tail| async move { tail.next().await.map(|event| (Ok(event), tail)) })
    }

    /// The next event; `None` ends the stream, and the client resumes it.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let instant = tokio::time::Instant::now();
            if self.next_clock <= instant {
                self.next_clock = instant + CLOCK_EVERY;
                return Some(Event::default().event("clock").data((self.clock)().to_string()));
            }
            if let Some(recorded) = self.read.pop_front() {
                self.after = recorded.seq;
                let event = Event::default().id(recorded.seq.to_string()).event("history");
                return event.json_data(shown(recorded)).ok();
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
            () = tokio::time::sleep_until(self.next_clock) => Some(()),
            () = tokio::time::sleep(LOOK_EVERY) => Some(()),
        }
    }
}
