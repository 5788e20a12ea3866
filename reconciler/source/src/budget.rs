//! The time one piece of work may take, and the way to stop it early.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

/// Why work stops before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Its time is over.
    Deadline,
    /// Nobody waits for it any more.
    Cancelled,
}

/// A deadline and a cancellation, asked between two steps of blocking work.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    limit: Duration,
    deadline: Instant,
    cancelled: CancellationToken,
}

impl Budget {
    /// Starts now and ends after `limit`.
    pub(crate) fn start(limit: Duration, cancelled: CancellationToken) -> Self {
        Self { limit, deadline: Instant::now() + limit, cancelled }
    }

    /// Goes on or says why not.
    pub(crate) fn check(&self) -> Result<(), Stop> {
        if self.cancelled.is_cancelled() {
            Err(Stop::Cancelled)
        } else if self.left().is_zero() {
            Err(Stop::Deadline)
        } else {
            Ok(())
        }
    }

    /// What is left of the time.
    pub(crate) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// The whole time, for messages.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// Becomes ready when the work is cancelled.
    pub(crate) fn cancelled(&self) -> &CancellationToken {
        &self.cancelled
    }
}
