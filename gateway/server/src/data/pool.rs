//! Upstream connections of one worker, kept for reuse.
//!
//! A [`Lease`] is the only way to a connection. Dropping a lease closes its connection at once, whatever it was doing:
//! that is how a request that is no longer wanted ends at the provider. Only a lease whose answer was read to its end
//! goes back ([`Lease::give_back`]).

use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hashbrown::HashMap;

use super::dial::{self, Tls};
use super::turn::{Gathered, Turn};
use super::upstream::Connection;
use crate::gauges::{UpstreamConnection, WorkerGauges};
use crate::routing::Origin;

/// Idle connections kept to one origin.
const IDLE_MAX: usize = 256;
/// How often idle ones are swept. Their age is counted in sweeps, so that using one reads no clock.
const SWEEP_EVERY: Duration = Duration::from_secs(10);
/// How many sweeps one is kept for: 40 to 50 s, below the 60 s at which the usual server closes.
const SWEEPS_MAX: u64 = 5;

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
}

/// Upstream connections of one worker.
pub(super) struct Pool {
    idle: Mutex<HashMap<Origin, Vec<Idle>>>,
    sweeps: AtomicU64,
    tls: Tls,
    turn: Arc<Turn>,
    gauges: Arc<WorkerGauges>,
}

struct Idle {
    connection: Connection,
    counted: UpstreamConnection,
    /// The number of sweeps when it was given back.
    since: u64,
}

impl Idle {
    fn is_fresh(&mut self, sweeps: u64) -> bool {
        sweeps.saturating_sub(self.since) < SWEEPS_MAX && self.connection.is_idle()
    }
}

impl Pool {
    pub(super) fn new(tls: Tls, turn: Arc<Turn>, gauges: Arc<WorkerGauges>) -> Self {
        Self { idle: Mutex::default(), sweeps: AtomicU64::new(0), tls, turn, gauges }
    }

    fn sweeps(&self) -> u64 {
        self.sweeps.load(Ordering::Relaxed)
    }

    /// An idle connection to `origin`, the one used last first, or nothing.
    pub(super) fn idle(self: &Arc<Self>, origin: &Origin) -> Option<Lease> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.get_mut(origin)?;
        while let Some(mut found) = kept.pop() {
            self.gauges.upstream_idle(-1);
            if found.is_fresh(self.sweeps()) {
                let (Idle { connection, counted, .. }, pool) = (found, Arc::clone(self));
                return Some(Lease { connection, counted, origin: origin.clone(), pool, is_reused: true });
            }
        }
        None
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
        let stream = Gathered::new(stream, Arc::clone(&self.turn));
        let (connection, counted, pool) = (Connection::new(stream), self.gauges.upstream(), Arc::clone(self));
        Ok(Lease { connection, counted, origin: origin.clone(), pool, is_reused: false })
    }

    /// Closes connections that were idle for too long, until it is cancelled.
    pub(super) async fn sweep_for_ever(&self) {
        let mut tick = tokio::time::interval(SWEEP_EVERY);
        loop {
            tick.tick().await;
            let sweeps = self.sweeps.fetch_add(1, Ordering::Relaxed) + 1;
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.retain(|_, connections| {
                connections.retain_mut(|idle| {
                    let is_kept = idle.is_fresh(sweeps);
                    self.gauges.upstream_idle(if is_kept { 0 } else { -1 });
                    is_kept
                });
                !connections.is_empty()
            });
        }
    }

    /// Closes all idle connections.
    pub(super) fn clear(&self) {
        let closed = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        closed.values().flatten().for_each(|_| self.gauges.upstream_idle(-1));
    }
}

/// One request's use of a connection.
pub(super) struct Lease {
    connection: Connection,
    counted: UpstreamConnection,
    origin: Origin,
    pool: Arc<Pool>,
    /// Whether the connection served another request before.
    pub(super) is_reused: bool,
}

impl Lease {
    /// Where the connection leads.
    pub(super) const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Gives the connection back for reuse: its answer was read to the end.
    pub(super) fn give_back(self) {
        let Self { mut connection, counted, origin, pool, .. } = self;
        if !connection.is_idle() {
            return;
        }
        let mut idle = pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let given = Idle { connection, counted, since: pool.sweeps() };
        match idle.get_mut(&origin) {
            Some(connections) if connections.len() >= IDLE_MAX => return,
            Some(connections) => connections.push(given),
            None => drop(idle.insert(origin, vec![given])),
        }
        pool.gauges.upstream_idle(1);
    }
}

impl Deref for Lease {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}
