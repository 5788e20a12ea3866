//! Credentials of providers: what proves to a provider that a request is ours.
//!
//! In: a provider as declared and the values of its references. Out: headers on a request, put there by
//! [`Credential::put`], which only [`super::Upstream::authorize`] calls, after it has asked where the request goes.

mod aws;
mod entra;

use http::header::AUTHORIZATION;
use http::request::Parts as Head;
use http::{HeaderName, HeaderValue};
use moorline_config::document::{Provider, ProviderKind};
use moorline_config::{Reference, Secret};
use moorline_translate::Parts;
use sha2::{Digest as _, Sha256};

pub use aws::SignError;
pub use entra::TokenError;

use super::upstream::Unusable;

/// What a provider is shown.
pub(super) enum Credential {
    /// Nothing.
    None,
    /// A key in a header.
    Header(HeaderName, HeaderValue),
    /// A token of Microsoft Entra, fetched and renewed.
    Entra(entra::Principal),
    /// A signature of AWS over the request.
    Aws(Box<aws::Signer>),
}

/// Why a request cannot be given its credential.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The identity provider gave no token.
    #[error("no token for the provider")]
    Token(#[from] TokenError),
    /// The request cannot be signed.
    #[error("the request cannot be signed")]
    Sign(#[from] SignError),
}

impl Credential {
    /// Reads a provider's credential.
    pub(super) fn compile(
        provider: &Provider,
        resolve: &dyn Fn(&Reference) -> Option<Secret>,
    ) -> Result<Self, Unusable> {
        let value = |reference: &Reference| resolve(reference).ok_or(Unusable::Credential);
        if let Some(entra) = &provider.entra {
            return Ok(Self::Entra(entra::Principal::new(entra, value(&entra.client_secret)?)));
        }
        let Some(reference) = &provider.api_key else {
            return match provider.kind {
                ProviderKind::Bedrock => Ok(Self::Aws(Box::new(aws::Signer::compile(provider, &value)?))),
                _ => Ok(Self::None),
            };
        };
        let secret = value(reference)?;
        let plain = || secret.expose().to_owned();
        let (name, text) = match provider.kind {
            ProviderKind::Anthropic => (HeaderName::from_static("x-api-key"), plain()),
            ProviderKind::AzureOpenai => (HeaderName::from_static("api-key"), plain()),
            ProviderKind::Gemini => (HeaderName::from_static("x-goog-api-key"), plain()),
            // A Bedrock API key is a bearer token too.
            ProviderKind::Openai
            | ProviderKind::OpenaiCompatible
            | ProviderKind::Cohere
            | ProviderKind::Bedrock => (AUTHORIZATION, format!("Bearer {}", secret.expose())),
        };
        Ok(Self::Header(name, sensitive(text).ok_or(Unusable::Credential)?))
    }

    /// Puts the credential on a request. Waits only where a token or temporary keys must be fetched first; in a box,
    /// so that requests that come with a key do not carry the space for it.
    pub(super) async fn put(&self, head: &mut Head, body: &Parts) -> Result<(), CredentialError> {
        match self {
            Self::None => {}
            Self::Header(name, value) => drop(head.headers.insert(name.clone(), value.clone())),
            Self::Entra(principal) => {
                let token = Box::pin(principal.token()).await?;
                head.headers.insert(AUTHORIZATION, token);
            }
            Self::Aws(signer) => Box::pin(signer.sign(head, body)).await?,
        }
        Ok(())
    }
}

/// A hash of all that makes a provider's credential: another one has another hash.
pub(super) fn fingerprint(provider: &Provider, resolve: &dyn Fn(&Reference) -> Option<Secret>) -> u64 {
    let entra = provider.entra.as_ref();
    let aws = provider.aws.as_ref();
    let references = [
        provider.api_key.as_ref(),
        entra.map(|entra| &entra.client_secret),
        aws.map(|aws| &aws.access_key_id),
        aws.map(|aws| &aws.secret_access_key),
        aws.and_then(|aws| aws.session_token.as_ref()),
    ];
    let mut hash = Sha256::new();
    for text in entra.into_iter().flat_map(|entra| [&entra.tenant_id, &entra.client_id]) {
        hash.update(text);
        hash.update([0]);
    }
    for reference in references.into_iter().flatten() {
        hash.update(resolve(reference).map_or_else(Vec::new, |secret| secret.expose().as_bytes().to_vec()));
        hash.update([0]);
    }
    let digest = hash.finalize();
    digest.iter().take(8).fold(0, |bits, byte| bits << 8 | u64::from(*byte))
}

/// A header value that is never printed.
fn sensitive(text: String) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
