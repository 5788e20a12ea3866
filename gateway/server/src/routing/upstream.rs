//! Upstream addresses, and the credential that may travel to each.
//!
//! An address comes from the document and from nowhere else. A credential never leaves this file but through
//! [`Upstream::authorize`], which asks where the request is going and refuses any place but its own.

use std::fmt;

use http::HeaderValue;
use http::request::Parts as Head;
use http::uri::PathAndQuery;
use moorline_config::document::{Provider, ProviderKind};
use moorline_config::{ProviderName, Reference, Secret};
use moorline_translate::Parts;
use url::Url;

use super::credential::{self, Credential, CredentialError};
use super::way::Ways;

/// Scheme, host and port: where a connection leads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Whether TLS is spoken.
    pub secure: bool,
    /// Name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(formatter, "{scheme}://{}:{}", self.host, self.port)
    }
}

/// Why a provider cannot be sent anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Its base URL is none we can use.
    #[error("its base URL is not usable")]
    Address,
    /// Its key has no value here, or one that no header can carry.
    #[error("its key has no usable value here")]
    Credential,
}

/// Says that a credential was asked for on the way to another place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the credential of provider {provider} belongs to {own}, not to {other}")]
pub struct ForeignOrigin {
    /// The provider.
    pub provider: ProviderName,
    /// Where its credential belongs.
    pub own: Origin,
    /// Where the request was going.
    pub other: Origin,
}

/// Why a request is not given its credential.
#[derive(Debug, thiserror::Error)]
pub enum Unauthorized {
    /// It was going to another place.
    #[error("the request was not sent")]
    Foreign(#[from] ForeignOrigin),
    /// There is none to be had.
    #[error("there is no credential for the provider")]
    Credential(#[from] CredentialError),
}

/// A provider that can be sent requests.
#[derive(Debug)]
pub struct Upstream {
    /// Its name in the document.
    pub provider: ProviderName,
    /// The protocol it speaks.
    pub kind: ProviderKind,
    /// Tells its credential from the one that takes its place.
    pub fingerprint: u64,
    version: Option<String>,
    address: Result<Address, Unusable>,
}

struct Address {
    origin: Origin,
    host_header: HeaderValue,
    prefix: String,
    credential: Credential,
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Address").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl Upstream {
    pub(super) fn compile(
        name: &ProviderName,
        provider: &Provider,
        resolve: &dyn Fn(&Reference) -> Option<Secret>,
    ) -> Self {
        Self {
            provider: name.clone(),
            kind: provider.kind,
            fingerprint: credential::fingerprint(provider, resolve),
            version: provider.api_version.clone(),
            address: address(provider, resolve),
        }
    }

    /// Where connections to it lead.
    ///
    /// # Errors
    /// Why it cannot be sent anything.
    pub fn origin(&self) -> Result<&Origin, Unusable> {
        self.address.as_ref().map(|address| &address.origin).map_err(|unusable| *unusable)
    }

    /// Its base address as people know it.
    #[must_use]
    pub fn base(&self) -> Option<String> {
        let Address { origin, prefix, .. } = self.address.as_ref().ok()?;
        let Origin { secure, host, port } = origin;
        let scheme = if *secure { "https" } else { "http" };
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let is_usual = *port == if *secure { 443 } else { 80 };
        let port = if is_usual { String::new() } else { format!(":{port}") };
        Some(format!("{scheme}://{host}{port}{prefix}"))
    }

    /// How it serves each operation with one of its models.
    #[must_use]
    pub fn ways(&self, model: &str) -> Ways {
        let prefix = self.address.as_ref().map_or("", |address| &address.prefix);
        Ways::compile(self.kind, prefix, self.version.as_deref(), model)
    }

    /// A path below its base address.
    #[must_use]
    pub fn below(&self, path: &str) -> Option<PathAndQuery> {
        let address = self.address.as_ref().ok()?;
        PathAndQuery::try_from(format!("{}{path}", address.prefix)).ok()
    }

    /// Puts the host and the credential on a request that goes out on a connection to `destination`.
    ///
    /// # Errors
    /// [`Unauthorized::Foreign`] when that is not this provider's own origin, and [`Unauthorized::Credential`] when
    /// there is none to be had; the request must not be sent then.
    pub async fn authorize(
        &self,
        destination: &Origin,
        head: &mut Head,
        body: &Parts,
    ) -> Result<(), Unauthorized> {
        let own = self.address.as_ref().ok().filter(|address| address.origin == *destination);
        let Some(address) = own else {
            let own =
                self.address.as_ref().map_or_else(|_| destination.clone(), |address| address.origin.clone());
            let provider = self.provider.clone();
            return Err(ForeignOrigin { provider, own, other: destination.clone() }.into());
        };
        head.headers.insert(http::header::HOST, address.host_header.clone());
        Ok(address.credential.put(head, body).await?)
    }
}

fn address(provider: &Provider, resolve: &dyn Fn(&Reference) -> Option<Secret>) -> Result<Address, Unusable> {
    let public = match provider.kind {
        ProviderKind::Openai => Some("https://api.openai.com/v1".to_owned()),
        ProviderKind::Anthropic => Some("https://api.anthropic.com/v1".to_owned()),
        ProviderKind::Gemini => Some("https://generativelanguage.googleapis.com/v1beta".to_owned()),
        ProviderKind::Cohere => Some("https://api.cohere.com".to_owned()),
        ProviderKind::Bedrock => {
            let region = provider.region.as_deref().ok_or(Unusable::Address)?;
            Some(format!("https://bedrock-runtime.{region}.amazonaws.com"))
        }
        ProviderKind::OpenaiCompatible | ProviderKind::AzureOpenai => None,
    };
    let base = provider.base_url.as_deref().or(public.as_deref()).ok_or(Unusable::Address)?;
    let url = Url::parse(base).map_err(|_| Unusable::Address)?;
    let secure = match url.scheme() {
        "http" => false,
        "https" => true,
        _ => return Err(Unusable::Address),
    };
    let written = url.host_str().ok_or(Unusable::Address)?;
    let host = written.trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = url.port_or_known_default().ok_or(Unusable::Address)?;
    let host_header = url.port().map_or_else(|| written.to_owned(), |port| format!("{written}:{port}"));
    Ok(Address {
        origin: Origin { secure, host, port },
        host_header: HeaderValue::try_from(host_header).map_err(|_| Unusable::Address)?,
        prefix: url.path().trim_end_matches('/').to_owned(),
        credential: Credential::compile(provider, resolve)?,
    })
}
