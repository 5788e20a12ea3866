//! Whether a stream comes too slowly.
//!
//! In: when its relay waits for the upstream, and what has come by then. Out: the moment at which it is too slow, if
//! nothing comes before. Time runs only while the relay waits: a caller that does not take what has come stops the relay,
//! and the clock with it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::routing::route::MinStreamRate;

/// How fast one stream comes.
pub(in crate::data) struct Lag {
    window: Duration,
    /// When the last events came that a window must hold, on the clock of this stream, the oldest first.
    recent: VecDeque<Duration>,
    /// Time spent waiting, up to the present wait.
    waited: Duration,
    waits_since: Option<Instant>,
    /// Events so far.
    seen: u64,
    count: Arc<AtomicU64>,
}

impl Lag {
    /// A stream that begins. `count` is of those that were too slow.
    pub(in crate::data) fn new(rate: MinStreamRate, count: Arc<AtomicU64>) -> Self {
        let recent = std::iter::repeat_n(Duration::ZERO, rate.events).collect();
        let window = rate.window;
        Self { window, recent, waited: Duration::ZERO, waits_since: None, seen: 0, count }
    }

    /// The first moment at which it can be too slow.
    pub(super) fn first_look(&self, now: Instant) -> Instant {
        now + self.window
    }

    /// Nothing has come. Gives the moment from which on it is too slow.
    pub(super) fn waits(&mut self, now: Instant) -> Instant {
        let since = *self.waits_since.get_or_insert(now);
        let oldest = self.recent.front().copied().unwrap_or(self.waited);
        since + (oldest + self.window).saturating_sub(self.waited)
    }

    /// Something has come; of events there were so many so far.
    pub(super) fn hears(&mut self, now: Instant, events: u64) {
        if let Some(since) = self.waits_since.take() {
            self.waited += now.saturating_duration_since(since);
        }
        let new = usize::try_from(events.saturating_sub(self.seen)).unwrap_or(usize::MAX);
        self.seen = events;
        for _ in 0..new.min(self.recent.len()) {
            self.recent.pop_front();
            self.recent.push_back(self.waited);
        }
    }

    /// It was too slow.
    pub(super) fn tell(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lag(events: usize) -> (Lag, Instant) {
        let rate = MinStreamRate { events, window: Duration::from_secs(10) };
        (Lag::new(rate, Arc::default()), Instant::now())
    }

    fn seconds(from: Instant, until: Instant) -> u64 {
        until.duration_since(from).as_secs()
    }

    #[tokio::test]
    async fn it_is_too_slow_when_a_window_holds_fewer_events_than_it_must() {
        let (mut lag, start) = lag(3);
        let at = |second| start + Duration::from_secs(second);
        assert_eq!(seconds(start, lag.waits(at(0))), 10);
        // Three more within ten seconds are enough for the next ten.
        for (second, events) in [(4, 1), (8, 2)] {
            lag.hears(at(second), events);
            assert_eq!(seconds(start, lag.waits(at(second))), 10);
        }
        lag.hears(at(9), 3);
        assert_eq!(seconds(start, lag.waits(at(9))), 14, "the window slides");
        lag.hears(at(13), 4);
        assert_eq!(seconds(start, lag.waits(at(13))), 18);
        // Many at once count as often as a window asks for.
        lag.hears(at(17), 1_000);
        assert_eq!(seconds(start, lag.waits(at(17))), 27);
        // What is no event is no event.
        lag.hears(at(20), 1_000);
        assert_eq!(seconds(start, lag.waits(at(20))), 27);
    }

    #[tokio::test]
    async fn time_in_which_nobody_waits_for_it_does_not_count() {
        let (mut lag, start) = lag(1);
        let at = |second| start + Duration::from_secs(second);
        assert_eq!(seconds(start, lag.waits(at(0))), 10);
        lag.hears(at(2), 0);
        // The caller takes nothing for a hundred seconds.
        assert_eq!(seconds(start, lag.waits(at(102))), 110, "eight are left of the ten");
        assert_eq!(seconds(start, lag.waits(at(105))), 110);
    }
}
