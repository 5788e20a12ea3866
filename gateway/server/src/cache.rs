//! The response cache: the same question, asked again, gets the answer it got before.
//!
//! In: what tells two questions apart ([`key`]), and answers as they went to a caller ([`recording`]). Out: an answer to
//! send again. Only answers with status 200 that ended cleanly are kept, each up to [`ENTRY_BYTES_MAX`], for the time
//! the route declares. A stream is kept as the pieces it was sent in, and sent again as a stream.
//!
//! Nobody sees another key's answers, unless the route declares `share: route`. And nobody is given an answer that the
//! question itself could not have got: it is kept with the target that gave it ([`Giver`]), and given again only to a
//! question that may reach that target. A store that cannot be asked is a miss.
//!
//! [`memory`] keeps answers in this process, [`shared`] in a Redis of several.

pub(crate) mod key;
mod memory;
pub(crate) mod recording;
mod shared;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use moorline_config::document::{self, CacheStore, Share};
use moorline_config::{ByteSize, GatewayName, ModelName, ProviderName, Reference, Secret};
use moorline_translate::Parts;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub(crate) use key::Id;
pub(crate) use recording::{Recording, Vacancy};

use crate::limits::Millis;

/// The largest answer that is kept.
pub(crate) const ENTRY_BYTES_MAX: usize = 1024 * 1024;
/// What is kept in memory when a route declares a cache and the document no store.
pub const MEMORY_DEFAULT: u64 = 64 * 1024 * 1024;

/// Who gave an answer. By names, which mean the same in another document and in another process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Giver {
    /// The model, as declared: the one asked for, or one that it falls back to.
    pub(crate) model: ModelName,
    /// The provider of its target.
    pub(crate) provider: ProviderName,
    /// The model's name there.
    pub(crate) target: ModelName,
}

/// An answer that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    giver: Giver,
    headers: HeaderMap,
    body: Bytes,
    /// Where each piece of a stream ends; none for an answer that was one.
    ends: Box<[u32]>,
}

impl Entry {
    /// Who gave it.
    pub(crate) const fn giver(&self) -> &Giver {
        &self.giver
    }

    /// Whether it was a stream.
    pub(crate) fn is_stream(&self) -> bool {
        !self.ends.is_empty()
    }

    /// Its headers, to be sent again.
    pub(crate) fn headers(&self) -> HeaderMap {
        self.headers.clone()
    }

    /// Its body, in the pieces it was sent in.
    pub(crate) fn parts(&self) -> Parts {
        if !self.is_stream() {
            return Parts::from(self.body.clone());
        }
        let mut parts = Parts::default();
        let mut rest = self.body.clone();
        let mut from = 0;
        for end in &self.ends {
            let length = usize::try_from(end.saturating_sub(from)).unwrap_or(usize::MAX);
            parts.push(rest.split_to(length.min(rest.len())));
            from = *end;
        }
        parts
    }

    /// What it takes up, about.
    fn weight(&self) -> u64 {
        let headers: usize =
            self.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 64).sum();
        (self.body.len() + self.ends.len() * 4 + headers + 384) as u64
    }
}

/// The cache of a route.
#[derive(Debug)]
pub struct RouteCache {
    path: String,
    share: Share,
    ttl: Duration,
    declared: Arc<Declared>,
}

/// The store that a document declares for cached answers.
#[derive(Debug)]
pub(crate) struct Declared {
    place: Place,
    found: OnceLock<Arc<Store>>,
}

/// Where answers are kept. Documents that say the same share what is kept.
#[derive(Debug, Clone)]
enum Place {
    Memory(ByteSize),
    /// Its URL, if the reference to it has a value here.
    Redis(Option<Secret>, GatewayName),
}

