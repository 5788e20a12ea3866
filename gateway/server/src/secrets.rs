//! From references to values: what a document may name, resolved on this machine.
//!
//! In: a checked document. Out: every value it needs, or a mistake for each reference that has none here. A mistake
//! names the path and the reference, never a value. `env:` and `file:` are resolved; the others are refused, because
//! serving a provider without its key would turn a mistake in a document into failed requests.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use moorline_config::document::{CacheStore, LimitStore, Provider};
use moorline_config::{Document, Mistake, Reference, Secret};

/// The most bytes read of a secret's file.
pub const SECRET_BYTES_MAX: u64 = 64 << 10;

/// Looks an environment variable up.
pub type Environment = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Resolves references.
#[derive(Clone)]
pub struct Resolver {
    environment: Arc<Environment>,
}

/// Why a reference has no value here.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set, or is empty.
    #[error("the environment variable is not set, or is empty")]
    Unset,
    /// The file cannot be read.
    #[error("the file cannot be read ({0})")]
    Unreadable(io::ErrorKind),
    /// The file is not text of a sensible size.
    #[error("expected a file with one line of text, at most 64 KiB")]
    NotText,
    /// This release does not resolve such references.
    #[error("not resolved by this release: expected env:NAME or file:/path")]
    Unsupported,
}

/// The values of one document's references.
pub struct Resolved {
    values: BTreeMap<Reference, Secret>,
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
}

impl Resolver {
    /// A resolver that reads the process's own environment.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self::new(Arc::new(|name: &str| std::env::var(name).ok()))
    }

    /// A resolver with its own view of the environment.
    #[must_use]
    pub fn new(environment: Arc<Environment>) -> Self {
        Self { environment }
    }

    /// The value of one reference.
    ///
    /// # Errors
    /// [`SecretError`] says why there is none.
    pub fn value(&self, reference: &Reference) -> Result<Secret, SecretError> {
        match reference {
            Reference::Env(name) => (self.environment)(name)
                .filter(|value| !value.is_empty())
                .map(Secret::new)
                .ok_or(SecretError::Unset),
            Reference::File(path) => read(path),
            Reference::SecretsManager { .. } | Reference::Ssm(_) | Reference::Vault { .. } => {
                Err(SecretError::Unsupported)
            }
        }
    }

    /// Resolves every reference of a document.
    ///
    /// # Errors
    /// A mistake for each reference without a value, reported as standing in `file`.
    pub fn resolve(&self, file: &str, document: &Document) -> Result<Resolved, Vec<Mistake>> {
        let mut values = BTreeMap::new();
        let mut mistakes = Vec::new();
        for (path, reference) in references(document) {
            match self.value(reference) {
                Ok(secret) => drop(values.insert(reference.clone(), secret)),
                Err(error) => mistakes.push(Mistake {
                    file: file.to_owned(),
                    line: 0,
                    column: 0,
                    path,
                    problem: format!("`{reference}` has no value on this gateway: {error}"),
                }),
            }
        }
        if mistakes.is_empty() { Ok(Resolved { values }) } else { Err(mistakes) }
    }
}

/// Every reference of a document, with its path.
fn references(document: &Document) -> Vec<(String, &Reference)> {
    let mut found = Vec::new();
    for (name, provider) in &document.providers {
        found.extend(of_provider(provider).map(|(field, at)| (format!("providers.{name}.{field}"), at)));
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

/// A file's content without its last line end.
fn read(path: &str) -> Result<Secret, SecretError> {
    let file = File::open(path).map_err(|error| SecretError::Unreadable(error.kind()))?;
    let mut text = String::new();
    file.take(SECRET_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => SecretError::NotText,
        other => SecretError::Unreadable(other),
    })?;
    let text = moorline_config::Secret::new(text);
    let value = text.expose().trim_end_matches(['\r', '\n']);
    if value.is_empty() || value.contains(['\r', '\n', '\0']) || text.expose().len() as u64 > SECRET_BYTES_MAX
    {
        return Err(SecretError::NotText);
    }
    Ok(Secret::new(value.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use moorline_config::Config;
    use serde_json::json;

    use super::*;

    fn resolver() -> Resolver {
        Resolver::new(Arc::new(|name| (name == "SET").then(|| "marker-value".to_owned())))
    }

    #[test]
    fn every_reference_without_a_value_is_named_with_its_path() {
        let config = Config::from_value(
            "document",
            &json!({
                "version": 1, "name": "g",
                "providers": {
                    "a": {"kind": "openai", "api_key": "env:SET"},
                    "b": {"kind": "openai", "api_key": "env:UNSET"},
                    "c": {"kind": "openai", "api_key": "vault:kv/openai#key"},
                    "d": {"kind": "openai", "api_key": "file:/does/not/exist"},
                },
            }),
        )
        .unwrap();
        let mistakes = resolver().resolve("document", &config).err().unwrap();
        let texts: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 3, "{texts:?}");
        assert!(texts[0].contains("providers.b.api_key") && texts[0].contains("env:UNSET"), "{texts:?}");
        assert!(texts[1].contains("not resolved by this release"), "{texts:?}");
        assert!(texts[2].contains("file:/does/not/exist"), "{texts:?}");
        assert!(!texts.concat().contains("marker-value"));
    }

    #[test]
    fn a_file_is_read_without_its_last_line_end_and_only_when_it_is_one_line() {
        let directory = tempfile::tempdir().unwrap();
        let read_back = |content: &[u8]| {
            let path = directory.path().join("secret");
            File::create(&path).unwrap().write_all(content).unwrap();
            resolver().value(&Reference::File(path.to_str().unwrap().to_owned()))
        };
        assert_eq!(read_back(b"value\n").unwrap().expose(), "value");
        assert!(matches!(read_back(b"\n"), Err(SecretError::NotText)));
        assert!(matches!(read_back(b"two\nlines\n"), Err(SecretError::NotText)));
        assert!(matches!(read_back(&[0xff; 4]), Err(SecretError::NotText)));
        assert!(matches!(read_back(&[b'x'; (64 << 10) + 1]), Err(SecretError::NotText)));
    }
}
