//! What commits declare, cached between cycles: a commit never changes, so it is parsed once and not in each cycle.
//!
//! In: a commit, an environment, and the document that Terraform handed over. Out: what is known of them. Only what was
//! read well is kept: what could not be read may be readable the next time.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use moorline_config::{Config, Digest};
use moorline_model::declaration::Declaration;
use moorline_model::{CommitId, EnvironmentName, Revision};
use moorline_plan::desired::Desired;

/// Most declarations that are kept: each may declare a thousand environments. With more, all are forgotten and read again.
const DECLARATIONS_MAX: usize = 4;
/// Most environments that anything is kept for.
const ENVIRONMENTS_MAX: usize = 4096;
/// Most commits that are kept for an environment: in force, head, and where a rollback goes.
const COMMITS_MAX: usize = 4;
/// Most documents that are kept by their digest alone.
const DOCUMENTS_MAX: usize = 256;

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
    /// The newest last.
    desired: BTreeMap<EnvironmentName, VecDeque<(DesiredKey, Desired)>>,
    documents: BTreeMap<Digest, Config>,
    /// The environment for which a commit declares a gateway, by commit and admin URL.
    owners: HashMap<CommitId, HashMap<String, Option<EnvironmentName>>>,
}

impl CommitCache {
    /// Follows a revision that moved to a head which declares the same for the environment.
    pub(crate) fn fast_forward(&self, name: &EnvironmentName, before: &CommitId, head: &Revision) {
        self.with(|known| {
            for (key, desired) in known.desired.get_mut(name).into_iter().flatten() {
                if key.1 == *before {
                    key.1 = head.commit.clone();
                    desired.revision = head.clone();
                }
            }
        });
    }

    pub(crate) fn owner(&self, commit: &CommitId, endpoint: &str) -> Option<Option<EnvironmentName>> {
        self.with(|known| known.owners.get(commit)?.get(endpoint).cloned())
    }

    pub(crate) fn keep_owner(&self, commit: &CommitId, endpoint: &str, owner: Option<EnvironmentName>) {
        self.with(|known| {
            if known.owners.values().map(HashMap::len).sum::<usize>() >= ENVIRONMENTS_MAX {
                known.owners.clear();
            }
            known.owners.entry(commit.clone()).or_default().insert(endpoint.to_owned(), owner);
        });
    }

    pub(crate) fn declaration(&self, commit: &CommitId) -> Option<Arc<Declaration>> {
        self.with(|known| known.declarations.get(commit).cloned())
    }

    /// Keeps what a commit declares, for whoever asks next.
    pub fn keep_declaration(&self, commit: &CommitId, declaration: &Arc<Declaration>) {
        let (commit, declaration) = (commit.clone(), Arc::clone(declaration));
        self.with(|known| keep(&mut known.declarations, DECLARATIONS_MAX, commit, declaration));
    }

    pub(crate) fn desired(&self, place: &DesiredKey) -> Option<Desired> {
        self.with(|known| {
            let of_environment = known.desired.get(&place.0)?;
            // Of two that fast-forwarded to one commit the newer counts; they declare the same.
            of_environment.iter().rev().find(|(key, _)| key == place).map(|(_, desired)| desired.clone())
        })
    }

    pub(crate) fn keep_desired(&self, place: DesiredKey, desired: &Desired) {
        self.with(|known| {
            if known.desired.len() >= ENVIRONMENTS_MAX && !known.desired.contains_key(&place.0) {
                known.desired.clear();
            }
            let of_environment = known.desired.entry(place.0.clone()).or_default();
            of_environment.retain(|(key, _)| *key != place);
            of_environment.push_back((place, desired.clone()));
            if of_environment.len() > COMMITS_MAX {
                of_environment.pop_front();
            }
        });
    }

    /// Forgets what an environment's other commits declare: after a rollout nobody asks for what was before it.
    pub(crate) fn retain(&self, name: &EnvironmentName, commits: &[&CommitId]) {
        self.with(|known| {
            if let Some(desired) = known.desired.get_mut(name) {
                desired.retain(|((_, commit, _), _)| commits.contains(&commit));
                desired.shrink_to_fit();
            }
        });
    }

    pub(crate) fn document(&self, digest: Digest) -> Option<Config> {
        self.with(|known| known.documents.get(&digest).cloned())
    }

    pub(crate) fn keep_document(&self, document: &Config) {
        self.with(|known| keep(&mut known.documents, DOCUMENTS_MAX, document.digest(), document.clone()));
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut CachedCommits) -> T) -> T {
        use_it(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn keep<K: Ord, V>(kept: &mut BTreeMap<K, V>, most: usize, key: K, value: V) {
    if kept.len() >= most {
        kept.clear();
    }
    kept.insert(key, value);
}
