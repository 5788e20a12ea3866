//! A layer at a web address, asked for by its ETag or its time.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::header::{ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use moorline_config::{Reference, Secret};
use reqwest::{Client, Response, StatusCode};
use tokio::sync::{Mutex, OnceCell};
use tokio_util::task::TaskTracker;
use url::Url;

use super::{LAYER_BYTES_MAX, SourceError, Text};
use crate::secrets::{Resolver, SecretError};

/// The longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A token for web addresses, looked up at the first use and again after it was refused.
#[derive(Clone)]
pub(super) struct Bearer {
    reference: Reference,
    resolver: Resolver,
    tracker: TaskTracker,
    value: Arc<Mutex<Option<Secret>>>,
}

/// A web address.
pub(super) struct Address {
    url: Url,
    bearer: Option<Bearer>,
    http: OnceCell<Client>,
    etag: Option<HeaderValue>,
    modified: Option<HeaderValue>,
}

impl Bearer {
    pub(super) fn new(reference: Reference, resolver: Resolver, tracker: TaskTracker) -> Self {
        Self { reference, resolver, tracker, value: Arc::default() }
    }

    async fn value(&self) -> Result<Secret, SourceError> {
        let mut value = self.value.lock().await;
        if let Some(value) = &*value {
            return Ok(value.clone());
        }
        let (reference, resolver) = (self.reference.clone(), self.resolver.clone());
        let look_up = move || resolver.look_up([reference].into()).into_values().next();
        let found = self.tracker.spawn_blocking(look_up).await.ok().flatten();
        let found = found.unwrap_or_else(|| Err(SecretError::Unreachable("it was not looked up".to_owned())));
        let found = found.map_err(SourceError::Token)?;
        *value = Some(found.clone());
        Ok(found)
    }

    async fn forget(&self) {
        self.value.lock().await.take();
    }
}

impl Address {
    pub(super) const fn new(url: Url, bearer: Option<Bearer>) -> Self {
        Self { url, bearer, http: OnceCell::const_new(), etag: None, modified: None }
    }

    /// Reads what is there, unless it is what was read last.
    pub(super) async fn read(&mut self) -> Result<Text, SourceError> {
        let http = self.http.get_or_try_init(client).await?;
        let mut request = http.get(self.url.clone());
        if let Some(bearer) = &self.bearer {
            request = request.bearer_auth(bearer.value().await?.expose());
        }
        if let Some(etag) = &self.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if let Some(modified) = &self.modified {
            request = request.header(IF_MODIFIED_SINCE, modified);
        }
        let answer = request.send().await.map_err(unreachable)?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED => return Ok(Text::Unchanged),
            refused => {
                if let (Some(bearer), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) =
                    (&self.bearer, refused)
                {
                    bearer.forget().await;
                }
                return Err(SourceError::Status(refused.as_u16()));
            }
        }
        let header = |name| answer.headers().get(name).cloned();
        let (etag, modified) = (header(ETAG), header(LAST_MODIFIED));
        let text = text(answer).await?;
        (self.etag, self.modified) = (etag, modified);
        Ok(Text::New(text))
    }
}

async fn client() -> Result<Client, SourceError> {
    // A redirect or a proxy would carry the token elsewhere, and the document come from somewhere that nobody named.
    let builder = Client::builder().connect_timeout(CONNECT_TIMEOUT).no_proxy();
    builder
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|_| SourceError::Unreachable("no HTTP client can be made".to_owned()))
}

async fn text(mut answer: Response) -> Result<String, SourceError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
        if bytes.len() + chunk.len() > LAYER_BYTES_MAX {
            return Err(SourceError::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes).map_err(|_| SourceError::NotText)
}

/// Names the kind of failure only: the address may be signed.
#[expect(clippy::needless_pass_by_value, reason = "the signature that map_err wants")]
fn unreachable(error: reqwest::Error) -> SourceError {
    let what = match () {
        () if error.is_timeout() => "it takes too long",
        () if error.is_connect() => "no connection",
        () => "the connection broke off",
    };
    SourceError::Unreachable(what.to_owned())
}
