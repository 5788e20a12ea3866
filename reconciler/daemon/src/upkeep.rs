//! Upkeep of the record: what has only grown older is written once a minute for all environments, and what is older than
//! is kept goes once an hour.

use std::time::Duration;

use moorline_record::{Fence, Record};
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};
use tokio_util::sync::CancellationToken;

use crate::chain;

/// How often ages are written: a crash loses as much of them.
const WRITE_EVERY: Duration = Duration::from_secs(60);
/// How often old rows go.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);

/// Looks after the record until the daemon stops; ages are written once more then.
pub(crate) async fn run(record: Record, fence: Fence, cancel: CancellationToken) {
    let mut write = interval_at(Instant::now() + WRITE_EVERY, WRITE_EVERY);
    let mut prune = interval(PRUNE_EVERY);
    for timer in [&mut write, &mut prune] {
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    loop {
        let result = tokio::select! {
            () = cancel.cancelled() => break,
            _ = write.tick() => record.write_deferred(fence).await.map(drop),
            _ = prune.tick() => record.prune(fence).await,
        };
        if let Err(error) = result {
            tracing::warn!(error = chain::of(&error), "the record's upkeep failed; trying again later");
        }
    }
    if let Err(error) = record.write_deferred(fence).await {
        tracing::warn!(error = chain::of(&error), "when things were last looked at is not written");
    }
}
