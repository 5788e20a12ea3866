//! Leadership: at most one daemon acts.

use std::time::Duration;

use moorline_record::{FencedError, Lease, Record, StoreError};
use tokio_util::sync::CancellationToken;

use crate::clock;

/// How long a lease holds without being renewed.
const LEASE_TTL: Duration = Duration::from_secs(15);
/// How often it is renewed, and how often a follower tries to take it.
const RENEW_EVERY: Duration = Duration::from_secs(5);

/// Waits until this daemon leads. Followers wait here; their console is up.
pub(crate) async fn lead(record: &Record, holder: &str) -> Result<Lease, StoreError> {
    let mut is_logged = false;
    loop {
        match record.lease(holder, LEASE_TTL, clock::now()).await {
            Ok(Some(lease)) => return Ok(lease),
            Ok(None) if !is_logged => {
                tracing::info!("another daemon leads: this one does nothing until that one is gone");
                is_logged = true;
            }
            Ok(None) => {}
            // The leader may be writing just now.
            Err(error) if error.is_transient() => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "it cannot be known who leads; asking again"
                );
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(RENEW_EVERY).await;
    }
}

/// Renews the lease until all that it allows has ended, then gives it back. When another took it, or it ran out,
/// everything stops (`cancel`): every further write would be refused anyway.
pub(crate) async fn keep(
    record: Record,
    mut lease: Lease,
    cancel: CancellationToken,
    drained: CancellationToken,
) {
    loop {
        tokio::select! {
            () = drained.cancelled() => break,
            () = tokio::time::sleep(RENEW_EVERY) => {}
        }
        match record.renew(&lease, LEASE_TTL, clock::now()).await {
            Ok(renewed) => lease = renewed,
            Err(FencedError::StaleLease(stale)) => {
                tracing::error!(
                    error = &stale as &dyn std::error::Error,
                    "another daemon took the lead: this one stops"
                );
                cancel.cancel();
                return;
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the lead could not be extended; trying again until it expires"
                );
                if clock::now() >= lease.expires_at {
                    cancel.cancel();
                    return;
                }
            }
        }
    }
    if let Err(error) = record.release(&lease).await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the lead could not be given back: the next daemon waits until it expires"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_lease_outlives_the_stop_until_everything_has_ended() {
        let record = Record::open("sqlite::memory:").await.unwrap();
        let lease = lead(&record, "a").await.unwrap();
        let (cancel, drained) = (CancellationToken::new(), CancellationToken::new());
        let tasks = tokio_util::task::TaskTracker::new();
        tasks.spawn(keep(record.clone(), lease, cancel.clone(), drained.clone()));
        tasks.close();
        cancel.cancel();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(record.lease("b", LEASE_TTL, clock::now()).await.unwrap(), None);
        drained.cancel();
        tokio::time::timeout(LEASE_TTL, tasks.wait()).await.unwrap();
        assert!(record.lease("b", LEASE_TTL, clock::now()).await.unwrap().is_some());
    }
}
