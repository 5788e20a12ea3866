//! The data plane: callers in, providers out.
//!
//! In: connections on the data port, and the snapshot that each request loads once. Out: answers, and an
//! [`crate::recorder::Outcome`] for each. Every worker is one thread with its own single-threaded runtime, its own
//! listener on the shared port (`SO_REUSEPORT`) and its own upstream connections, so that requests meet no lock that
//! another core holds for long.
//!
//! Reading order: [`worker`] (accepting and draining), [`turn`] (when it sends), [`guard`] (what may come in on a
//! connection), [`service`] (a request, from arrival to answer), [`caller`] (who asks), [`attempts`] (retry and failover),
//! [`outbound`] (one request upstream), [`answer`] (what came back), [`relay`] (a stream to the caller), [`account`] (what
//! it came to).

mod account;
mod admission;
mod answer;
mod ask;
mod attempts;
mod body;
mod cached;
mod caller;
mod dial;
pub(crate) mod dice;
mod endpoint;
mod events;
mod explain;
mod framing;
mod guard;
mod guarded;
mod marks;
mod models;
mod outbound;
mod patience;
mod pool;
mod reading;
mod refusal;
mod relay;
mod request_id;
mod service;
mod shadow;
mod trail;
mod turn;
mod upstream;
mod worker;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio_util::sync::CancellationToken;

use crate::access::AccessLog;
use crate::cache::Caches;
use crate::gauges::Gauges;
use crate::generation::Snapshot;
use crate::health::Health;
use crate::limits::Limits;
use crate::telemetry::Telemetry;
use crate::tls::Acceptor;

pub use guard::Deadlines;

/// Largest request body accepted.
pub const BODY_BYTES_MAX: u64 = 10 * 1024 * 1024;
/// Connections a worker holds at once.
pub const CONNECTIONS_MAX: usize = 8_192;
/// How long requests under way may go on after the drain began.
pub const DRAIN_DEADLINE: Duration = Duration::from_secs(30);
/// Connections waiting to be accepted.
const BACKLOG: i32 = 1_024;

/// Settings of the data plane.
#[derive(Debug, Clone)]
pub struct DataConfig {
    /// Where callers connect. Port 0: any free one.
    pub listen: SocketAddr,
    /// Worker threads. Absent: one for each processor this process may use, its control group's quota included.
    pub workers: Option<usize>,
    /// Largest request body accepted.
    pub body_bytes_max: u64,
    /// Connections a worker holds at once.
    pub connections_max: usize,
    /// How slow a client may be.
    pub deadlines: Deadlines,
    /// How long requests under way may go on after the drain began.
    pub drain_deadline: Duration,
    /// TLS towards callers. Absent: HTTP in clear.
    pub tls: Option<Acceptor>,
    /// Counts what is open, for the metrics page.
    pub gauges: Arc<Gauges>,
    /// Where each request's line goes.
    pub access_log: AccessLog,
    /// How targets do, over all workers and documents.
    pub health: Arc<Health>,
    /// Takes the traces of sampled requests. Absent: none is sampled.
    pub telemetry: Option<Arc<Telemetry>>,
}

impl DataConfig {
    /// The safe defaults, on an address.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            workers: None,
            body_bytes_max: BODY_BYTES_MAX,
            connections_max: CONNECTIONS_MAX,
            deadlines: Deadlines::DEFAULT,
            drain_deadline: DRAIN_DEADLINE,
            tls: None,
            gauges: Arc::default(),
            access_log: AccessLog::off(),
            health: Arc::default(),
            telemetry: None,
        }
    }
}

/// Where requests find what is served.
pub trait Serving: Send + Sync + 'static {
    /// Everything that is served now. Called once a request.
    fn snapshot(&self) -> Arc<Snapshot>;
}

impl Serving for arc_swap::ArcSwap<Snapshot> {
    fn snapshot(&self) -> Arc<Snapshot> {
        self.load_full()
    }
}

/// Why the data plane cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is taken, or not ours to take.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A thread or its runtime could not be made.
    #[error("cannot start worker {index}")]
    Worker {
        /// Which.
        index: usize,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The running data plane.
#[derive(Debug)]
pub struct DataPlane {
    address: SocketAddr,
    threads: Vec<JoinHandle<()>>,
}

impl DataPlane {
    /// Starts all workers. When `drain` is cancelled they stop accepting, finish the requests under way up to the
    /// deadline, and end.
    ///
    /// # Errors
    /// When the port cannot be listened on, or a thread cannot be made. Nothing is left running then.
    pub fn start(
        config: &DataConfig,
        serving: &Arc<dyn Serving>,
        limits: &Arc<Limits>,
        drain: &CancellationToken,
    ) -> Result<Self, StartError> {
        let tls = dial::Tls::default();
        let caches = Arc::<Caches>::default();
        let count = config.workers.unwrap_or_else(processors).max(1);
        let failed = |address| move |source| StartError::Listen { address, source };
        refuse_taken(config.listen).map_err(failed(config.listen))?;
        let first = listener(config.listen).map_err(failed(config.listen))?;
        let address = first.local_addr().map_err(failed(config.listen))?;
        let mut listeners = vec![first];
        for _ in 1..count {
            listeners.push(listener(address).map_err(failed(address))?);
        }
        let mut threads = Vec::with_capacity(count);
        // Until every thread stands: a failure half way stops those that do.
        let stop_on_failure = drain.child_token().drop_guard();
        for (index, listener) in listeners.into_iter().enumerate() {
            let worker = worker::Worker::new(
                config.clone(),
                Arc::clone(serving),
                Arc::clone(limits),
                Arc::clone(&caches),
                tls.clone(),
                drain.clone(),
            );
            let thread = worker::start(index, worker, listener);
            threads.push(thread.map_err(|source| StartError::Worker { index, source })?);
        }
        drop(stop_on_failure.disarm());
        Ok(Self { address, threads })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until every worker has ended, which they do after a drain. Blocks the thread.
    pub fn join(self) {
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a worker of the data plane ended by a panic");
            }
        }
    }
}

/// Processors this process may use. The standard library counts the control group's quota in.
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Fails when somebody listens there already. Listeners that share a port would otherwise share it with another
/// gateway too, and each would get a part of the other's callers.
fn refuse_taken(address: SocketAddr) -> io::Result<()> {
    if address.port() == 0 {
        return Ok(());
    }
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Not for connections that linger after a restart: those do not listen.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())
}

/// One of several listeners on the same port; the kernel spreads connections over them.
fn listener(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