impl Declared {
    /// Compiles what a document declares; nothing when no route has a cache.
    pub(crate) fn compile(
        document: &document::Document,
        resolve: &dyn Fn(&Reference) -> Option<Secret>,
    ) -> Option<Arc<Self>> {
        document.routes.iter().find(|route| route.cache.is_some())?;
        let place = match document.stores.as_ref().and_then(|stores| stores.cache.as_ref()) {
            None => Place::Memory(ByteSize::from_bytes(MEMORY_DEFAULT)),
            Some(CacheStore::Memory { memory }) => Place::Memory(*memory),
            Some(CacheStore::Redis(redis)) => Place::Redis(resolve(&redis.redis), document.name.clone()),
        };
        Some(Arc::new(Self { place, found: OnceLock::new() }))
    }
}

impl RouteCache {
    /// Compiles the cache of a route.
    pub(crate) fn compile(path: &str, cache: document::Cache, declared: &Arc<Declared>) -> Self {
        Self {
            path: path.to_owned(),
            share: cache.share.unwrap_or_default(),
            ttl: cache.ttl.get(),
            declared: Arc::clone(declared),
        }
    }

    /// An answer that was kept.
    pub(crate) async fn find(&self, caches: &Caches, id: &Id, now: Millis) -> Option<Arc<Entry>> {
        match &**self.store(caches) {
            Store::Memory(memory) => memory.get(id, now),
            Store::Shared(shared) => shared.get(id).await.map(Arc::new),
        }
    }

    /// Begins to keep an answer.
    pub(crate) fn record(&self, caches: &Caches, id: Id, now: Millis) -> Vacancy {
        Vacancy::new(Arc::clone(self.store(caches)), id, self.ttl, now)
    }

    fn store(&self, caches: &Caches) -> &Arc<Store> {
        self.declared.found.get_or_init(|| caches.store(&self.declared.place))
    }
}

/// Where answers are kept.
pub(crate) enum Store {
    Memory(memory::Memory),
    Shared(shared::Shared),
}

impl Store {
    fn put(&self, id: Id, entry: Entry, ttl: Duration, now: Millis) {
        match self {
            Self::Memory(memory) => memory.put(id, entry, ttl, now),
            Self::Shared(shared) => shared.put(id, &entry, ttl),
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Store")
    }
}

/// All stores of cached answers of this process. They belong to no document: a swap forgets nothing.
#[derive(Debug, Default)]
pub(crate) struct Caches(Mutex<HashMap<StoreId, Weak<Store>>>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum StoreId {
    Memory(u64),
    /// Hash of the URL, which holds a password.
    Redis(Option<[u8; 32]>, GatewayName),
}

impl Caches {
    fn store(&self, place: &Place) -> Arc<Store> {
        let id = match place {
            Place::Memory(size) => StoreId::Memory(size.as_bytes()),
            Place::Redis(url, gateway) => {
                let hash = url.as_ref().map(|url| Sha256::digest(url.expose()).into());
                StoreId::Redis(hash, gateway.clone())
            }
        };
        let mut stores = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = stores.get(&id).and_then(Weak::upgrade) {
            return store;
        }
        stores.retain(|_, store| store.strong_count() > 0);
        let store = Arc::new(match place {
            Place::Memory(size) => Store::Memory(memory::Memory::new(size.as_bytes())),
            Place::Redis(url, gateway) => Store::Shared(shared::Shared::open(url.clone(), gateway)),
        });
        stores.insert(id, Arc::downgrade(&store));
        store
    }
}

/// Headers of an answer that are kept with it. What says who asked or when is not among them.
const KEPT: [HeaderName; 4] = [
    http::header::CONTENT_TYPE,
    HeaderName::from_static("openai-model"),
    HeaderName::from_static("x-accel-buffering"),
    HeaderName::from_static("x-moorline-dropped"),
];

fn kept(headers: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for name in KEPT {
        if let Some(value) = headers.get(&name) {
            // A clone of a value may hold on to the whole buffer it was read into.
            if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                kept.insert(name, value);
            }
        }
    }
    kept
}
