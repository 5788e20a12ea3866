//! Waiting for something, but not longer than it may take.
//!
//! Much of what a request waits for is there already. Only for what is not is the clock read and a timer set.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Poll, ready};

use tokio::time::{Instant, sleep_until};

/// What a future gives; nothing when it is not there by a moment, which is asked for when there is something to wait for.
/// Dropped or late, the future is dropped too.
pub(super) async fn until<F: Future>(by: impl FnOnce() -> Instant, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let (mut by, mut timer) = (Some(by), pin!(None));
    poll_fn(|cx| {
        if let Poll::Ready(given) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(given));
        }
        if let Some(by) = by.take() {
            timer.set(Some(sleep_until(by())));
        }
        if let Some(timer) = timer.as_mut().as_pin_mut() {
            ready!(timer.poll(cx));
            return Poll::Ready(None);
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn what_is_there_needs_no_clock_and_what_is_not_is_waited_for_until_then() {
        assert_eq!(until(|| unreachable!(), ready(1)).await, Some(1));
        let after = |millis| move || Instant::now() + Duration::from_millis(millis);
        assert_eq!(until(after(60_000), tokio::time::sleep(Duration::from_millis(1))).await, Some(()));
        assert_eq!(until(after(1), pending::<()>()).await, None);
    }
}
