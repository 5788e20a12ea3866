//! The tasks of one part of a test: they end when the part is dropped.

use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// Tasks, and the word that ends them.
#[derive(Debug)]
pub struct Tasks {
    tracker: TaskTracker,
    cancel: CancellationToken,
    _ends: DropGuard,
}

impl Tasks {
    /// No tasks yet.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "tasks without an owner are no default of anything")]
    pub fn new() -> Self {
        let cancel = CancellationToken::new();
        Self { tracker: TaskTracker::new(), cancel: cancel.clone(), _ends: cancel.drop_guard() }
    }

    /// Runs work until it ends or its owner is dropped.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let cancel = self.cancel.clone();
        self.tracker.spawn(async move {
            tokio::select! {
                () = cancel.cancelled() => {}
                () = work => {}
            }
        });
    }

    /// A handle that can spawn more.
    #[must_use]
    pub fn spawner(&self) -> Spawner {
        Spawner { tracker: self.tracker.clone(), cancel: self.cancel.clone() }
    }

    /// Ends all tasks and waits for them.
    pub async fn stop(&self) {
        self.cancel.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// Spawns into someone's tasks.
#[derive(Debug, Clone)]
pub struct Spawner {
    tracker: TaskTracker,
    cancel: CancellationToken,
}

impl Spawner {
    /// Runs work until it ends or the tasks' owner is dropped.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let cancel = self.cancel.clone();
        self.tracker.spawn(async move {
            tokio::select! {
                () = cancel.cancelled() => {}
                () = work => {}
            }
        });
    }
}
