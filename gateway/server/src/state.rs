//! What this gateway serves, and the only place that changes it.
//!
//! Readers load [`State::snapshot`] and never wait. Writers come one at a time: a change is checked and compiled
//! whole, kept on disk, and then published by one pointer store; when any step before the last fails, nothing has
//! happened. A bad document never replaces a good one: it is noted in [`State::status`] and on the metrics page.
//!
//! [`change`] holds the verbs, [`compile`] turns a document into a generation, [`disk`] keeps the last good one,
//! [`renew`] takes in secrets that changed, [`start`] decides what serves when the process begins.
//!
//! The verbs are synchronous and write files: call them through [`State::change`], which also sees a change through
//! to its end when whoever asked for it has gone.

mod change;
mod compile;
mod disk;
mod renew;
mod start;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};
use jiff::Timestamp;
use moorline_admin::{
    Candidate, Event, Generation as Number, Origin, Rejected, Source, Stats, Status, Validation,
};
use moorline_config::{Config, Digest, Mistake, Mistakes};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use change::{ChangeError, Taken};
pub use compile::Proposal;
pub use disk::DiskError;
pub use start::StartError;

use crate::generation::{Generation, Snapshot};
use crate::recorder::ledger::{Ledger, Totals};
use crate::secrets::held::Held;
use crate::secrets::{Lacking, Resolver};
use compile::Unfit;
use disk::{Disk, Saved, SavedDocument};

/// The most refused documents remembered.
const REJECTED_MAX: usize = 8;
/// The most mistakes remembered of each.
const REJECTED_MISTAKES_MAX: usize = 64;
/// Events kept for a slow listener; it misses older ones.
const EVENTS_MAX: usize = 64;

/// Who writes, as attested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The owner it writes for.
    pub origin: Origin,
    /// The commit the document came from.
    pub commit: Option<String>,
    /// Who, for manual writes.
    pub actor: Option<String>,
    /// Why, for manual writes.
    pub reason: Option<String>,
}

impl Author {
    /// The file named by `--config`.
    #[must_use]
    pub const fn file() -> Self {
        Self { origin: Origin::File, commit: None, actor: None, reason: None }
    }
}

/// What a write does about another owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// It is refused.
    Respect,
    /// It takes the document over.
    TakeOver,
}

/// A write and its conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Who writes.
    pub author: Author,
    /// The digest that must be serving now.
    pub if_match: Option<Digest>,
    /// What happens when another owns the document.
    pub ownership: Ownership,
}

/// What the state is made of, beside documents.
pub struct Setup {
    /// Where the last good document is kept; nowhere when absent.
    pub directory: Option<PathBuf>,
    /// Resolves references.
    pub resolver: Resolver,
    /// This process's own id.
    pub instance: String,
    /// Changes run on it.
    pub tracker: TaskTracker,
}

/// What this gateway serves.
pub struct State {
    snapshot: ArcSwap<Snapshot>,
    /// Held by whoever changes `snapshot`, from before its checks until after the store.
    writer: Mutex<Writer>,
    rejected: Mutex<VecDeque<Rejected>>,
    ledger: Ledger,
    counters: Counters,
    events: broadcast::Sender<Event>,
    draining: CancellationToken,
    resolver: Resolver,
    instance: String,
    started: Timestamp,
    tracker: TaskTracker,
    /// The values of what serves.
    held: Held,
    /// What the last run left to serve, while it lacks a secret.
    waiting: Mutex<Option<SavedDocument>>,
    /// Where the document is read from, and how that went.
    sources: Mutex<Vec<Source>>,
}

/// What only a writer touches.
struct Writer {
    disk: Option<Disk>,
    /// As it stands on disk.
    saved: Saved,
}

/// Counters of the control plane.
#[derive(Debug, Default)]
struct Counters {
    changes: AtomicU64,
    rejections: AtomicU64,
    source_failures: AtomicU64,
}

