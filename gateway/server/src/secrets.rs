//! From references to values: what a document may name, resolved by this process.
//!
//! In: a checked document. Out: every value it needs, or a mistake for each reference that has none. A mistake names
//! the path and the reference, never a value. What stands on this host is read here ([`one_line`] says what a value
//! may be); what stands in a store over the network is asked of [`stores`], all at once and each for at most
//! [`LOOK_UP_TIMEOUT`]. [`held`] keeps the values last had, so that a store that is down stops nothing that serves, and
//! [`refresh`] looks again while the gateway runs.
//!
//! Looking up blocks the thread: call it where [`crate::state::State::change`] runs.

mod aws;
pub mod held;
mod host;
mod parameter_store;
pub mod refresh;
mod secrets_manager;
#[cfg(test)]
pub(crate) mod shelf;
pub mod stores;
mod vault;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use moorline_config::document::{CacheStore, LimitStore, Provider};
use moorline_config::{Document, Mistake, Reference, Secret};

use stores::Stores;

/// The most bytes of a secret.
pub const SECRET_BYTES_MAX: usize = 64 << 10;
/// The longest wait for a store's answer.
pub const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(5);

/// Looks an environment variable up.
pub type Environment = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Resolves references.
#[derive(Clone)]
pub struct Resolver {
    environment: Arc<Environment>,
    stores: Arc<dyn Stores>,
}

/// Why a reference has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set, or is empty.
    #[error("the environment variable is not set, or is empty")]
    Unset,
    /// The file cannot be read.
    #[error("the file cannot be read ({0})")]
    Unreadable(io::ErrorKind),
    /// The value is not text of a sensible size.
    #[error("expected one line of text, at most 64 KiB")]
    NotText,
    /// The store has nothing of this name.
    #[error("the store has nothing of this name")]
    NotFound,
    /// The secret is there, and has no such key.
    #[error("the secret is no JSON object with this key and a text behind it")]
    NoKey,
    /// The store was told too little to be asked.
    #[error("{0}")]
    NotConfigured(String),
    /// The store says no.
    #[error("the store refuses ({0})")]
    Refused(String),
    /// The store gave no answer that counts.
    #[error("the store cannot be asked now ({0})")]
    Unreachable(String),
}

impl SecretError {
    /// Whether this says nothing about the secret, only that the store could not be heard.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
}

/// What was found of a set of references.
pub type Found = BTreeMap<Reference, Result<Secret, SecretError>>;

/// The values of one document's references.
#[derive(Debug, Clone, Default)]
pub struct Resolved {
    values: BTreeMap<Reference, Secret>,
    /// Those among them that stand in for what could not be asked for.
    old: BTreeSet<Reference>,
}

impl Resolved {
    /// The value of a reference.
    #[must_use]
    pub fn get(&self, reference: &Reference) -> Option<Secret> {
        self.values.get(reference).cloned()
    }

    /// The fingerprint of each reference's value.
    #[must_use]
    pub fn fingerprints(&self) -> BTreeMap<String, Option<String>> {
        self.values
            .iter()
            .map(|(reference, secret)| (reference.to_string(), Some(secret.fingerprint())))
            .collect()
    }

    /// References and values that were looked up just now.
    pub fn fresh(&self) -> impl Iterator<Item = (&Reference, &Secret)> {
        self.values.iter().filter(|(reference, _)| !self.old.contains(reference))
    }
}

impl FromIterator<(Reference, Secret)> for Resolved {
    fn from_iter<T: IntoIterator<Item = (Reference, Secret)>>(values: T) -> Self {
        Self { values: values.into_iter().collect(), old: BTreeSet::new() }
    }
}

/// References of a document that have no value, told as mistakes.
#[derive(Debug)]
pub struct Lacking {
    /// One for each place that names such a reference.
    pub mistakes: Vec<Mistake>,
    /// Whether the only reason is that stores could not be heard.
    pub is_passing: bool,
}

impl Resolver {
    /// A resolver that reads the process's own environment and asks stores on the present runtime.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[must_use]
    pub fn of_this_process() -> Self {
        let environment: Arc<Environment> = Arc::new(|name: &str| std::env::var(name).ok());
        let stores = stores::Remote::new(Arc::clone(&environment), tokio::runtime::Handle::current());
        Self::new(environment, Arc::new(stores))
    }

    /// A resolver with its own view of the environment, and its own stores.
    #[must_use]
    pub fn new(environment: Arc<Environment>, stores: Arc<dyn Stores>) -> Self {
        Self { environment, stores }
    }

    /// The value of a reference that needs no network.
    ///
    /// # Errors
    /// [`SecretError`] says why there is none.
    pub fn on_this_host(&self, reference: &Reference) -> Result<Secret, SecretError> {
        match reference {
            Reference::Env(name) => host::variable(&*self.environment, name),
            Reference::File(path) => host::file(path),
            Reference::SecretsManager { .. } | Reference::Ssm(_) | Reference::Vault { .. } => {
                Err(SecretError::NotConfigured("expected env:NAME or file:/path here".to_owned()))
            }
        }
    }

