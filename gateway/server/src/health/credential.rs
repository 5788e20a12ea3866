//! Whether a provider still takes our credential.
//!
//! A credential that was refused is out for all targets of its provider, until another one takes its place (it has
//! another identity then) or one probe after [`COOLDOWN`] is not refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::breaker::{Breaker, Change, Entry, Settings, Verdict};
use super::target::{Reason, Unavailable};
use super::{CredentialId, Millis, Shared};

/// How long a refused credential is not used.
const COOLDOWN: Millis = 30_000;
/// One refusal is enough.
const SETTINGS: Settings = Settings { failures: 1, window: COOLDOWN, cooldown: COOLDOWN };

/// Whether a provider still takes our credential.
#[derive(Debug)]
pub struct CredentialHealth {
    breaker: Breaker,
    /// Whether it was taken since it was out last.
    has_worked: AtomicBool,
    id: CredentialId,
    shared: Shared,
}

/// The right to use a credential once. Dropped without a word it says nothing.
#[derive(Debug)]
#[must_use]
pub struct Use<'a> {
    credential: &'a CredentialHealth,
    is_probe: bool,
}

impl CredentialHealth {
    pub(super) fn new(id: CredentialId, shared: Shared) -> Self {
        Self { breaker: Breaker::default(), has_worked: AtomicBool::new(false), id, shared }
    }

    /// Asks to use it.
    ///
    /// # Errors
    /// [`Unavailable`] says until when it is out.
    pub fn enter(self: &Arc<Self>) -> Result<Use<'_>, Unavailable> {
        let is_probe = match self.breaker.enter(|| self.shared.now()) {
            Entry::Pass => false,
            Entry::Probe => true,
            Entry::Refused(wait) => {
                return Err(Unavailable { wait: Duration::from_millis(wait), reason: Reason::Broken });
            }
        };
        Ok(Use { credential: self, is_probe })
    }

    /// Whether it is out.
    #[must_use]
    pub fn is_out(&self) -> bool {
        self.breaker.is_open()
    }
}

impl Use<'_> {
    /// The provider took it.
    pub fn taken(mut self) {
        let credential = self.credential;
        if !credential.has_worked.load(Ordering::Relaxed) {
            credential.has_worked.store(true, Ordering::Relaxed);
        }
        self.ended(Verdict::Good);
    }

    /// The provider refused it, whatever was asked: it is out.
    pub fn refused(mut self) {
        self.credential.has_worked.store(false, Ordering::Relaxed);
        self.ended(Verdict::Bad);
    }

    /// The provider refused it for what was asked (403). When it took it for something else before, that is the
    /// target's matter and not the credential's: says whether it is.
    pub fn forbidden(self) -> bool {
        if self.credential.has_worked.load(Ordering::Relaxed) {
            return true;
        }
        self.refused();
        false
    }

    fn ended(&mut self, verdict: Verdict) {
        let Self { credential, is_probe } = self;
        let change = if std::mem::take(is_probe) {
            credential.breaker.probed(verdict, SETTINGS, credential.shared.now())
        } else {
            credential.breaker.passed(verdict, SETTINGS, || credential.shared.now())
        };
        let provider = credential.id.provider.as_str();
        match change {
            Some(Change::Opened) => {
                tracing::warn!(provider, "a provider refused our credential: nothing is asked of it");
            }
            Some(Change::Closed) => tracing::info!(provider, "a provider takes our credential again"),
            None => {}
        }
    }
}

impl Drop for Use<'_> {
    fn drop(&mut self) {
        if self.is_probe {
            self.ended(Verdict::Nothing);
        }
    }
}
