//! `vault:path#key`: one key of an entry in HashiCorp Vault's KV version 2 engine, read over HTTP.
//!
//! The first segment of the path is where the engine is mounted: `vault:kv/ai/openai#api_key` is `GET
//! /v1/kv/data/ai/openai`. Where Vault is and who asks stands in the environment, as for Vault's own tools:
//! `VAULT_ADDR`, `VAULT_TOKEN` or `VAULT_TOKEN_FILE` (read each time: an agent beside us renews it), `VAULT_NAMESPACE`,
//! `VAULT_CACERT`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use moorline_config::Secret;
use reqwest::{Client, Response, StatusCode};
use serde::Deserialize;
use tokio::sync::OnceCell;
use url::Url;

use super::{Environment, SECRET_BYTES_MAX, SecretError, host, one_line};

/// The longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The most bytes read of an answer: a secret of the largest size, its neighbours in the entry, and its metadata.
const ANSWER_BYTES_MAX: usize = 16 * SECRET_BYTES_MAX;

/// A Vault server.
pub(super) struct Vault {
    environment: Arc<Environment>,
    http: OnceCell<Client>,
}

/// Vault's answer, as far as it is read.
#[derive(Deserialize)]
struct Answer {
    data: Entry,
}

#[derive(Deserialize)]
struct Entry {
    /// Null when the version was deleted.
    data: Option<BTreeMap<String, serde_json::Value>>,
}

impl Vault {
    pub(super) fn new(environment: Arc<Environment>) -> Self {
        Self { environment, http: OnceCell::new() }
    }

    pub(super) async fn get(&self, path: &str, key: &str) -> Result<Secret, SecretError> {
        let url = self.url(path)?;
        let http = self.http.get_or_try_init(async || self.client()).await?;
        let mut request = http.get(url).header("x-vault-request", "true");
        let mut token = reqwest::header::HeaderValue::try_from(self.token()?.expose())
            .map_err(|_| SecretError::NotConfigured("Vault's token cannot stand in a header".to_owned()))?;
        token.set_sensitive(true);
        request = request.header("x-vault-token", token);
        if let Some(namespace) = self.variable("VAULT_NAMESPACE") {
            request = request.header("x-vault-namespace", namespace);
        }
        let answer = request.send().await.map_err(unreachable)?;
        refused(answer.status())?;
        let Answer { data: Entry { data } } =
            serde_json::from_str(read(answer).await?.expose()).map_err(|_| SecretError::NoKey)?;
        match data.ok_or(SecretError::NotFound)?.remove(key) {
            Some(serde_json::Value::String(text)) => one_line(text),
            _ => Err(SecretError::NoKey),
        }
    }

    /// Where the entry is read.
    fn url(&self, path: &str) -> Result<Url, SecretError> {
        let wrong = |what: &str| SecretError::NotConfigured(what.to_owned());
        let address = self.variable("VAULT_ADDR").ok_or_else(|| wrong("VAULT_ADDR is not set"))?;
        let mut url = Url::parse(&address).map_err(|_| wrong("VAULT_ADDR is no URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("VAULT_ADDR: expected https:// or http://"));
        }
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let Some((mount, entry)) = parts.split_first().filter(|(_, entry)| !entry.is_empty()) else {
            return Err(wrong("expected vault:MOUNT/PATH#KEY"));
        };
        if parts.iter().any(|part| matches!(*part, "" | "." | "..")) {
            return Err(wrong("expected a path without empty, `.` and `..` segments"));
        }
        url.path_segments_mut()
            .map_err(|()| wrong("VAULT_ADDR is no URL with a host"))?
            .pop_if_empty()
            .extend(["v1", mount, "data"])
            .extend(entry);
        Ok(url)
    }

    fn token(&self) -> Result<Secret, SecretError> {
        if let Some(token) = self.variable("VAULT_TOKEN") {
            return Ok(Secret::new(token));
        }
        let file = self.variable("VAULT_TOKEN_FILE").ok_or_else(|| {
            SecretError::NotConfigured("neither VAULT_TOKEN nor VAULT_TOKEN_FILE is set".to_owned())
        })?;
        host::file(&file).map_err(|error| SecretError::NotConfigured(format!("VAULT_TOKEN_FILE: {error}")))
    }

    fn client(&self) -> Result<Client, SecretError> {
        let wrong = |_| SecretError::NotConfigured("no HTTP client can be made".to_owned());
        // A redirect would carry the token elsewhere, and so would a proxy that the environment names.
        let builder = Client::builder().connect_timeout(CONNECT_TIMEOUT).no_proxy();
        let mut builder = builder.redirect(reqwest::redirect::Policy::none());
        if let Some(path) = self.variable("VAULT_CACERT") {
            let unusable =
                || SecretError::NotConfigured("VAULT_CACERT: no certificates can be read".to_owned());
            let pem = std::fs::read(path).map_err(|_| unusable())?;
            let roots = reqwest::Certificate::from_pem_bundle(&pem).map_err(|_| unusable())?;
            builder = builder.tls_certs_only(roots);
        }
        builder.build().map_err(wrong)
    }

    fn variable(&self, name: &str) -> Option<String> {
        (self.environment)(name).filter(|value| !value.is_empty())
    }
}

/// What Vault's status says. 404: no such entry, or its version was deleted. 473, 472: a standby that does not answer.
fn refused(status: StatusCode) -> Result<(), SecretError> {
    match status.as_u16() {
        200 => Ok(()),
        404 => Err(SecretError::NotFound),
        400 | 403 => Err(SecretError::Refused(format!("Vault answers {status}"))),
        _ => Err(SecretError::Unreachable(format!("Vault answers {status}"))),
    }
}

async fn read(mut answer: Response) -> Result<Secret, SecretError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
        if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(SecretError::NotText);
        }
        bytes.extend_from_slice(&chunk);
    }
    // Wrapped so that it is wiped.
    String::from_utf8(bytes).map(Secret::new).map_err(|_| SecretError::NotText)
}

/// Names no more than the kind of failure: an address may hold a password.
#[expect(clippy::needless_pass_by_value, reason = "the signature that map_err wants")]
fn unreachable(error: reqwest::Error) -> SecretError {
    let what = if error.is_timeout() {
        "Vault takes too long"
    } else if error.is_connect() {
        "no connection to Vault"
    } else {
        "the connection to Vault broke off"
    };
    SecretError::Unreachable(what.to_owned())
}
