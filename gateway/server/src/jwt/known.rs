//! Tokens that were verified, by the full hash of the token, until their end.
//!
//! Bounded: when the newer half is full the older one goes. A token that was dropped is only verified once more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::verifier::Identity;
use crate::limits::Millis;
use crate::routing::KeyHash;

/// Tokens in each half.
const HALF_MAX: usize = 4_096;

/// What was found of a token.
#[derive(Debug, Clone)]
pub(super) struct Verdict {
    pub(super) identity: Arc<Identity>,
    /// The end of the token, its leeway included.
    pub(super) until: Millis,
    /// Of the keys it was verified with.
    pub(super) epoch: u64,
}

/// Tokens that were verified.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<Halves>);

#[derive(Debug, Default)]
struct Halves {
    newer: HashMap<KeyHash, Verdict>,
    older: HashMap<KeyHash, Verdict>,
}

impl Known {
    /// Whose a token is, if that was found with these keys and still holds.
    pub(super) fn find(&self, hash: &KeyHash, epoch: u64, now: Millis) -> Option<Arc<Identity>> {
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !halves.newer.contains_key(hash) {
            let verdict = halves.older.remove(hash)?;
            halves.keep(*hash, verdict);
        }
        let verdict = halves.newer.get(hash)?;
        if verdict.epoch == epoch && now < verdict.until {
            return Some(Arc::clone(&verdict.identity));
        }
        halves.newer.remove(hash);
        None
    }

    /// Remembers a verdict.
    pub(super) fn keep(&self, hash: KeyHash, verdict: Verdict) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keep(hash, verdict);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        halves.newer.len() + halves.older.len()
    }
}

impl Halves {
    fn keep(&mut self, hash: KeyHash, verdict: Verdict) {
        if self.newer.len() >= HALF_MAX {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(hash, verdict);
    }
}
