//! Waiting: look again and again until something holds, or say what never did.

use std::time::Duration;

/// Longest wait for one thing. On two cores shared by many processes, a second is soon a few.
pub const DEADLINE: Duration = Duration::from_secs(60);
/// The pause between two looks.
const TICK: Duration = Duration::from_millis(20);

/// Looks until there is something to see.
///
/// # Panics
/// When there is nothing before the deadline.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, look: impl FnMut() -> F) -> T {
    match before(DEADLINE, look).await {
        Some(seen) => seen,
        None => panic!("not within {DEADLINE:?}: {what}"),
    }
}

/// Looks until there is something to see; `None` when there is nothing in time.
pub async fn before<T, F: Future<Output = Option<T>>>(
    deadline: Duration,
    mut look: impl FnMut() -> F,
) -> Option<T> {
    let looking = async {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Some(seen) = look().await {
                return seen;
            }
        }
    };
    tokio::time::timeout(deadline, looking).await.ok()
}

/// Waits for work that ends by itself.
///
/// # Panics
/// When it does not end before the deadline.
pub async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, work).await {
        Ok(done) => done,
        Err(_) => panic!("not done within {DEADLINE:?}: {what}"),
    }
}
