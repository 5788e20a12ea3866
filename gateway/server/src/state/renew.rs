//! Secrets that changed under a document that did not: the same generations with other values.
//!
//! Digest, number, counts and probe key stay; requests under way keep the values they began with.

use std::collections::BTreeSet;
use std::sync::{Arc, MutexGuard, PoisonError};

use jiff::Timestamp;
use moorline_config::Reference;

use super::State;
use super::compile::renew;
use super::disk::SavedDocument;
use crate::generation::{Generation, Snapshot, Staged};
use crate::secrets::all_references;
use crate::secrets::held::Held;
use crate::secrets::refresh::Scope;

impl State {
    /// The references of what serves, stable and candidate.
    #[must_use]
    pub fn references(&self) -> BTreeSet<Reference> {
        references(&self.snapshot())
    }

    /// The values of what serves, and when they were had.
    #[must_use]
    pub const fn held(&self) -> &Held {
        &self.held
    }

    /// Whether the document of the last run waits for a secret.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.waiting().is_some()
    }

    /// Looks references up again, and serves the same documents with the values they have now. Whether all were found.
    pub fn renew_secrets(&self, scope: Scope, now: Timestamp) -> bool {
        let found = self.resolver.look_up(self.references().into_iter().filter(|it| scope.has(it)).collect());
        self.held.renew(&found, now);
        let _writer = self.writer();
        let before = self.snapshot.load_full();
        let mut after = Snapshot::clone(&before);
        if let Some(stable) = before.stable.as_deref().and_then(|stable| self.renewed(stable)) {
            after.stable = Some(stable);
        }
        if let Some(staged) = &before.candidate
            && let Some(generation) = self.renewed(&staged.generation)
        {
            after.candidate = Some(Staged { generation, ..staged.clone() });
        }
        self.held.retain(&references(&after));
        self.snapshot.store(Arc::new(after));
        found.values().all(Result::is_ok)
    }

    fn renewed(&self, generation: &Generation) -> Option<Arc<Generation>> {
        let secrets = self.held.resolved(&all_references(&generation.config))?;
        let renewed = renew(generation, &secrets)?;
        for (reference, fingerprint) in &renewed.fingerprints {
            if generation.fingerprints.get(reference) != Some(fingerprint) {
                tracing::info!(generation = generation.number.0, %reference, "a secret changed and is used from now on");
            }
        }
        Some(Arc::new(renewed))
    }

    pub(super) fn waiting(&self) -> MutexGuard<'_, Option<SavedDocument>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn references(snapshot: &Snapshot) -> BTreeSet<Reference> {
    let candidate = snapshot.candidate.as_ref().map(|staged| &staged.generation);
    snapshot
        .stable
        .iter()
        .chain(candidate)
        .flat_map(|generation| all_references(&generation.config))
        .collect()
}
