//! How one target does: its breaker, a limit it told of, what is under way there, how fast it is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moorline_admin::Fault;

use super::breaker::{Breaker, Change, Entry, Settings, Verdict};
use super::{Millis, Pace, Shared, TargetId};

/// The longest that a target is left alone because it said so.
const QUIET_MAX: Duration = Duration::from_secs(60);

/// How one target does. Aligned so that two targets never share a cache line.
#[derive(Debug)]
#[repr(align(128))]
pub struct TargetHealth {
    under_way: AtomicU64,
    breaker: Breaker,
    /// How it failed last.
    last_fault: Mutex<Option<Fault>>,
    /// Until when it wants to be left alone (429); 0 for never.
    quiet_until: AtomicU64,
    /// From asking to the first event of a stream.
    pub first_token: Pace,
    /// From asking to an answer that is no stream.
    pub latency: Pace,
    id: TargetId,
    shared: Shared,
}

/// Why a target is not asked now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable {
    /// When it may be asked again.
    pub wait: Duration,
    /// Why not now.
    pub reason: Reason,
}

/// Why a target is not asked now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It kept failing, or refused our credential.
    Broken,
    /// It told us that we ask too much.
    Limited,
}

/// The right to ask a target once. It counts as under way there until it is dropped; one that is dropped without a
/// verdict says nothing of the target.
#[derive(Debug)]
#[must_use]
pub struct Pass {
    target: Arc<TargetHealth>,
    settings: Settings,
    is_probe: bool,
}

impl TargetHealth {
    pub(super) fn new(id: TargetId, shared: Shared) -> Self {
        Self {
            under_way: AtomicU64::new(0),
            breaker: Breaker::default(),
            last_fault: Mutex::default(),
            quiet_until: AtomicU64::new(0),
            first_token: Pace::default(),
            latency: Pace::default(),
            id,
            shared,
        }
    }

    /// Asks to ask it.
    ///
    /// # Errors
    /// [`Unavailable`] says until when it must not be asked.
    pub fn enter(self: &Arc<Self>, settings: Settings) -> Result<Pass, Unavailable> {
        let until = self.quiet_until.load(Ordering::Relaxed);
        if until > 0 {
            let left = until.saturating_sub(self.shared.now());
            if left > 0 {
                return Err(Unavailable { wait: Duration::from_millis(left), reason: Reason::Limited });
            }
            self.quiet_until.store(0, Ordering::Relaxed);
        }
        let is_probe = match self.breaker.enter(|| self.shared.now()) {
            Entry::Pass => false,
            Entry::Probe => true,
            Entry::Refused(wait) => {
                return Err(Unavailable { wait: Duration::from_millis(wait), reason: Reason::Broken });
            }
        };
        self.under_way.fetch_add(1, Ordering::Relaxed);
        Ok(Pass { target: Arc::clone(self), settings, is_probe })
    }

    /// It failed. A lock each time: failing costs more.
    pub fn note_fault(&self, fault: Fault) {
        *self.last_fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
    }

    /// How it failed last, however long ago that is.
    #[must_use]
    pub fn last_fault(&self) -> Option<Fault> {
        *self.last_fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests under way.
    #[must_use]
    pub fn under_way(&self) -> u64 {
        self.under_way.load(Ordering::Relaxed)
    }

    /// Whether its breaker is open, or lets no more than a probe through.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.breaker.is_open()
    }

    /// Whether it told us that we ask too much, and the time it named has not passed.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        let until = self.quiet_until.load(Ordering::Relaxed);
        until > 0 && until > self.shared.now()
    }

    /// Leaves it alone for as long as it asks, within reason.
    pub fn quiet_for(&self, wait: Duration) {
        let wait = Millis::try_from(wait.min(QUIET_MAX).as_millis()).unwrap_or(0);
        self.quiet_until.store(self.shared.now().saturating_add(wait), Ordering::Relaxed);
    }

    fn changed(&self, change: Option<Change>) {
        if let Some(change) = change {
            let (provider, model) = (self.id.provider.as_str(), self.id.model.as_str());
            match change {
                Change::Opened => tracing::warn!(provider, model, "a target keeps failing and is not asked"),
                Change::Closed => tracing::info!(provider, model, "a target answers again"),
            }
            self.shared.tell(change, &self.id);
        }
    }
}

impl Pass {
    /// An answer has begun: a probe has come back well. How it ends is another matter ([`Pass::end`]).
    pub fn answered(&mut self) {
        if std::mem::take(&mut self.is_probe) {
            let target = &self.target;
            target.changed(target.breaker.probed(Verdict::Good, self.settings, target.shared.now()));
        }
    }

    /// How the attempt came out.
    pub fn end(mut self, verdict: Verdict) {
        self.ended(verdict);
    }

    /// The target will not serve us whoever asks: it is not asked for a while.
    pub fn refused(mut self) {
        self.is_probe = false;
        let target = &self.target;
        target.changed(target.breaker.force(self.settings, target.shared.now()));
    }

    fn ended(&mut self, verdict: Verdict) {
        let target = &self.target;
        let change = if std::mem::take(&mut self.is_probe) {
            target.breaker.probed(verdict, self.settings, target.shared.now())
        } else {
            target.breaker.passed(verdict, self.settings, || target.shared.now())
        };
        target.changed(change);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.is_probe {
            self.ended(Verdict::Nothing);
        }
        self.target.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}
