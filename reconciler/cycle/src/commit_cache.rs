//! What commits declare, cached between cycles: a commit never changes, so it is parsed once and not in each cycle.
//!
//! In: a commit, an environment, and the document that Terraform handed over. Out: what is known of them. Only what was
//! read well is kept: what could not be read may be readable the next time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use moorline_config::{Config, Digest};
use moorline_model::declaration::Declaration;
use moorline_model::{CommitId, EnvironmentName};
use moorline_plan::desired::Desired;

/// Most things of a kind that are kept; with more, all of the kind are forgotten, and read again.
const KEPT_MAX: usize = 256;

/// What decides what an environment declares: its name, the commit, and the document that Terraform handed over.
pub(crate) type DesiredKey = (EnvironmentName, CommitId, Option<Digest>);

/// What is known of commits.
#[derive(Debug, Default)]
pub struct CommitCache {
    known: Mutex<CachedCommits>,
}

#[derive(Debug, Default)]
struct CachedCommits {
    declarations: BTreeMap<CommitId, Arc<Declaration>>,
    desired: BTreeMap<DesiredKey, Desired>,
    documents: BTreeMap<Digest, Config>,
}

impl CommitCache {
    pub(crate) fn declaration(&self, commit: &CommitId) -> Option<Arc<Declaration>> {
        self.with(|known| known.declarations.get(commit).cloned())
    }

    pub(crate) fn keep_declaration(&self, commit: &CommitId, declaration: &Arc<Declaration>) {
        self.with(|known| keep(&mut known.declarations, commit.clone(), Arc::clone(declaration)));
    }

    pub(crate) fn desired(&self, place: &DesiredKey) -> Option<Desired> {
        self.with(|known| known.desired.get(place).cloned())
    }

    pub(crate) fn keep_desired(&self, place: DesiredKey, desired: &Desired) {
        self.with(|known| keep(&mut known.desired, place, desired.clone()));
    }

    pub(crate) fn document(&self, digest: Digest) -> Option<Config> {
        self.with(|known| known.documents.get(&digest).cloned())
    }

    pub(crate) fn keep_document(&self, document: &Config) {
        self.with(|known| keep(&mut known.documents, document.digest(), document.clone()));
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut CachedCommits) -> T) -> T {
        use_it(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn keep<K: Ord, V>(kept: &mut BTreeMap<K, V>, key: K, value: V) {
    if kept.len() >= KEPT_MAX {
        kept.clear();
    }
    kept.insert(key, value);
}
