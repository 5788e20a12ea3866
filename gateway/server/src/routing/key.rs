//! Virtual keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use moorline_config::{KeyName, ModelName, Moment, document};
use sha2::{Digest as _, Sha256};

use super::limit::{Around, Limit};
use super::{KeyIndex, ModelIndex};
use crate::guardrails::Guardrail;
use crate::limits::Millis;

/// SHA-256 of a key. Keys are looked up by it alone: whatever a caller sends is hashed first, so that a look-up has one
/// length, compares no secret, and takes no time that tells of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// The hash of what a caller sent.
    #[must_use]
    pub fn of(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// Reads a declared hash.
    #[must_use]
    pub fn from_hex(digits: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

/// What a declared hash stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// The key.
    pub key: KeyIndex,
    /// When the proof stops to be accepted.
    pub until: Option<Millis>,
}

impl Proof {
    /// The proofs of a key: its own hash, and that of the key it replaces. The second never outlives the first.
    pub(super) fn of(index: KeyIndex, key: &document::Key) -> impl Iterator<Item = (KeyHash, Self)> {
        let until = key.expires.map(Moment::as_milliseconds);
        let own = KeyHash::from_hex(&key.sha256).map(|hash| (hash, Self { key: index, until }));
        let previous = key.previous.as_ref().and_then(|previous| {
            let expires = previous.expires.as_milliseconds();
            let until = Some(until.map_or(expires, |until| until.min(expires)));
            Some((KeyHash::from_hex(&previous.sha256)?, Self { key: index, until }))
        });
        own.into_iter().chain(previous)
    }
}

/// A virtual key.
#[derive(Debug)]
pub struct Key {
    /// Its name, in metrics and logs.
    pub name: KeyName,
    /// What is known of whoever holds it.
    pub metadata: BTreeMap<String, String>,
    /// What its requests and answers must pass, beside what the route asks.
    pub guardrails: Vec<Arc<Guardrail>>,
    /// Limits of the key over all routes.
    pub limits: Arc<[Limit]>,
    /// Models it may use; all when absent.
    models: Option<Vec<ModelIndex>>,
}

impl Key {
    pub(super) fn compile(
        key: &document::Key,
        by_name: &HashMap<ModelName, ModelIndex>,
        around: Around<'_>,
    ) -> Self {
        Self {
            name: key.name.clone(),
            metadata: key.metadata.clone(),
            guardrails: Vec::new(),
            limits: Limit::of_key(key, around).into(),
            models: key.models.as_ref().map(|names| indices(names, by_name)),
        }
    }

    /// What stands for a declared key when a token proves who calls.
    pub(crate) fn of_token(name: KeyName, models: Option<Vec<ModelIndex>>, limits: Arc<[Limit]>) -> Self {
        Self { name, metadata: BTreeMap::new(), guardrails: Vec::new(), limits, models }
    }

    /// Whether the key may use a model.
    #[must_use]
    pub fn allows(&self, model: ModelIndex) -> bool {
        self.models.as_ref().is_none_or(|models| models.contains(&model))
    }
}

/// The places of declared models. A name that is not declared allows nothing.
pub(super) fn indices(names: &[ModelName], by_name: &HashMap<ModelName, ModelIndex>) -> Vec<ModelIndex> {
    names.iter().filter_map(|name| by_name.get(name).copied()).collect()
}
