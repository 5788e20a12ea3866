//! The listener: bounded connections, bounded waits, a clean end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Connections served at once; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 512;
/// Longest wait for a request's head, also on an idle connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Largest request head.
const HEAD_BYTES_MAX: usize = 32 << 10;
/// How long requests under way may take after the end was called.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause after the kernel had no connection to give (out of descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the web could not be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener has no address.
    #[error("the listener's own address cannot be read")]
    Address(#[source] std::io::Error),
}

/// Accepts until cancelled, then lets requests under way finish.
pub(crate) async fn accept(listener: TcpListener, router: Router, cancel: CancellationToken) {
    let tracker = TaskTracker::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let place = tokio::select! {
            () = cancel.cancelled() => break,
            // The semaphore is never closed.
            place = Arc::clone(&places).acquire_owned() => match place { Ok(place) => place, Err(_) => break },
        };
        let accepted = tokio::select! {
            () = cancel.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (router, cancel) = (router.clone(), cancel.clone());
                tracker.spawn(async move {
                    connection(stream, peer, router, cancel).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "no connection could be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    tracker.close();
    tracker.wait().await;
}

async fn connection(stream: TcpStream, peer: SocketAddr, router: Router, cancel: CancellationToken) {
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_header_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = cancel.cancelled() => {
            serving.as_mut().graceful_shutdown();
            match tokio::time::timeout(DRAIN_TIMEOUT, serving).await {
                Ok(ended) => ended,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = ended {
        // Callers hang up; that is theirs to do.
        tracing::debug!(%peer, error = &error as &dyn std::error::Error, "a connection broke off");
    }
}
