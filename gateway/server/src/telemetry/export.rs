//! Posting to a collector, and the task that posts spans.
//!
//! A post that fails for a while is tried again with growing waits, as OTLP asks; while it waits the queue fills up,
//! and what does not fit is dropped and counted by whoever offers it.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::encode;
use super::settings::{Batch, Endpoint};
use super::trace::Finished;
use crate::gauges::Gauges;

/// Attempts at one post.
const ATTEMPTS_MAX: u32 = 5;
/// The wait before the second; doubled for each further one.
const WAIT: Duration = Duration::from_secs(1);
/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// How long the last posts may take at the end.
pub(super) const END_WITHIN: Duration = Duration::from_secs(5);

/// Why nothing can be posted.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No client could be made.
    #[error("no client for OTLP can be made")]
    Client(#[source] reqwest::Error),
}

/// Why a post failed.
#[derive(Debug, thiserror::Error)]
enum PostError {
    #[error("the collector cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("the collector answered {0}")]
    Refused(StatusCode, Option<Duration>),
}

impl PostError {
    /// Whether the same may be posted again, as OTLP has it.
    fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Refused(status, _) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
        }
    }
}

/// Posts one signal.
pub(super) struct Post {
    signal: &'static str,
    client: reqwest::Client,
    endpoint: Endpoint,
    is_failing: bool,
}

impl Post {
    pub(super) fn new(signal: &'static str, endpoint: Endpoint) -> Result<Self, StartError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        for (name, value) in &endpoint.headers {
            let pair = (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.expose()));
            if let (Ok(name), Ok(mut value)) = pair {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
        }
        let client = reqwest::Client::builder()
            .default_headers(headers)
            // The headers are for the declared place only.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(endpoint.timeout)
            .build()
            .map_err(StartError::Client)?;
        Ok(Self { signal, client, endpoint, is_failing: false })
    }

    /// Posts a message, as often as it takes, until `by`. Says whether it arrived.
    pub(super) async fn send(&mut self, message: &impl Message, by: Option<Instant>) -> bool {
        let bytes = bytes::Bytes::from(message.encode_to_vec());
        let mut wait = WAIT;
        for attempt in 1..=ATTEMPTS_MAX {
            let error = match self.once(bytes.clone()).await {
                Ok(()) => {
                    self.tell(None);
                    return true;
                }
                Err(error) => error,
            };
            self.tell(Some(&error));
            let asked = if let PostError::Refused(_, asked) = &error { *asked } else { None };
            let pause = asked.unwrap_or(wait).min(WAIT_MAX);
            let has_time = by.is_none_or(|by| Instant::now() + pause < by);
            if attempt == ATTEMPTS_MAX || !error.may_pass() || !has_time {
                break;
            }
            tokio::time::sleep(pause).await;
            wait *= 2;
        }
        false
    }

    async fn once(&self, bytes: bytes::Bytes) -> Result<(), PostError> {
        let sent = self.client.post(self.endpoint.url.clone()).body(bytes).send().await;
        // Without the address, which may hold what is nobody's business.
        let response = sent.map_err(|error| PostError::Unreachable(error.without_url()))?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        Err(PostError::Refused(status, asked.map(Duration::from_secs)))
    }

    /// Says when posting begins to fail and when it works again, and nothing in between.
    fn tell(&mut self, error: Option<&PostError>) {
        let was_failing = std::mem::replace(&mut self.is_failing, error.is_some());
        match error {
            Some(error) if !was_failing => {
                let cause = std::error::Error::source(error).map(tracing::field::display);
                tracing::warn!(signal = self.signal, %error, cause, "telemetry does not arrive");
            }
            None if was_failing => tracing::info!(signal = self.signal, "telemetry arrives again"),
            _ => {}
        }
    }
}

/// The task that posts spans.
pub(super) struct Export {
    post: Post,
    resource: Resource,
    waiting: mpsc::Receiver<Finished>,
    gathered: Vec<Finished>,
    batch: Batch,
    gauges: Arc<Gauges>,
}

impl Export {
    pub(super) const fn new(
        post: Post,
        resource: Resource,
        waiting: mpsc::Receiver<Finished>,
        batch: Batch,
        gauges: Arc<Gauges>,
    ) -> Self {
        Self { post, resource, waiting, gathered: Vec::new(), batch, gauges }
    }

    /// Posts until the end, and then what is left.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        while stop.run_until_cancelled(self.gather()).await.is_some() {
            let finished = std::mem::take(&mut self.gathered);
            let sent = stop.run_until_cancelled(self.send(&finished, None)).await;
            // A post that the end cut off is made again: whoever takes spans knows them by their ids.
            let unsent = match sent {
                Some(unsent) => unsent,
                None => self.send_last(&finished, Instant::now() + END_WITHIN).await,
            };
            self.count(unsent);
        }
        self.waiting.close();
        let by = Instant::now() + END_WITHIN;
        let mut finished = std::mem::take(&mut self.gathered);
        while !finished.is_empty() || self.waiting.recv_many(&mut finished, self.batch.spans_max).await > 0 {
            let unsent = self.send_last(&finished, by).await;
            self.count(unsent);
            finished.clear();
        }
    }

    /// Waits for the first, and lets others come together with it. Cancel safe: what was taken stays in `gathered`.
    async fn gather(&mut self) {
        let most = self.batch.spans_max;
        if self.gathered.is_empty() && self.waiting.recv_many(&mut self.gathered, most).await == 0 {
            // Nobody is left who could offer any; the end is near.
            std::future::pending::<()>().await;
        }
        let by = Instant::now() + self.batch.delay;
        while self.gathered.len() < most && Instant::now() < by {
            let room = most - self.gathered.len();
            let more = self.waiting.recv_many(&mut self.gathered, room);
            if !matches!(tokio::time::timeout_at(by, more).await, Ok(1..)) {
                return;
            }
        }
    }

    async fn send_last(&mut self, finished: &[Finished], by: Instant) -> usize {
        tokio::time::timeout_at(by, self.send(finished, Some(by))).await.unwrap_or(finished.len())
    }

    /// Says how many did not arrive.
    async fn send(&mut self, finished: &[Finished], by: Option<Instant>) -> usize {
        if finished.is_empty() {
            return 0;
        }
        let arrived = self.post.send(&encode::traces(&self.resource, finished), by).await;
        if arrived { 0 } else { finished.len() }
    }

    fn count(&self, unsent: usize) {
        self.gauges.count_dropped_spans(unsent as u64);
    }
}
