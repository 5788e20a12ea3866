//! A circuit breaker: it opens when a target keeps failing, and closes when one probe came back well.
//!
//! [`State`] is the machine: pure, with the time as an argument. [`Breaker`] shares one between the workers. What
//! happens nearly always, a closed breaker with nothing against it, is told by one atomic; the lock behind it is taken
//! only where something failed lately, and is never held across a wait.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Millis;

/// How long those are told to wait who come while the probe is under way.
const PROBE_WAIT: Millis = 1_000;

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Failures in a row that open it. In the window: as many, if they are at least half of all.
    pub failures: u32,
    /// The window over which the share of failures is counted.
    pub window: Millis,
    /// How long it stays open before a probe is let through.
    pub cooldown: Millis,
}

/// How an attempt came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was answered.
    Good,
    /// The target is at fault.
    Bad,
    /// It says nothing of the target: the caller left, or was at fault.
    Nothing,
}

/// What a breaker says to somebody who would ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Ask.
    Pass,
    /// Ask, as the one whose verdict decides whether others may.
    Probe,
    /// Do not ask before so long has passed.
    Refused(Millis),
}

/// What changed for those who watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The breaker opened.
    Opened,
    /// The breaker closed.
    Closed,
}

/// The machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Everybody passes.
    Closed(Tally),
    /// Nobody passes before this moment; then the first one, as a probe.
    Open(Millis),
    /// The probe is under way, and nobody else passes.
    Probing,
}

/// What stands against a closed breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    in_a_row: u32,
    /// When the window began: with its first failure.
    since: Millis,
    failures: u32,
    others: u32,
}

impl Default for State {
    fn default() -> Self {
        Self::Closed(Tally::default())
    }
}

impl State {
    /// Asks for a way in.
    pub fn enter(&mut self, now: Millis) -> Entry {
        match *self {
            Self::Closed(_) => Entry::Pass,
            Self::Open(until) if now < until => Entry::Refused(until - now),
            Self::Open(_) => {
                *self = Self::Probing;
                Entry::Probe
            }
            Self::Probing => Entry::Refused(PROBE_WAIT),
        }
    }

    /// Takes in the verdict on an attempt that passed. Once open, only the probe's counts: others were asked before.
    pub fn passed(&mut self, verdict: Verdict, settings: Settings, now: Millis) -> Option<Change> {
        let Self::Closed(tally) = self else { return None };
        match verdict {
            Verdict::Good => tally.good(settings, now),
            Verdict::Nothing => {}
            Verdict::Bad if tally.bad(settings, now) => {
                *self = Self::Open(now.saturating_add(settings.cooldown));
                return Some(Change::Opened);
            }
            Verdict::Bad => {}
        }
        None
    }

    /// Takes in the verdict on the probe. One that says nothing leaves the place to another at once.
    pub fn probed(&mut self, verdict: Verdict, settings: Settings, now: Millis) -> Option<Change> {
        // Opened by force meanwhile.
        if *self != Self::Probing {
            return None;
        }
        *self = match verdict {
            Verdict::Good => Self::default(),
            Verdict::Bad => Self::Open(now.saturating_add(settings.cooldown)),
            Verdict::Nothing => Self::Open(now),
        };
        (verdict == Verdict::Good).then_some(Change::Closed)
    }

    /// Opens it, whatever it was.
    pub fn force(&mut self, settings: Settings, now: Millis) -> Option<Change> {
        let before = std::mem::replace(self, Self::Open(now.saturating_add(settings.cooldown)));
        matches!(before, Self::Closed(_)).then_some(Change::Opened)
    }
}

impl Tally {
    fn good(&mut self, settings: Settings, now: Millis) {
        self.in_a_row = 0;
        if self.failures > 0 {
            self.others = self.others.saturating_add(1);
            self.roll(settings, now);
        }
    }

    /// Counts a failure, and says whether it is one too many.
    fn bad(&mut self, settings: Settings, now: Millis) -> bool {
        self.roll(settings, now);
        if self.failures == 0 {
            self.since = now;
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.failures = self.failures.saturating_add(1);
        self.in_a_row >= settings.failures
            || (self.failures >= settings.failures && self.failures >= self.others)
    }

    /// Forgets a window that is over.
    fn roll(&mut self, settings: Settings, now: Millis) {
        if now.saturating_sub(self.since) >= settings.window {
            *self = Self { in_a_row: self.in_a_row, ..Self::default() };
        }
    }

    const fn is_clean(self) -> bool {
        self.in_a_row == 0 && self.failures == 0
    }
}

/// One machine for all workers.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// Whether the machine is as it began. Written with the lock held.
    is_troubled: AtomicBool,
    state: Mutex<State>,
}

impl Breaker {
    pub(super) fn enter(&self, now: impl FnOnce() -> Millis) -> Entry {
        if !self.is_troubled.load(Ordering::Acquire) {
            return Entry::Pass;
        }
        let mut state = self.lock();
        let entry = state.enter(now());
        self.settle(&state);
        entry
    }

    pub(super) fn passed(
        &self,
        verdict: Verdict,
        settings: Settings,
        now: impl FnOnce() -> Millis,
    ) -> Option<Change> {
        let says_nothing = verdict == Verdict::Good && !self.is_troubled.load(Ordering::Acquire);
        if says_nothing || verdict == Verdict::Nothing {
            return None;
        }
        self.change(|state| state.passed(verdict, settings, now()))
    }

    pub(super) fn probed(&self, verdict: Verdict, settings: Settings, now: Millis) -> Option<Change> {
        self.change(|state| state.probed(verdict, settings, now))
    }

    pub(super) fn force(&self, settings: Settings, now: Millis) -> Option<Change> {
        self.change(|state| state.force(settings, now))
    }

    /// Whether it is not closed.
    pub(super) fn is_open(&self) -> bool {
        self.is_troubled.load(Ordering::Acquire) && !matches!(*self.lock(), State::Closed(_))
    }

    fn change(&self, change: impl FnOnce(&mut State) -> Option<Change>) -> Option<Change> {
        let mut state = self.lock();
        let changed = change(&mut state);
        self.settle(&state);
        changed
    }

    fn settle(&self, state: &State) {
        let is_clean = matches!(state, State::Closed(tally) if tally.is_clean());
        self.is_troubled.store(!is_clean, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
