//! What serves when the process begins.
//!
//! The last good document kept by its owner wins: a fleet that Git, Terraform or a person wrote to comes back with
//! what they wrote, and the file only bootstraps. While the file itself is the owner, the file as it is now wins,
//! and the kept document stands in for a file that has mistakes. Values of secrets are never kept: a document whose
//! store is down at the start waits for it, and nothing serves until then. A candidate is not kept: its probe key and its
//! share were promises of the process that ended, and whoever staged it stages it again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use moorline_admin::Origin;
use moorline_config::Mistakes;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::compile::Unfit;
use super::disk::{Disk, DiskError, Saved, SavedDocument};
use super::{Author, ChangeError, Counters, EVENTS_MAX, Proposal, Setup, State, Taken, Writer};
use crate::generation::Snapshot;
use crate::recorder::ledger::Ledger;
use crate::secrets::held::Held;

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The state directory cannot be used.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The file has mistakes, and there is no good document to stand in for it.
    #[error("the document has mistakes, and no earlier one is kept to serve instead:\n{0}")]
    Invalid(Mistakes),
    /// The file's document could not be taken.
    #[error("the document could not be taken")]
    NotTaken(#[source] ChangeError),
}

impl State {
    /// Opens the state and decides what serves. `file` is the document named on the command line, when there is one.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(setup: Setup, file: Option<&Proposal>, now: Timestamp) -> Result<Self, StartError> {
        let disk = setup.directory.as_deref().map(Disk::open).transpose()?;
        let saved = disk.as_ref().map(Disk::load).transpose()?.unwrap_or_default();
        let kept = saved.stable.clone();
        let state = Self::empty(setup, disk, saved, now);
        if let Some(kept) = kept.clone() {
            state.restore(kept, now);
        }
        let owner = kept.as_ref().map(|kept| kept.attestation.origin);
        match file {
            Some(file) if owner.is_none_or(|owner| owner == Origin::File) => state.bootstrap(file, now)?,
            Some(_) => tracing::info!(
                owner = owner.map(Origin::as_str),
                "the document is not the file's any more; the file is not read"
            ),
            None => {}
        }
        Ok(state)
    }

    fn empty(setup: Setup, disk: Option<Disk>, saved: Saved, now: Timestamp) -> Self {
        Self {
            snapshot: ArcSwap::from_pointee(Snapshot::default()),
            writer: Mutex::new(Writer { disk, saved }),
            rejected: Mutex::new(VecDeque::new()),
            ledger: Ledger::default(),
            counters: Counters::default(),
            events: broadcast::channel(EVENTS_MAX).0,
            draining: CancellationToken::new(),
            resolver: setup.resolver,
            instance: setup.instance,
            started: now,
            tracker: setup.tracker,
            held: Held::default(),
            waiting: Mutex::new(None),
            sources: Mutex::new(Vec::new()),
        }
    }

    /// Serves the kept document again, under its own number. One that is good no longer (a rule of a newer release)
    /// is noted and not served; its owner's next write ends that. One that lacks a secret waits for it.
    fn restore(&self, kept: SavedDocument, now: Timestamp) {
        let said = &kept.attestation;
        let checked = match Proposal::Posted(kept.document.clone()).check(&self.resolver, &self.held) {
            Ok(checked) => checked,
            Err(unfit) => {
                self.reject_once(said.origin, unfit.mistakes(), now);
                *self.waiting() = matches!(unfit, Unfit::Secrets(_)).then_some(kept);
                return;
            }
        };
        let _writer = self.writer();
        if self.snapshot().stable.is_some() {
            // Somebody wrote in the meantime.
            return;
        }
        self.held.learn(&checked.secrets, now);
        let author = Author {
            origin: said.origin,
            commit: said.commit.clone(),
            actor: said.actor.clone(),
            reason: said.reason.clone(),
        };
        let before = self.snapshot.load_full();
        let stable = Arc::new(checked.compile(said.generation, &author, now, &before));
        self.publish(&before, Snapshot { stable: Some(stable), ..Snapshot::clone(&before) }, now);
    }

    /// Tries again to serve what the last run left, if it lacked a secret. Whether it waits no longer.
    pub fn restore_again(&self, now: Timestamp) -> bool {
        let waiting = self.waiting().clone();
        if let Some(kept) = waiting {
            self.restore(kept, now);
        }
        !self.is_waiting()
    }

    fn bootstrap(&self, file: &Proposal, now: Timestamp) -> Result<(), StartError> {
        match self.reload(file, now) {
            Ok(Taken::Changed(_) | Taken::Same(_) | Taken::Ignored(_)) => Ok(()),
            Err(ChangeError::Invalid(_) | ChangeError::Secrets(_)) if self.owner().is_some() => Ok(()),
            // Ending would only make whoever starts us try again, faster than the store comes back.
            Err(ChangeError::Secrets(lacking)) if lacking.is_passing => Ok(()),
            Err(ChangeError::Invalid(mistakes)) => Err(StartError::Invalid(mistakes)),
            Err(ChangeError::Secrets(lacking)) => Err(StartError::Invalid(Mistakes(lacking.mistakes))),
            Err(error) => Err(StartError::NotTaken(error)),
        }
    }
}
