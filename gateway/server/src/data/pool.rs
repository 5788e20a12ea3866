//! Upstream connections of one worker, kept for reuse.
//!
//! A [`Lease`] is the only way to a connection. Dropping a lease closes its connection at once, whatever it was doing:
//! that is how a request that is no longer wanted ends at the provider. Only a lease whose answer was read to its end
//! goes back ([`Lease::give_back`]).

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::body::UpstreamBody;
use super::dial::{self, Stream, Tls};
use crate::routing::Origin;

/// Idle connections kept to one origin.
const IDLE_MAX: usize = 256;
/// How long one is kept. Below the 60 s at which the usual server closes.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);
/// How long one that was given back may take to be ready: an upstream that answered without reading all of a request
/// leaves a connection that may never be.
const READY_WITHIN: Duration = Duration::from_millis(100);
/// How often idle ones are swept.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// Why no connection could be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    /// It took too long.
    #[error("connecting to {origin} took longer than {limit:?}")]
    Timeout {
        /// Where.
        origin: Origin,
        /// The clock that ran out.
        limit: Duration,
    },
    /// It failed.
    #[error("cannot connect to {origin}")]
    Failed {
        /// Where.
        origin: Origin,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The connection came up and broke off.
    #[error("the connection to {origin} broke off at once")]
    Handshake {
        /// Where.
        origin: Origin,
        /// Why.
        #[source]
        source: hyper::Error,
    },
}

/// Upstream connections of one worker.
pub(super) struct Pool {
    idle: Mutex<HashMap<Origin, Vec<Idle>>>,
    tls: Tls,
    tracker: TaskTracker,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

struct Connection {
    origin: Origin,
    sender: SendRequest<UpstreamBody>,
    /// Whether the upstream has said anything since the present request was begun.
    heard: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Pool {
    pub(super) fn new(tls: Tls) -> Self {
        Self { idle: Mutex::default(), tls, tracker: TaskTracker::new() }
    }

    /// Where the pool's own tasks are counted.
    pub(super) const fn tracker(&self) -> &TaskTracker {
        &self.tracker
    }

    /// An idle connection to `origin`, the one used last first, or nothing.
    pub(super) async fn idle(self: &Arc<Self>, origin: &Origin) -> Option<Lease> {
        while let Some(mut connection) = self.pop(origin) {
            // Ready at once, but for the turn its own task needs after the last answer's end.
            let ready = tokio::time::timeout(READY_WITHIN, connection.sender.ready()).await;
            if matches!(ready, Ok(Ok(()))) {
                connection.heard.store(false, Ordering::Relaxed);
                return Some(Lease { connection, pool: Arc::clone(self), is_reused: true });
            }
        }
        None
    }

    fn pop(&self, origin: &Origin) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let found = idle.get_mut(origin)?.pop()?;
        drop(idle);
        (found.since.elapsed() < IDLE_TIMEOUT).then_some(found.connection)
    }

    /// A new connection to `origin`.
    pub(super) async fn connect(
        self: &Arc<Self>,
        origin: &Origin,
        limit: Duration,
    ) -> Result<Lease, ConnectError> {
        let reached = tokio::time::timeout(limit, dial::dial(origin, &self.tls)).await;
        let stream = reached
            .map_err(|_| ConnectError::Timeout { origin: origin.clone(), limit })?
            .map_err(|source| ConnectError::Failed { origin: origin.clone(), source })?;
        let heard = Arc::new(AtomicBool::new(false));
        let stream = TokioIo::new(Listening { stream, heard: Arc::clone(&heard) });
        let (sender, connection) = http1::handshake(stream)
            .await
            .map_err(|source| ConnectError::Handshake { origin: origin.clone(), source })?;
        let task = self.tracker.spawn(async move {
            if let Err(error) = connection.await {
                tracing::trace!(%error, "an upstream connection ended early");
            }
        });
        let connection = Connection { origin: origin.clone(), sender, heard, task: task.abort_handle() };
        Ok(Lease { connection, pool: Arc::clone(self), is_reused: false })
    }

    /// Closes connections that were idle for too long, until it is cancelled.
    pub(super) async fn sweep_for_ever(&self) {
        let mut tick = tokio::time::interval(SWEEP_EVERY);
        loop {
            tick.tick().await;
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.retain(|_, connections| {
                connections.retain(|idle| {
                    !idle.connection.sender.is_closed() && idle.since.elapsed() < IDLE_TIMEOUT
                });
                !connections.is_empty()
            });
        }
    }

    /// Closes all idle connections.
    pub(super) fn clear(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// One request's use of a connection.
pub(super) struct Lease {
    connection: Connection,
    pool: Arc<Pool>,
    /// Whether the connection served another request before.
    pub(super) is_reused: bool,
}

impl Lease {
    /// Where the connection leads.
    pub(super) const fn origin(&self) -> &Origin {
        &self.connection.origin
    }

    /// Whether the upstream has said anything in answer.
    pub(super) fn was_heard(&self) -> bool {
        self.connection.heard.load(Ordering::Relaxed)
    }

    /// What sends the request.
    pub(super) const fn sender(&mut self) -> &mut SendRequest<UpstreamBody> {
        &mut self.connection.sender
    }

    /// Gives the connection back for reuse: its answer was read to the end.
    pub(super) fn give_back(self) {
        let Self { connection, pool, .. } = self;
        if connection.sender.is_closed() {
            return;
        }
        let mut idle = pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connections) = idle.get_mut(&connection.origin) {
            if connections.len() < IDLE_MAX {
                connections.push(Idle { connection, since: Instant::now() });
            }
        } else {
            idle.insert(connection.origin.clone(), vec![Idle { connection, since: Instant::now() }]);
        }
    }
}

/// Notes whether anything came in.
struct Listening {
    stream: Box<dyn Stream>,
    heard: Arc<AtomicBool>,
}

impl AsyncRead for Listening {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            this.heard.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Listening {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
