//! The one place that reads the clock and makes ids. Everything that decides takes them as arguments.

use jiff::Timestamp;
use moorline_model::RolloutId;
use uuid::Uuid;

/// The present moment.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// A new rollout's id. A UUIDv7: ids sort by the time they were made.
#[must_use]
pub fn rollout_id() -> RolloutId {
    RolloutId::new(Uuid::now_v7())
}
