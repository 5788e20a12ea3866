//! Stores: what a cache in memory may hold, and what a lost one can do.

use super::Problems;
use crate::document::{CacheStore, WhenLost};
use crate::{ByteSize, Document};

/// The smallest cache: below it hardly an answer fits.
const CACHE_BYTES_MIN: ByteSize = ByteSize::from_bytes(1024 * 1024);

pub(super) fn check(document: &Document, problems: &mut Problems) {
    match document.stores.as_ref().and_then(|stores| stores.cache.as_ref()) {
        Some(CacheStore::Memory { memory }) if *memory < CACHE_BYTES_MIN => {
            problems.add("stores.cache.memory", format!("expected at least {CACHE_BYTES_MIN}"));
        }
        Some(CacheStore::Redis(redis)) if redis.when_lost == WhenLost::Closed => {
            problems.add(
                "stores.cache.when_lost",
                "a cache that is lost is a miss, never a refusal: expected `open`",
            );
        }
        _ => {}
    }
}
