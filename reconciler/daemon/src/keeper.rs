//! One environment's keeper: the task that runs its cycles, one after the other.
//!
//! It wakes when its bell is rung or its next check is due. A cycle that moved something is followed by another at
//! once; a cycle that failed is followed by another after a growing pause. The keeper decides nothing.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use jiff::Timestamp;
use moorline_cycle::touched::touched;
use moorline_cycle::{ActError, Cycle, CycleError, Requeue, SourceStatus};
use moorline_model::EnvironmentName;
use tokio::sync::{Mutex, Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::shared::Shared;

/// The first pause after a cycle that failed; doubled for each further one.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest pause after a cycle that failed.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// The shortest sleep after a cycle in which nothing moved, however tight a schedule is.
const SLEEP_MIN: Duration = Duration::from_millis(100);
/// The longest sleep: whatever was missed is seen after it.
const SLEEP_MAX: Duration = Duration::from_secs(30);

/// A keeper.
pub struct Keeper {
    /// The environment.
    pub name: EnvironmentName,
    /// What it shares with the others.
    pub shared: Arc<Shared>,
    /// Rung when something may have changed.
    pub bell: Arc<Notify>,
    /// What the repository says.
    pub source: watch::Receiver<Option<SourceStatus>>,
    /// Held while it runs: an environment that goes and comes back has one keeper at a time.
    pub turn: Arc<Mutex<()>>,
}

impl Keeper {
    /// Keeps the environment until cancelled. A cycle that has begun is finished, and only the stop of the whole daemon
    /// interrupts its Terraform: a commit that drops the environment cuts no apply off.
    pub async fn run(mut self, cancel: CancellationToken) {
        let turn = Arc::clone(&self.turn);
        let _turn = tokio::select! {
            turn = turn.lock() => turn,
            () = cancel.cancelled() => return,
        };
        let mut pause = PAUSE_MIN;
        let mut seen = None;
        while !cancel.is_cancelled() {
            let began = clock::now();
            seen.clone_from(&self.source.borrow_and_update());
            let (world, cache) = (&*self.shared, &self.shared.cache);
            let cycle = Cycle { name: &self.name, world, source: &self.source, cache };
            // A panic of a dependency ends its cycle, as any error does, and not the watch on the environment.
            let result = AssertUnwindSafe(Box::pin(cycle.run())).catch_unwind().await;
            let result = result.unwrap_or(Err(CycleError::Panicked));
            self.shared.metrics.cycle(&self.name, began, clock::now(), result.is_ok());
            match result {
                Ok(next) => {
                    pause = PAUSE_MIN;
                    match next {
                        Requeue::Now => {}
                        Requeue::At(time) => self.wait(until(time), seen.take(), &cancel).await,
                        // Any fetch will do: what was seen before counts for nothing.
                        Requeue::AtFetch(time) => self.wait(until(time), None, &cancel).await,
                    }
                }
                Err(CycleError::Act(ActError::Interrupted(interrupted))) => {
                    tracing::info!(environment = %self.name, "{interrupted}");
                    return;
                }
                Err(error) => {
                    let error = crate::chain::of(&error);
                    tracing::error!(environment = %self.name, error, "the cycle failed; trying again in {pause:?}");
                    self.wait(pause, seen.take(), &cancel).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    /// Waits for the bell, the next check, or a report of the repository that says something new for this environment.
    async fn wait(&mut self, sleep: Duration, mut seen: Option<SourceStatus>, cancel: &CancellationToken) {
        let mut sleep = std::pin::pin!(tokio::time::sleep(sleep));
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                () = self.bell.notified() => return,
                () = &mut sleep => return,
                changed = self.source.changed() => match changed {
                    Ok(()) => {
                        let report = self.source.borrow_and_update().clone();
                        if self.is_news(seen.as_ref(), report.as_ref()).await {
                            return;
                        }
                        seen = report;
                    }
                    // A closed channel means that the daemon is stopping.
                    Err(_) => return cancel.cancelled().await,
                },
            }
        }
    }

    /// Whether a report says something new for this environment. The next poll of the same head says nothing.
    async fn is_news(&self, seen: Option<&SourceStatus>, report: Option<&SourceStatus>) -> bool {
        let (Some(seen), Some(report)) = (seen, report) else { return true };
        if seen.error != report.error {
            return true;
        }
        match (&seen.head, &report.head) {
            (Some(before), Some(after)) => touched(&*self.shared, &self.name, before, after).await,
            (before, after) => before.is_some() != after.is_some(),
        }
    }
}

fn until(time: Timestamp) -> Duration {
    Duration::try_from(time.duration_since(clock::now())).unwrap_or_default().clamp(SLEEP_MIN, SLEEP_MAX)
}
