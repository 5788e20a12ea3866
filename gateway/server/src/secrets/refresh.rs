//! Looks at secrets again while the gateway runs, so that a rotated key is used without a restart.
//!
//! Files are watched; everything else is asked for again every so often, and sooner after a failure. What serves is
//! made again with the new values by [`State::renew_secrets`]. A document from the last run whose store was down at the
//! start is served as soon as the store answers.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use moorline_config::Reference;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::clock;
use crate::state::State;
use crate::watch::{REREAD, Watch};

/// The first wait after a failure; doubled with each, up to the usual time.
const RETRY: Duration = Duration::from_secs(1);
/// The shortest time between two looks.
const EVERY_MIN: Duration = Duration::from_millis(100);
/// The longest wait while no document serves for want of a secret.
const WAITING_MAX: Duration = Duration::from_secs(30);

/// Which secrets are looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those in files.
    Files,
    /// All.
    All,
}

impl Scope {
    /// Whether a reference belongs to it.
    #[must_use]
    pub const fn has(self, reference: &Reference) -> bool {
        matches!((self, reference), (Self::All, _) | (Self::Files, Reference::File(_)))
    }
}

/// Looks at all secrets again each `every` (at least 100 ms), until `stop` is cancelled.
pub async fn keep_fresh(state: Arc<State>, every: Duration, stop: CancellationToken) {
    let every = every.max(EVERY_MIN);
    let mut watch = Watch::new();
    let mut changes = state.listen();
    let mut backoff = Backoff::new(RETRY, every.max(RETRY));
    let first = if state.is_waiting() { backoff.after_failure() } else { backoff.after_success(every) };
    let mut due = Instant::now() + first;
    loop {
        // Before looking: what changes after this is noticed.
        watch.cover(&files(&state.references()));
        // Every arm is cancel safe: nothing is taken that is not acted on.
        let scope = tokio::select! {
            () = watch.changed() => Scope::Files,
            () = tokio::time::sleep(REREAD) => Scope::Files,
            () = tokio::time::sleep_until(due) => Scope::All,
            // Another document names other files.
            _ = changes.recv() => Scope::Files,
            () = stop.cancelled() => return,
        };
        let is_well = look_again(&state, scope).await;
        if scope == Scope::All {
            let wait = if is_well { backoff.after_success(every) } else { backoff.after_failure() };
            let wait = if state.is_waiting() { wait.min(WAITING_MAX) } else { wait };
            due = Instant::now() + wait;
        }
    }
}

/// Whether everything could be looked up.
async fn look_again(state: &Arc<State>, scope: Scope) -> bool {
    let looked = state.change(move |state| {
        let is_restored = scope != Scope::All || state.restore_again(clock::now());
        Ok(state.renew_secrets(scope, clock::now()) && is_restored)
    });
    looked.await.unwrap_or_else(|error| {
        tracing::warn!(%error, "secrets were not looked at again");
        false
    })
}

fn files(references: &BTreeSet<Reference>) -> Vec<PathBuf> {
    let file = |reference: &Reference| match reference {
        Reference::File(path) => Some(PathBuf::from(path)),
        _ => None,
    };
    references.iter().filter_map(file).collect()
}
