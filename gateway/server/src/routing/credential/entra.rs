//! Tokens of Microsoft Entra for a service principal (OAuth 2.0 client credentials,
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>).
//!
//! A token is fetched when it is first needed, kept until shortly before it expires, and fetched once for all requests
//! that wait for it. The client's secret travels to the declared authority only.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use moorline_config::Secret;
use moorline_config::document::Entra;
use serde::Deserialize;
use tokio::time::Instant;

/// Who gives tokens out when nobody else is declared.
const AUTHORITY: &str = "https://login.microsoftonline.com";
/// What a token is for: all Azure AI services.
const SCOPE: &str = "https://cognitiveservices.azure.com/.default";
/// The longest wait for a token.
const WITHIN: Duration = Duration::from_secs(5);
/// A token is renewed so long before it expires.
const EARLY: Duration = Duration::from_secs(300);
/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The authority could not be asked.
    #[error("the authority could not be asked")]
    Unreachable(#[source] reqwest::Error),
    /// It refused.
    #[error("the authority answered {0}")]
    Refused(StatusCode),
    /// Its answer is none.
    #[error("the authority's answer holds no token")]
    Unreadable,
}

/// A service principal and its present token.
pub(crate) struct Principal {
    url: String,
    client_id: String,
    secret: Secret,
    token: Mutex<Option<Token>>,
    renewing: tokio::sync::Mutex<()>,
}

struct Token {
    header: HeaderValue,
    renew_at: Instant,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    /// Seconds.
    expires_in: u64,
}

impl Principal {
    pub(super) fn new(entra: &Entra, secret: Secret) -> Self {
        let authority = entra.authority.as_deref().unwrap_or(AUTHORITY).trim_end_matches('/');
        Self {
            url: format!("{authority}/{}/oauth2/v2.0/token", entra.tenant_id),
            client_id: entra.client_id.clone(),
            secret,
            token: Mutex::default(),
            renewing: tokio::sync::Mutex::default(),
        }
    }

    /// A token that is valid for a while yet.
    pub(super) async fn token(&self) -> Result<HeaderValue, TokenError> {
        if let Some(header) = self.kept() {
            return Ok(header);
        }
        let _alone = self.renewing.lock().await;
        // Whoever held the lock before may have fetched it.
        if let Some(header) = self.kept() {
            return Ok(header);
        }
        let token = self.fetch().await?;
        let header = token.header.clone();
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
        Ok(header)
    }

    fn kept(&self) -> Option<HeaderValue> {
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        token.as_ref().filter(|token| Instant::now() < token.renew_at).map(|token| token.header.clone())
    }

    async fn fetch(&self) -> Result<Token, TokenError> {
        // A client of its own, without kept connections: workers have runtimes of their own, and a token is fetched
        // about once an hour.
        let client = reqwest::Client::builder()
            .timeout(WITHIN)
            .redirect(reqwest::redirect::Policy::none())
            // The secret is for its authority, and for nobody that the environment names.
            .no_proxy()
            .pool_max_idle_per_host(0)
            .build()
            .map_err(TokenError::Unreachable)?;
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &self.client_id)
            .append_pair("client_secret", self.secret.expose())
            .append_pair("scope", SCOPE)
            .finish();
        let request =
            client.post(&self.url).header("content-type", "application/x-www-form-urlencoded").body(form);
        let mut response =
            request.send().await.map_err(|error| TokenError::Unreachable(error.without_url()))?;
        if !response.status().is_success() {
            return Err(TokenError::Refused(response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| TokenError::Unreachable(error.without_url()))?
        {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_BYTES_MAX {
                return Err(TokenError::Unreadable);
            }
        }
        let granted: Granted = serde_json::from_slice(&body).map_err(|_| TokenError::Unreadable)?;
        let header =
            super::sensitive(format!("Bearer {}", granted.access_token)).ok_or(TokenError::Unreadable)?;
        let lifetime = Duration::from_secs(granted.expires_in.min(86_400));
        // A token that lives shorter than the margin is used for half its life.
        let kept = lifetime.saturating_sub(EARLY).max(lifetime / 2);
        Ok(Token { header, renew_at: Instant::now() + kept })
    }
}
