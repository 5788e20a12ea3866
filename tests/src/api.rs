//! The daemon's HTTP API as a test calls it.

use std::time::Duration;

use serde_json::Value;

/// Longest wait for one answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A client with one token.
#[derive(Debug, Clone)]
pub struct Api {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// A status and the JSON that came with it.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body; null when it is no JSON.
    pub body: Value,
}

impl Api {
    /// A client of the daemon at `base`.
    ///
    /// # Panics
    /// When the HTTP client cannot be made.
    #[must_use]
    pub fn new(base: &str, token: Option<&str>) -> Self {
        let http = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build().unwrap();
        Self { http, base: base.to_owned(), token: token.map(str::to_owned) }
    }

    /// Where the daemon is.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Reads below `/api/v1`. `None`: nobody answered, or it is not there.
    pub async fn read(&self, path: &str) -> Option<Value> {
        let answer = self.send(self.http.get(format!("{}/api/v1{path}", self.base))).await?;
        (answer.status == 200).then_some(answer.body)
    }

    /// Posts below `/api/v1`.
    ///
    /// # Panics
    /// When nobody answers.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        let request = self.http.post(format!("{}/api/v1{path}", self.base)).json(body);
        self.send(request).await.expect("the daemon answers")
    }

    /// Any request, with the token.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Option<Answer> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        Some(Answer { status, body: answer.json().await.unwrap_or_default() })
    }

    /// A page or list as text, from the root.
    pub async fn text(&self, path: &str) -> Option<String> {
        let mut request = self.http.get(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        request.send().await.ok()?.text().await.ok()
    }

    /// The HTTP client, for requests of another shape.
    #[must_use]
    pub const fn http(&self) -> &reqwest::Client {
        &self.http
    }
}
