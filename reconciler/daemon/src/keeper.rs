//! One environment's keeper: the task that runs its cycles, one after the other.
//!
//! It wakes when it is notified or its next check is due. A cycle that moved something is followed by another at
//! once; a cycle that failed is followed by another after a growing pause. The keeper decides nothing.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use jiff::Timestamp;
use moorline_cycle::{ActError, Cycle, CycleError, Requeue, SourceStatus};
use moorline_model::EnvironmentName;
use tokio::sync::{Mutex, Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::shared::Shared;
use crate::spread::spread;

/// The first pause after a cycle that failed; doubled for each further one.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest pause after a cycle that failed.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// The sleep after a cycle in which nothing moved and whose next is overdue.
const SLEEP_MIN: Duration = Duration::from_millis(100);
/// The longest sleep: whatever was missed is seen after it.
const SLEEP_MAX: Duration = Duration::from_secs(300);
/// Sleeps longer than this are spread.
const SPREAD_FROM: Duration = Duration::from_secs(5);
/// Spread sleeps end at whole multiples of this: of a thousand environments that look every half minute, seventeen look at
/// once, and not each is a wake-up of every thread that it needs.
const SLOT: Duration = Duration::from_millis(500);

/// A keeper.
pub struct Keeper {
    /// The environment.
    pub name: EnvironmentName,
    /// What it shares with the others.
    pub shared: Arc<Shared>,
    /// Notified when something may have changed.
    pub wake_up: Arc<Notify>,
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
        while !cancel.is_cancelled() {
            let seen = news(self.source.borrow_and_update().as_ref(), &self.name);
            let result = self.cycle().await;
            match result {
                Ok(next) => {
                    pause = PAUSE_MIN;
                    match next {
                        Requeue::Now => {}
                        Requeue::At(time) => self.wait(until(time), Some(seen), &cancel).await,
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
                    self.wait(pause, Some(seen), &cancel).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    async fn cycle(&self) -> Result<Requeue, CycleError> {
        let _turn = self.shared.turns.take().await;
        let began = clock::now();
        let (world, cache) = (&*self.shared, &self.shared.cache);
        let cycle = Cycle { name: &self.name, world, source: &self.source, cache };
        // A panic of a dependency ends its cycle, as any error does, and not the watch on the environment.
        let result = AssertUnwindSafe(Box::pin(cycle.run())).catch_unwind().await;
        let result = result.unwrap_or(Err(CycleError::Panicked));
        self.shared.metrics.cycle(&self.name, began, clock::now(), result.is_ok());
        result
    }

    /// Waits for a wake-up, the next check, or news of the repository for this environment. Without a number that was seen,
    /// any fetch will do.
    async fn wait(&mut self, sleep: Duration, seen: Option<u64>, cancel: &CancellationToken) {
        let mut sleep = std::pin::pin!(tokio::time::sleep(sleep));
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                () = self.wake_up.notified() => return,
                () = &mut sleep => return,
                changed = self.source.changed() => match changed {
                    Ok(()) => {
                        let news = news(self.source.borrow_and_update().as_ref(), &self.name);
                        if seen != Some(news) {
                            return;
                        }
                    }
                    // A closed channel means that the daemon is stopping.
                    Err(_) => return cancel.cancelled().await,
                },
            }
        }
    }
}

/// The last news of the repository for an environment.
fn news(status: Option<&SourceStatus>, name: &EnvironmentName) -> u64 {
    status.map(|status| status.news.of(name)).unwrap_or_default()
}

/// How long to sleep.
fn until(time: Timestamp) -> Duration {
    let sleep = Duration::try_from(time.duration_since(clock::now())).unwrap_or_default();
    if sleep.is_zero() {
        return SLEEP_MIN;
    }
    let sleep = if sleep > SPREAD_FROM { in_slot(spread(sleep)) } else { sleep };
    sleep.min(SLEEP_MAX)
}

/// The sleep, shortened so that it ends with a slot.
fn in_slot(sleep: Duration) -> Duration {
    let end = Duration::try_from(clock::now().as_duration()).unwrap_or_default() + sleep;
    let late = end.as_nanos() % SLOT.as_nanos();
    sleep.saturating_sub(Duration::from_nanos(u64::try_from(late).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_sleeps_are_spread_and_none_is_too_long() {
        let sleep = |seconds: i64| until(clock::now() + jiff::SignedDuration::from_secs(seconds));
        let sleeps: Vec<_> = (0..50).map(|_| sleep(30)).collect();
        assert!(sleeps.iter().all(|sleep| (26.4..=30.0).contains(&sleep.as_secs_f64())), "{sleeps:?}");
        let ends = sleeps.iter().map(|sleep| (clock::now() + *sleep).as_millisecond() % 500);
        assert!(
            ends.clone().all(|end| !(20..480).contains(&end)),
            "they end together: {:?}",
            ends.collect::<Vec<_>>()
        );
        let (least, most) = (sleeps.iter().min().unwrap(), sleeps.iter().max().unwrap());
        assert!(*most - *least > Duration::from_secs(1), "{sleeps:?}");
        assert!(sleep(3) > Duration::from_millis(2500), "a short one is what was asked for");
        assert_eq!(sleep(36_000), SLEEP_MAX);
        assert_eq!(sleep(-1), SLEEP_MIN);
        let soon = until(clock::now() + jiff::SignedDuration::from_millis(20));
        assert!(
            soon <= Duration::from_millis(20),
            "a hold that ends in 20 ms is not looked at after 100: {soon:?}"
        );
    }
}