    /// Looks all of these up, stores all at once.
    #[must_use]
    pub fn look_up(&self, references: BTreeSet<Reference>) -> Found {
        let (here, there): (Vec<_>, Vec<_>) = references.into_iter().partition(is_on_this_host);
        let mut found = if there.is_empty() { Found::new() } else { self.stores.look_up(there) };
        found.extend(here.into_iter().map(|reference| {
            let value = self.on_this_host(&reference);
            (reference, value)
        }));
        found
    }

    /// Resolves every reference of a document; one whose store cannot be heard has the value it had last in `held`.
    ///
    /// # Errors
    /// A mistake for each place without a value, reported as standing in `file`.
    pub fn resolve(&self, file: &str, document: &Document, held: &held::Held) -> Result<Resolved, Lacking> {
        let places = references(document);
        let found = self.look_up(places.iter().map(|(_, reference)| (*reference).clone()).collect());
        let mut resolved = Resolved::default();
        let mut lacking = BTreeMap::new();
        for (reference, value) in found {
            if value.is_err() {
                resolved.old.insert(reference.clone());
            }
            match value.or_else(|error| held.stand_in(&reference, error)) {
                Ok(secret) => drop(resolved.values.insert(reference, secret)),
                Err(error) => drop(lacking.insert(reference, error)),
            }
        }
        if lacking.is_empty() {
            return Ok(resolved);
        }
        let mistake = |(path, reference): (String, &Reference)| {
            let error = lacking.get(reference)?;
            let problem = format!("`{reference}` has no value on this gateway: {error}");
            Some(Mistake { file: file.to_owned(), line: 0, column: 0, path, problem })
        };
        Err(Lacking {
            mistakes: places.into_iter().filter_map(mistake).collect(),
            is_passing: lacking.values().all(SecretError::is_passing),
        })
    }
}

const fn is_on_this_host(reference: &Reference) -> bool {
    matches!(reference, Reference::Env(_) | Reference::File(_))
}

/// All references of a document, each once.
pub(crate) fn all_references(document: &Document) -> BTreeSet<Reference> {
    references(document).into_iter().map(|(_, reference)| reference.clone()).collect()
}

/// Every reference of a document, with its path.
fn references(document: &Document) -> Vec<(String, &Reference)> {
    let mut found = Vec::new();
    for (name, provider) in &document.providers {
        found.extend(of_provider(provider).map(|(field, at)| (format!("providers.{name}.{field}"), at)));
    }
    for (name, guardrail) in &document.guardrails {
        if let Some(token) = guardrail.webhook.as_ref().and_then(|webhook| webhook.token.as_ref()) {
            found.push((format!("guardrails.{name}.webhook.token"), token));
        }
    }
    if let Some(stores) = &document.stores {
        if let Some(LimitStore::Redis(redis)) = &stores.limits {
            found.push(("stores.limits.redis".to_owned(), &redis.redis));
        }
        if let Some(CacheStore::Redis(redis)) = &stores.cache {
            found.push(("stores.cache.redis".to_owned(), &redis.redis));
        }
    }
    found
}

/// Every reference of a provider, with its field.
fn of_provider(provider: &Provider) -> impl Iterator<Item = (&'static str, &Reference)> {
    let (entra, aws) = (provider.entra.as_ref(), provider.aws.as_ref());
    [
        ("api_key", provider.api_key.as_ref()),
        ("entra.client_secret", entra.map(|entra| &entra.client_secret)),
        ("aws.access_key_id", aws.map(|aws| &aws.access_key_id)),
        ("aws.secret_access_key", aws.map(|aws| &aws.secret_access_key)),
        ("aws.session_token", aws.and_then(|aws| aws.session_token.as_ref())),
    ]
    .into_iter()
    .filter_map(|(field, reference)| Some((field, reference?)))
}

/// A text without its last line end, as a secret.
fn one_line(text: String) -> Result<Secret, SecretError> {
    let text = Secret::new(text);
    let value = text.expose().trim_end_matches(['\r', '\n']);
    if value.is_empty() || value.contains(['\r', '\n', '\0']) || text.expose().len() > SECRET_BYTES_MAX {
        return Err(SecretError::NotText);
    }
    Ok(Secret::new(value.to_owned()))
}

/// The text behind a key of a JSON object.
fn behind_key(json: &str, key: &str) -> Result<Secret, SecretError> {
    let mut object: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(json).map_err(|_| SecretError::NoKey)?;
    match object.remove(key) {
        Some(serde_json::Value::String(text)) => one_line(text),
        _ => Err(SecretError::NoKey),
    }
}

#[cfg(test)]
mod tests;
