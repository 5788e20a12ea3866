//! Signatures of AWS (Signature Version 4) over requests to Bedrock.
//!
//! Keys come from the document's references, or from where the AWS libraries look: the environment, or the role of
//! the task. Temporary keys are fetched when they are first needed and again before they expire. What is signed is the
//! final request: path, headers and the SHA-256 of the bytes that are sent.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_credential_types::provider::error::CredentialsError;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningError, SigningSettings, sign};
use aws_sigv4::sign::v4;
use http::request::Parts as Head;
use moorline_config::document::Provider;
use moorline_config::{Reference, Secret};
use moorline_translate::Parts;
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use super::super::upstream::Unusable;

/// The service's name in signatures.
const SERVICE: &str = "bedrock";
/// The longest wait for temporary keys.
const WITHIN: Duration = Duration::from_secs(5);
/// Temporary keys are fetched again so long before they expire.
const EARLY: Duration = Duration::from_secs(300);

/// Why a request is not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// There are no keys.
    #[error("no AWS keys were found")]
    NoKeys(#[source] CredentialsError),
    /// They did not come in time.
    #[error("AWS keys did not come within {WITHIN:?}")]
    Slow,
    /// The request is none that can be signed.
    #[error("the request is not one that AWS signs")]
    Request(#[source] Box<SigningError>),
    /// The signature's parameters are incomplete.
    #[error("the signature's parameters are incomplete")]
    Parameters,
}

/// Signs requests.
pub(crate) struct Signer {
    region: String,
    keys: Keys,
}

enum Keys {
    Declared(Credentials),
    Process { chain: OnceCell<DefaultCredentialsChain>, kept: Mutex<Option<Credentials>> },
}

impl Signer {
    pub(super) fn compile(
        provider: &Provider,
        value: &dyn Fn(&Reference) -> Result<Secret, Unusable>,
    ) -> Result<Self, Unusable> {
        let keys = match &provider.aws {
            Some(aws) => {
                let token = aws.session_token.as_ref().map(value).transpose()?;
                Keys::Declared(Credentials::new(
                    value(&aws.access_key_id)?.expose(),
                    value(&aws.secret_access_key)?.expose(),
                    token.map(|token| token.expose().to_owned()),
                    None,
                    "document",
                ))
            }
            None => Keys::Process { chain: OnceCell::new(), kept: Mutex::default() },
        };
        Ok(Self { region: provider.region.clone().ok_or(Unusable::Address)?, keys })
    }

    /// Signs a request whose host is set.
    pub(super) async fn sign(&self, head: &mut Head, body: &Parts) -> Result<(), SignError> {
        let credentials = self.credentials().await?;
        let identity = credentials.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(SERVICE)
            .time(SystemTime::from(crate::clock::now()))
            .settings(SigningSettings::default())
            .build()
            .map_err(|_| SignError::Parameters)?
            .into();
        let host =
            head.headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        // Only the path and the query of it are signed; the host is signed as a header.
        let uri = format!("https://{host}{}", head.uri);
        // The headers AWS must see unchanged; those that a proxy may touch stay out.
        let headers = [("host", host), ("content-type", "application/json")];
        let request = SignableRequest::new(
            head.method.as_str(),
            uri,
            headers.into_iter(),
            SignableBody::Precomputed(hash(body)),
        )
        .map_err(|error| SignError::Request(Box::new(error)))?;
        let signed = sign(request, &parameters).map_err(|error| SignError::Request(Box::new(error)))?;
        let (instructions, _) = signed.into_parts();
        let mut carrier = http::Request::new(());
        instructions.apply_to_request_http1x(&mut carrier);
        for (name, value) in carrier.headers() {
            let mut value = value.clone();
            value.set_sensitive(true);
            head.headers.insert(name, value);
        }
        Ok(())
    }

    async fn credentials(&self) -> Result<Credentials, SignError> {
        let (chain, kept) = match &self.keys {
            Keys::Declared(credentials) => return Ok(credentials.clone()),
            Keys::Process { chain, kept } => (chain, kept),
        };
        let now = SystemTime::from(crate::clock::now());
        let is_fresh = |keys: &Credentials| keys.expiry().is_none_or(|expiry| now + EARLY < expiry);
        let fresh = kept.lock().unwrap_or_else(PoisonError::into_inner).clone().filter(is_fresh);
        if let Some(credentials) = fresh {
            return Ok(credentials);
        }
        let fetch = async {
            let chain = chain.get_or_init(|| DefaultCredentialsChain::builder().build()).await;
            chain.provide_credentials().await
        };
        let fetched = tokio::time::timeout(WITHIN, fetch).await.map_err(|_| SignError::Slow)?;
        let credentials = fetched.map_err(SignError::NoKeys)?;
        *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(credentials.clone());
        Ok(credentials)
    }
}

fn hash(body: &Parts) -> String {
    let mut hasher = Sha256::new();
    let mut parts = body.clone();
    while let Some(part) = parts.next_part() {
        hasher.update(&part);
    }
    hex::encode(hasher.finalize())
}
