//! The daemon's HTTP API as a test calls it.
//!
//! Tests read and act by the typed client of `moorline-api`, which [`Daemon::client`](crate::Daemon::client) makes. [`Api`] is
//! for those that are about the wire itself: whom a server refuses with which status, pages, text that must not hold a secret.

use std::time::Duration;

use moorline_api::ClientError;
use serde_json::Value;

/// Longest wait for one answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What a daemon answered. `None`: nobody answers, or it refuses, as it does while there is no such environment.
///
/// # Panics
/// When the typed client cannot read the answer.
pub fn answered<T>(result: Result<T, ClientError>) -> Option<T> {
    match result {
        Ok(answer) => Some(answer),
        Err(ClientError::Unreachable { .. } | ClientError::Refused(_)) => None,
        Err(error) => panic!("{error:?}"),
    }
}

/// Requests to a server, a daemon or a gateway, with one token or none.
#[derive(Debug, Clone)]
pub struct Api {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Api {
    /// A client of the server at `base`.
    ///
    /// # Panics
    /// When the HTTP client cannot be made.
    #[must_use]
    pub fn new(base: &str, token: Option<&str>) -> Self {
        let http = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build().unwrap();
        Self { http, base: base.to_owned(), token: token.map(str::to_owned) }
    }

    /// The status with which a daemon answers a read below `/api/v1`.
    pub async fn get(&self, path: &str) -> u16 {
        self.send(self.http.get(format!("{}/api/v1{path}", self.base))).await
    }

    /// The status with which a daemon answers a post below `/api/v1`.
    pub async fn post(&self, path: &str, body: &Value) -> u16 {
        self.send(self.http.post(format!("{}/api/v1{path}", self.base)).json(body)).await
    }

    /// The status that answers any request, sent with the token.
    ///
    /// # Panics
    /// When nobody answers.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> u16 {
        self.signed(request).send().await.expect("the server answers").status().as_u16()
    }

    /// A page or list as text, from the root. `None`: nobody answers.
    pub async fn text(&self, path: &str) -> Option<String> {
        let request = self.signed(self.http.get(format!("{}{path}", self.base)));
        request.send().await.ok()?.text().await.ok()
    }

    fn signed(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Where the server is.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The HTTP client, for requests of another shape.
    #[must_use]
    pub const fn http(&self) -> &reqwest::Client {
        &self.http
    }
}
