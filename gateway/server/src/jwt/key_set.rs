//! The keys of one issuer as they are known now, shared by every generation that names the same address.
//!
//! Requests read them; only the [`super::Fetcher`] writes them. A request whose key is not there may ask that they be
//! fetched anew and wait for it for a moment, but only when that is due: not more often than the fetcher's pace allows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use url::Url;

use super::keys::Keys;

/// The longest a request waits for keys.
const WAIT_MAX: Duration = Duration::from_secs(3);

/// The keys of one issuer.
#[derive(Debug)]
pub struct KeySet {
    url: Url,
    state: watch::Sender<State>,
    /// How often the keys changed.
    epoch: AtomicU64,
}

/// What is known.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// The last good keys; none before the first.
    pub(super) keys: Option<Arc<Keys>>,
    /// How often they were asked for, with whatever end.
    pub(super) attempts: u64,
    /// Failures since the last success.
    pub(super) failures: u32,
    /// Somebody waits for them.
    pub(super) wanted: bool,
    /// The earliest moment at which they may be fetched because somebody waits.
    pub(super) may: Instant,
    /// The moment at which they are fetched in any case.
    pub(super) due: Instant,
}

impl KeySet {
    /// Of an address, with nothing known yet.
    #[must_use]
    pub fn new(url: Url) -> Self {
        let now = Instant::now();
        let state = State { keys: None, attempts: 0, failures: 0, wanted: false, may: now, due: now };
        Self { url, state: watch::Sender::new(state), epoch: AtomicU64::new(0) }
    }

    /// Where they are published.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// Changes whenever the keys do, so that what was verified with keys that are gone is not remembered.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// The keys as known now.
    #[must_use]
    pub fn now(&self) -> Option<Arc<Keys>> {
        self.state.borrow().keys.clone()
    }

    /// The keys after they were asked for once more, or as they are when that is not due.
    pub async fn renewed(&self) -> Option<Arc<Keys>> {
        let mut state = self.state.subscribe();
        let (attempts, may) = {
            let state = state.borrow();
            (state.attempts, Instant::now() >= state.may)
        };
        if may {
            self.state.send_if_modified(|state| !std::mem::replace(&mut state.wanted, true));
            let renewed = state.wait_for(|state| state.attempts > attempts);
            // Whatever it came to, and also when it did not come in time: what is known now counts.
            drop(tokio::time::timeout(WAIT_MAX, renewed).await);
        }
        self.now()
    }

    /// Whether it is time to fetch them.
    pub(super) fn is_due(&self) -> bool {
        let state = self.state.borrow();
        let now = Instant::now();
        now >= state.due || (state.wanted && now >= state.may)
    }

    /// Notes what fetching them came to. `plan` says when to go on, from the failures in a row.
    pub(super) fn note(&self, fetched: Option<Keys>, plan: impl FnOnce(u32, bool) -> (Instant, Instant)) {
        self.state.send_modify(|state| {
            state.attempts += 1;
            state.wanted = false;
            state.failures = if fetched.is_some() { 0 } else { state.failures.saturating_add(1) };
            if let Some(keys) = fetched
                && state.keys.as_deref() != Some(&keys)
            {
                state.keys = Some(Arc::new(keys));
                self.epoch.fetch_add(1, Ordering::AcqRel);
            }
            (state.may, state.due) = plan(state.failures, state.keys.is_some());
        });
    }
}
