//! Answers in this process's memory, up to a number of bytes.
//!
//! In shards with a lock each; what is asked for only once makes room first (S3-FIFO, in the library).

use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use super::{Entry, Id};
use crate::limits::Millis;

/// Locks. Each shard holds its part of the size, which an entry must fit.
const SHARDS: usize = 8;
/// What an answer takes up, for the first guess at their number.
const ENTRY_BYTES_TYPICAL: u64 = 4 * 1024;

/// Answers in memory.
pub(crate) struct Memory(Cache<Id, Timed, Weigh>);

#[derive(Clone)]
struct Timed {
    entry: Arc<Entry>,
    until: Millis,
}

#[derive(Clone)]
struct Weigh;

impl Weighter<Id, Timed> for Weigh {
    fn weight(&self, _: &Id, timed: &Timed) -> u64 {
        timed.entry.weight()
    }
}

impl Memory {
    pub(super) fn new(bytes: u64) -> Self {
        let items = usize::try_from(bytes / ENTRY_BYTES_TYPICAL).unwrap_or(usize::MAX).clamp(16, 1 << 20);
        let options = OptionsBuilder::new()
            .estimated_items_capacity(items)
            .weight_capacity(bytes)
            .shards(SHARDS)
            .build();
        // All three numbers are there: nothing is left that could be missing.
        let cache = options.map_or_else(
            |_| Cache::with_weighter(items, bytes, Weigh),
            |options| {
                Cache::with_options(
                    options,
                    Weigh,
                    DefaultHashBuilder::default(),
                    DefaultLifecycle::default(),
                )
            },
        );
        Self(cache)
    }

    pub(super) fn get(&self, id: &Id, now: Millis) -> Option<Arc<Entry>> {
        let timed = self.0.get(id)?;
        if now >= timed.until {
            self.0.remove_if(id, |timed| now >= timed.until);
            return None;
        }
        Some(timed.entry)
    }

    pub(super) fn put(&self, id: Id, entry: Entry, ttl: Duration, now: Millis) {
        let ttl = Millis::try_from(ttl.as_millis()).unwrap_or(Millis::MAX);
        self.0.insert(id, Timed { entry: Arc::new(entry), until: now.saturating_add(ttl) });
    }

    #[cfg(test)]
    fn weight(&self) -> u64 {
        self.0.weight()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;

    use super::super::Giver;
    use super::*;

    fn entry(bytes: usize) -> Entry {
        let giver = Giver {
            model: "m".parse().unwrap(),
            provider: "p".parse().unwrap(),
            target: "t".parse().unwrap(),
        };
        let body = Bytes::from(vec![b'x'; bytes]);
        Entry { giver, headers: HeaderMap::new(), body, ends: Box::default() }
    }

    fn id(number: u64) -> Id {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&number.to_le_bytes());
        Id(id)
    }

    #[test]
    fn an_answer_is_there_until_its_time_is_over() {
        let memory = Memory::new(1 << 20);
        memory.put(id(1), entry(10), Duration::from_secs(1), 500);
        assert_eq!(memory.get(&id(1), 1_499).unwrap().body.len(), 10);
        assert!(memory.get(&id(1), 1_500).is_none());
        assert!(memory.get(&id(2), 500).is_none());
    }

    #[test]
    fn however_much_comes_no_more_is_kept_than_declared() {
        let size = 4 << 20;
        let memory = Memory::new(size);
        for number in 0..4_000 {
            memory.put(
                id(number),
                entry(usize::try_from(number % 50).unwrap() * 1_000),
                Duration::from_secs(9),
                0,
            );
            assert!(memory.weight() <= size, "{number}");
        }
        assert!(memory.weight() > size / 2, "and it is used");
    }
}
