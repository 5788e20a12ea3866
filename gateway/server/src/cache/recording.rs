//! An answer that is kept as it goes to the caller.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use moorline_translate::Parts;

use super::{ENTRY_BYTES_MAX, Entry, Giver, Id, Store, kept};
use crate::limits::Millis;

/// The place for an answer that is not there yet.
#[derive(Debug)]
pub(crate) struct Vacancy {
    store: Arc<Store>,
    id: Id,
    ttl: Duration,
    now: Millis,
}

/// An answer on its way into the cache. Dropped without a word, nothing is kept.
#[derive(Debug)]
pub(crate) struct Recording {
    place: Vacancy,
    giver: Giver,
    headers: HeaderMap,
    body: BytesMut,
    ends: Vec<u32>,
    is_too_large: bool,
}

impl Vacancy {
    pub(super) const fn new(store: Arc<Store>, id: Id, ttl: Duration, now: Millis) -> Self {
        Self { store, id, ttl, now }
    }

    /// Notes who answers.
    pub(crate) fn taken_by(self, giver: Giver) -> Box<Recording> {
        let (headers, body) = (HeaderMap::new(), BytesMut::new());
        Box::new(Recording { place: self, giver, headers, body, ends: Vec::new(), is_too_large: false })
    }
}

impl Recording {
    /// Notes the answer's headers.
    pub(crate) fn begin(mut self: Box<Self>, headers: &HeaderMap) -> Box<Self> {
        self.headers = kept(headers);
        self
    }

    /// Notes a piece of a stream as it is sent. It is copied: a piece holds on to the buffer it was read into.
    pub(crate) fn piece(&mut self, piece: &Bytes) {
        if self.is_too_large || self.body.len() + piece.len() > ENTRY_BYTES_MAX {
            self.is_too_large = true;
            self.body = BytesMut::new();
            self.ends = Vec::new();
            return;
        }
        self.body.extend_from_slice(piece);
        self.ends.push(u32::try_from(self.body.len()).unwrap_or(u32::MAX));
    }

    /// Keeps the stream: it ended cleanly, and all of it was noted.
    pub(crate) fn keep(mut self: Box<Self>) {
        if self.is_too_large || self.body.is_empty() {
            return;
        }
        let body = Bytes::copy_from_slice(&self.body);
        let ends = std::mem::take(&mut self.ends).into_boxed_slice();
        self.put(body, ends);
    }

    /// Keeps an answer that is all here.
    pub(crate) fn keep_whole(self: Box<Self>, body: &Parts) {
        if usize::try_from(body.length()).is_ok_and(|length| length <= ENTRY_BYTES_MAX) {
            let whole: Vec<u8> = body.iter().flat_map(|part| part.iter().copied()).collect();
            self.put(whole.into(), Box::default());
        }
    }

    fn put(self: Box<Self>, body: Bytes, ends: Box<[u32]>) {
        let Self { place: Vacancy { store, id, ttl, now }, giver, headers, .. } = *self;
        store.put(id, Entry { giver, headers, body, ends }, ttl, now);
    }
}
