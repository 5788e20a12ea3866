//! A document compiled for the hot path.
//!
//! In: a checked document, and the values of its references. Out: everything a request needs, resolved ahead: routes
//! by path, keys by hash, models with their targets, prices in whole numbers, upstream addresses with the credential
//! that may travel to them. Compiling cannot fail: what cannot serve (an address that is none, a credential that is
//! missing) is kept as such and refuses its requests.

mod condition;
pub mod credential;
pub mod key;
pub mod limit;
pub mod model;
pub mod operation;
pub mod order;
pub mod price;
pub mod route;
pub mod upstream;
pub mod way;

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use moorline_config::{Config, ModelName, ProviderName, Reference, Secret};

use crate::guardrails::Declared;
use crate::jwt::Verifier;

pub use key::{Key, KeyHash, Proof};
pub use model::{Hedge, Model, Shadow, Target};
pub use operation::Operation;
pub use order::{Occasion, Order};
pub use price::Price;
pub use route::Route;
pub use upstream::{Origin, Upstream};

/// A model's place in [`Routing`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelIndex(pub(crate) usize);

/// A key's place in [`Routing`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyIndex(pub(crate) usize);

/// A document compiled for the hot path.
#[derive(Debug)]
pub struct Routing {
    routes: Vec<Route>,
    models: Vec<Model>,
    models_by_name: HashMap<ModelName, ModelIndex>,
    keys: Vec<Key>,
    keys_by_hash: HashMap<KeyHash, Proof>,
    tokens: Option<Verifier>,
}

impl Routing {
    /// Compiles a document. `resolve` gives the value of a reference, or nothing when it has none here.
    #[must_use]
    pub fn compile(config: &Config, resolve: &dyn Fn(&Reference) -> Option<Secret>) -> Self {
        let upstreams: BTreeMap<&ProviderName, Arc<Upstream>> = config
            .providers
            .iter()
            .map(|(name, provider)| (name, Arc::new(Upstream::compile(name, provider, resolve))))
            .collect();
        let models_by_name: HashMap<ModelName, ModelIndex> =
            config.models.keys().enumerate().map(|(index, name)| (name.clone(), ModelIndex(index))).collect();
        let models = config
            .models
            .iter()
            .map(|(name, model)| Model::compile(name, model, &upstreams, &models_by_name))
            .collect();
        let names: Vec<&ModelName> = config.models.keys().collect();
        let shared = limit::Shared::compile(config, resolve);
        let cache = crate::cache::Declared::compile(config, resolve);
        let around = limit::Around {
            keys: &config.keys,
            models: &names,
            shared: shared.as_ref(),
            cache: cache.as_ref(),
        };
        let mut routes: Vec<Route> = config
            .routes
            .iter()
            .enumerate()
            .map(|(index, route)| Route::compile(index, route, &models_by_name, around))
            .collect();
        let mut keys: Vec<Key> =
            config.keys.iter().map(|key| Key::compile(key, &models_by_name, around)).collect();
        let guardrails = Declared::compile(&config.guardrails, resolve);
        for (route, declared) in routes.iter_mut().zip(&config.routes) {
            route.guardrails = guardrails.named(&declared.guardrails);
        }
        for (key, declared) in keys.iter_mut().zip(&config.keys) {
            key.guardrails = guardrails.named(&declared.guardrails);
        }
        let keys_by_hash =
            config.keys.iter().enumerate().flat_map(|(index, key)| Proof::of(KeyIndex(index), key)).collect();
        let tokens = config.auth.as_ref().and_then(|auth| auth.jwt.as_ref()).and_then(|jwt| {
            let models = jwt.models.as_ref().map(|names| key::indices(names, &models_by_name));
            Verifier::compile(jwt, &models_by_name, models, limit::Limit::of_tokens(&jwt.limits, around))
        });
        Self { routes, models, models_by_name, keys, keys_by_hash, tokens }
    }

    /// A key by its place.
    #[must_use]
    pub fn key_at(&self, index: KeyIndex) -> Option<&Key> {
        self.keys.get(index.0)
    }

    /// The first route whose path matches.
    #[must_use]
    pub fn route(&self, path: &str) -> Option<&Route> {
        self.routes.iter().find(|route| route.matches(path))
    }

    /// All routes, in order.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The model of this name.
    #[must_use]
    pub fn model_named(&self, name: &str) -> Option<ModelIndex> {
        self.models_by_name.get(name).copied()
    }

    /// A model by its place.
    #[must_use]
    pub fn model(&self, index: ModelIndex) -> Option<&Model> {
        self.models.get(index.0)
    }

    /// All models with their places, by name.
    pub fn models(&self) -> impl Iterator<Item = (ModelIndex, &Model)> {
        self.models.iter().enumerate().map(|(index, model)| (ModelIndex(index), model))
    }

    /// What judges tokens, when any are accepted.
    #[must_use]
    pub const fn tokens(&self) -> Option<&Verifier> {
        self.tokens.as_ref()
    }

    /// Goes on with the issuer's keys that another generation has already.
    pub fn adopt(&mut self, other: &Self) {
        if let (Some(mine), Some(other)) = (&mut self.tokens, &other.tokens) {
            mine.adopt(other);
        }
    }

    /// What this hash proves, and the key it is of.
    #[must_use]
    pub fn key(&self, hash: &KeyHash) -> Option<(Proof, &Key)> {
        let proof = *self.keys_by_hash.get(hash)?;
        Some((proof, self.keys.get(proof.key.0)?))
    }
}

#[cfg(test)]
mod tests;