impl State {
    /// What is served now. Load it once a request.
    #[must_use]
    pub fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// Runs a change to its end, away from the async threads, also when the caller stops waiting.
    ///
    /// # Errors
    /// As the change; [`ChangeError::Stopped`] when it broke off.
    pub async fn change<T: Send + 'static>(
        self: &Arc<Self>,
        change: impl FnOnce(&Self) -> Result<T, ChangeError> + Send + 'static,
    ) -> Result<T, ChangeError> {
        let state = Arc::clone(self);
        let ran = self.tracker.spawn_blocking(move || change(&state)).await;
        ran.unwrap_or(Err(ChangeError::Stopped))
    }

    /// What this gateway attests.
    #[must_use]
    pub fn status(&self) -> Status {
        let snapshot = self.snapshot();
        Status {
            instance: self.instance.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.started,
            // The admin API knows it; the state knows no addresses.
            endpoint: None,
            stable: snapshot.stable.as_ref().map(|stable| stable.attestation.clone()),
            candidate: snapshot.candidate.as_ref().map(|staged| Candidate {
                attestation: staged.generation.attestation.clone(),
                weight: staged.weight,
            }),
            rejected: self.rejected().iter().cloned().collect(),
            // Nothing of a document needs a restart: what does (addresses, workers) is on the command line.
            restart_required: Vec::new(),
            stale_secrets: self.held.stale(),
            sources: self.sources().clone(),
            draining: self.is_draining(),
            recent: None,
        }
    }

    /// Whether a document would be taken, and every mistake in it.
    #[must_use]
    pub fn validate(&self, proposal: &Proposal) -> Validation {
        match proposal.check(&self.resolver, &self.held) {
            Ok(checked) => {
                Validation { valid: true, digest: Some(checked.config.digest()), mistakes: Vec::new() }
            }
            Err(Unfit::Document(Mistakes(mistakes)) | Unfit::Secrets(Lacking { mistakes, .. })) => {
                Validation { valid: false, digest: None, mistakes }
            }
        }
    }

    /// Reads and checks a document without taking it.
    ///
    /// # Errors
    /// [`ChangeError::Invalid`] or [`ChangeError::Secrets`] with every mistake.
    pub fn parse(&self, proposal: &Proposal) -> Result<Config, ChangeError> {
        Ok(proposal.check(&self.resolver, &self.held)?.config)
    }

    /// What a generation counted since a moment; `None` when it is not held any more.
    #[must_use]
    pub fn stats(&self, number: Number, since: Option<Timestamp>, now: Timestamp) -> Option<Stats> {
        let generation = self.snapshot().find(number).cloned()?;
        Some(generation.recorder.stats(number, since, now))
    }

    /// Totals of the whole process.
    #[must_use]
    pub fn totals(&self, now: Timestamp) -> Totals {
        self.ledger.totals(now)
    }

    /// Notes history of all counts; called every [`crate::recorder::SLICE`].
    pub fn tick(&self, now: Timestamp) {
        self.ledger.tick(now);
    }

    /// Documents taken since the start.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.counters.changes.load(Ordering::Relaxed)
    }

    /// Documents refused since the start.
    #[must_use]
    pub fn rejections(&self) -> u64 {
        self.counters.rejections.load(Ordering::Relaxed)
    }

    /// Notes how the places were found that the document is read from.
    pub fn note_sources(&self, sources: Vec<Source>) {
        let failures = sources.iter().filter(|source| source.problem.is_some()).count();
        self.counters.source_failures.fetch_add(failures as u64, Ordering::Relaxed);
        *self.sources() = sources;
    }

    /// Times that a place could not be read since the start.
    #[must_use]
    pub fn source_failures(&self) -> u64 {
        self.counters.source_failures.load(Ordering::Relaxed)
    }

    /// Listens to what happens from now on.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Tells all listeners. Nobody listening is fine.
    pub fn announce(&self, event: Event) {
        drop(self.events.send(event));
    }

    /// Stops taking new work; what runs is finished.
    pub fn drain(&self) {
        if !self.is_draining() {
            tracing::info!("draining: no new connections are taken");
        }
        self.draining.cancel();
    }

    /// Whether new work is refused.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Cancelled when draining begins.
    #[must_use]
    pub const fn draining(&self) -> &CancellationToken {
        &self.draining
    }

    fn sources(&self) -> std::sync::MutexGuard<'_, Vec<Source>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rejected(&self) -> std::sync::MutexGuard<'_, VecDeque<Rejected>> {
        self.rejected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a refused document that is tried again and again: once, as long as its mistakes stay the same.
    fn reject_once(&self, origin: Origin, mistakes: &[Mistake], now: Timestamp) {
        let is_kept = |earlier: &Rejected| {
            earlier.origin == origin
                && earlier.mistakes.iter().eq(mistakes.iter().take(REJECTED_MISTAKES_MAX))
        };
        if !self.rejected().iter().any(is_kept) {
            self.reject(origin, mistakes, now);
        }
    }

    /// Notes a refused document: status, counter, event, and a log line for each mistake.
    fn reject(&self, origin: Origin, mistakes: &[Mistake], now: Timestamp) {
        for mistake in mistakes {
            tracing::warn!(%origin, %mistake, "document refused; what served before keeps serving");
        }
        let kept: Vec<Mistake> = mistakes.iter().take(REJECTED_MISTAKES_MAX).cloned().collect();
        {
            let mut rejected = self.rejected();
            // A file that is read again with the same mistakes is the same refusal.
            rejected.retain(|earlier| earlier.origin != origin || earlier.mistakes != kept);
            rejected.push_front(Rejected { at: now, origin, digest: None, mistakes: kept });
            rejected.truncate(REJECTED_MAX);
        }
        self.counters.rejections.fetch_add(1, Ordering::Relaxed);
        self.announce(Event::ConfigRejected { origin, mistakes: mistakes.len() });
    }
}

/// The digest of a generation that may be absent.
fn digest(generation: Option<&Arc<Generation>>) -> Option<Digest> {
    generation.map(|generation| generation.config.digest())
}

#[cfg(test)]
mod tests;
