//! The store that replicas count in together: Redis.
//!
//! Requests never speak to it. A counter that needs something from it (allowance, because what was taken is used up;
//! to give back; to tell what was overspent) leaves its name at the [`Desk`], and a thread of its own attends to it: it
//! asks the counter what to say, carries that to the store in one script, and takes the answer back, until the counter
//! has nothing more to say. What is said and what an answer means is decided in [`super::lease`]; a request waits for
//! it at most [`super::reservation::WAIT_MAX`].
//!
//! [`link`] holds the connection and notices its loss; [`attend`] is the conversation about one counter; [`script`] is
//! what the store itself does, in one step that nobody can come between.

mod attend;
mod link;
mod script;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use moorline_config::document::WhenLost;
use moorline_config::{GatewayName, Secret};
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::registry::Registry;
use super::{Counter, WindowClock};

/// The store that a document declares for its limits.
#[derive(Debug)]
pub struct Declared {
    /// Its URL; nothing when the reference to it has no value here, which is as if it were lost for good.
    pub url: Option<Secret>,
    /// Whose counters: those of gateways of the same name are the same.
    pub gateway: GatewayName,
    /// What happens while it cannot be reached.
    pub when_lost: WhenLost,
}

/// How many stores are lost now, for the metrics page.
#[derive(Debug, Default)]
pub struct Health {
    lost: AtomicU64,
}

impl Health {
    /// Stores that cannot be reached now.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// A store that is in use.
pub struct Store {
    /// Its counters.
    pub registry: Arc<Registry>,
    thread: Mutex<Option<JoinHandle<()>>>,
    stop: DropGuard,
}

/// Where counters ask for attention, and what they may know of the store.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// Each counter at most once: it asks only when nobody attends to it.
    calls: Mutex<Vec<Arc<Counter>>>,
    bell: Notify,
    lost: AtomicBool,
    /// Nobody attends any more.
    closed: AtomicBool,
    /// Goes up each time the store is found again.
    life: AtomicU64,
}

impl Desk {
    /// Asks for attention to a counter.
    pub(super) fn call(&self, counter: Arc<Counter>) {
        if self.closed.load(Ordering::Acquire) {
            counter.lose();
            return;
        }
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(counter);
        self.bell.notify_one();
    }

    fn close(&self) {
        self.lost.store(true, Ordering::Relaxed);
        self.closed.store(true, Ordering::Release);
        for counter in self.take_calls() {
            counter.lose();
        }
    }

    /// Whether the store cannot be reached now.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    fn life(&self) -> u64 {
        self.life.load(Ordering::Relaxed)
    }

    fn take_calls(&self) -> Vec<Arc<Counter>> {
        std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Store {
    /// Begins to use a store. Never fails and never waits: one that cannot be reached is lost, and looked for again.
    pub(super) fn open(
        declared: &Declared,
        replica: &str,
        clock: &WindowClock,
        health: &Arc<Health>,
    ) -> Self {
        let desk = Arc::new(Desk { life: AtomicU64::new(1), ..Desk::default() });
        let prefix = format!("moorline:{}:limits:", declared.gateway);
        let registry = Arc::new(Registry::shared(Arc::clone(&desk), prefix.clone()));
        let stop = CancellationToken::new();
        let link = link::Link {
            url: declared.url.clone(),
            replica: replica.to_owned(),
            channel: format!("{prefix}recall"),
            desk,
            registry: Arc::clone(&registry),
            clock: clock.clone(),
            health: Arc::clone(health),
        };
        let thread = link::start(link, stop.clone());
        Self { registry, thread: Mutex::new(thread), stop: stop.drop_guard() }
    }

    /// Gives back what is held and not used, and ends. Blocks for a moment.
    pub(super) fn close(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.stop.token().cancel();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the limit store's thread ended by a panic");
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Store")
    }
}
