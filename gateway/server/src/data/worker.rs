//! A worker: one thread, one runtime, one listener.
//!
//! Tasks: the accept loop; one for each caller's connection (tracked, waited for in a drain); one that sweeps idle
//! upstream connections (tracked, ended with the pool); one that sends at the end of each turn (tracked, ended last); one
//! for each copy of a request that another model is sent (tracked, ended with the drain).

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::dial::Tls;
use super::dice::Dice;
use super::guard::{Guarded, Mark};
use super::pool::Pool;
use super::shadow::Shadows;
use super::turn::{Gathered, Turn};
use super::{DataConfig, Serving, service};
use crate::access::Sheet;
use crate::cache::Caches;
use crate::gauges::WorkerGauges;
use crate::guardrails::Judges;
use crate::limits::Limits;

/// Bytes of a request's head, and of what is written or read ahead.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// Wait after a failed accept, which means that descriptors or memory ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What all requests of a worker share.
pub(super) struct Worker {
    pub(super) config: DataConfig,
    pub(super) serving: Arc<dyn Serving>,
    pub(super) limits: Arc<Limits>,
    pub(super) caches: Arc<Caches>,
    pub(super) pool: Arc<Pool>,
    turn: Arc<Turn>,
    pub(super) judges: Arc<Judges>,
    pub(super) dice: Dice,
    pub(super) gauges: Arc<WorkerGauges>,
    pub(super) access: Option<Arc<Sheet>>,
    pub(super) shadows: Shadows,
    pub(super) drain: CancellationToken,
}

impl Worker {
    pub(super) fn new(
        config: DataConfig,
        serving: Arc<dyn Serving>,
        limits: Arc<Limits>,
        caches: Arc<Caches>,
        tls: Tls,
        drain: CancellationToken,
    ) -> Self {
        let gauges = config.gauges.worker();
        let turn = Arc::new(Turn::default());
        let pool = Arc::new(Pool::new(tls, Arc::clone(&turn), Arc::clone(&gauges)));
        let access = config.access_log.sheet();
        let (judges, dice, shadows) = (Arc::default(), Dice::new(), Shadows::default());
        Self { config, serving, limits, caches, pool, turn, judges, dice, gauges, access, shadows, drain }
    }
}

/// Starts a worker's thread.
pub(super) fn start(
    index: usize,
    worker: Worker,
    listener: std::net::TcpListener,
) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _context = runtime.enter();
        TcpListener::from_std(listener)?
    };
    std::thread::Builder::new().name(format!("data-{index}")).spawn(move || {
        runtime.block_on(run(Arc::new(worker), listener));
        // Whatever outlived the drain's deadline ends here, without waiting for a look-up that hangs.
        runtime.shutdown_background();
    })
}

async fn run(worker: Arc<Worker>, listener: TcpListener) {
    let connections = TaskTracker::new();
    // Not among the connections, for which a drain waits.
    let sweeper = TaskTracker::new().spawn({
        let pool = Arc::clone(&worker.pool);
        async move { pool.sweep_for_ever().await }
    });
    let flusher = TaskTracker::new().spawn({
        let turn = Arc::clone(&worker.turn);
        async move { turn.flush_for_ever().await }
    });
    accept(&worker, &listener, &connections).await;
    drop(listener);
    connections.close();
    if tokio::time::timeout(worker.config.drain_deadline, connections.wait()).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "the drain's deadline passed: closing what still runs"
        );
    }
    worker.shadows.end().await;
    sweeper.abort();
    flusher.abort();
    worker.turn.flush();
    worker.pool.clear();
}

async fn accept(worker: &Arc<Worker>, listener: &TcpListener, connections: &TaskTracker) {
    let slots = Arc::new(Semaphore::new(worker.config.connections_max));
    loop {
        // Both arms may be dropped at any point: nothing was taken from the socket yet.
        let accepted = tokio::select! {
            biased;
            () = worker.drain.cancelled() => return,
            accepted = accept_one(listener, &slots) => accepted,
        };
        match accepted {
            Ok((stream, peer, slot)) => {
                let worker = Arc::clone(worker);
                // Two kinds of task: a connection in clear is none the larger for the other kind.
                if worker.config.tls.is_some() {
                    connections.spawn(secure_connection(worker, stream, peer, slot));
                } else {
                    connections.spawn(connection(worker, stream, peer, slot));
                }
            }
            // A caller that left while it waited in the queue is no reason to let the others wait.
            Err(error) if is_callers(&error) => {
                tracing::trace!(%error, "a caller left before it was accepted");
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Waits for a free slot first: a caller beyond the cap waits in the kernel's queue.
async fn accept_one(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, IpAddr, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    if let Err(error) = stream.set_nodelay(true) {
        tracing::trace!(%error, "a caller left as it was accepted");
    }
    Ok((stream, peer.ip(), slot))
}

fn is_callers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

async fn connection(worker: Arc<Worker>, stream: TcpStream, peer: IpAddr, _slot: OwnedSemaphorePermit) {
    let _open = worker.gauges.connection();
    serve(worker, stream, peer).await;
}

/// The handshake is part of the connection's own task: a caller that is silent in it holds up nobody.
async fn secure_connection(
    worker: Arc<Worker>,
    stream: TcpStream,
    peer: IpAddr,
    _slot: OwnedSemaphorePermit,
) {
    let _open = worker.gauges.connection();
    let Some(tls) = worker.config.tls.clone() else { return };
    let drain = worker.drain.clone();
    match drain.run_until_cancelled(tls.accept(stream, worker.config.deadlines.handshake)).await {
        Some(Ok(stream)) => serve(worker, stream, peer).await,
        Some(Err(error)) => tracing::debug!(%error, "no TLS handshake with a caller"),
        None => {}
    }
}

async fn serve<S>(worker: Arc<Worker>, stream: S, peer: IpAddr)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mark = Arc::new(Mark::new(peer));
    let stream = Gathered::new(stream, Arc::clone(&worker.turn));
    let stream = TokioIo::new(Guarded::new(stream, Arc::clone(&mark), worker.config.deadlines));
    let respond = service_fn(|request| {
        let (worker, mark) = (Arc::clone(&worker), Arc::clone(&mark));
        async move { Ok::<_, Infallible>(service::respond(worker, mark, request).await) }
    });
    let serving = http1::Builder::new()
        // The guard holds the deadlines: hyper's own would also run between two requests.
        .header_read_timeout(None)
        // Header lines stay at hyper's own most, 100: set to the same, it would clear room for them with each request.
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(stream, respond);
    tokio::pin!(serving);
    // The connection's future keeps its state when it is not the arm that ends.
    let ended = tokio::select! {
        ended = serving.as_mut() => Some(ended),
        () = worker.drain.cancelled() => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::trace!(%error, "a caller's connection ended early");
    }
}
