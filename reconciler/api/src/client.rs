//! A client of one daemon: it calls endpoints and reads their answers into the types that the daemon made them of.

use std::time::Duration;

use moorline_admin::endpoint::Nothing;
use moorline_admin::{ConnectionFault, EffectiveConfig, Server};
use moorline_model::{EnvironmentName, Secret};
use reqwest::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::access::Endpoint;
use crate::endpoints::{self, Action};
use crate::problem::Problem;
use crate::views::{
    Accepted, Audit, AuditQuery, DriftView, EnvironmentView, Environments, EnvironmentsQuery, History,
    HistoryQuery, IntentRequest, IntentView, Rollouts, RowsQuery, Why,
};

/// Longest wait for one answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes read of one answer.
const BODY_BYTES_MAX: usize = 16 << 20;
/// Environments of one page: the most that the daemon gives.
const PAGE: usize = 1_000;
/// Where the API begins.
const API: &str = "/api/v1";

/// Why a call did not succeed. No message says where the daemon's address comes from: the caller knows.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address is no URL.
    #[error("`{0}` is no http(s) URL")]
    Address(String),
    #[error("{}", unreachable(url, ConnectionFault::of(source)))]
    Unreachable {
        url: Url,
        #[source]
        source: reqwest::Error,
    },
    /// The daemon refused.
    #[error("{}: {}", .0.title, .0.detail)]
    Refused(Box<Problem>),
    /// Another server of ours is there.
    #[error("{} is {found}, not the daemon", origin(url))]
    Misdirected {
        url: Url,
        /// Who is there.
        found: Server,
    },
    /// Another server is there, or none that can be recognised as a daemon.
    #[error("{} does not answer as a Moorline daemon does", origin(url))]
    Foreign { url: Url },
    /// A daemon is there, and its answer is none that this release knows.
    #[error("{} gives an answer that cannot be read; is the daemon of another release?", origin(url))]
    Unreadable {
        url: Url,
        /// What is wrong with the answer.
        #[source]
        source: serde_json::Error,
    },
}

/// How the daemon cannot be reached, and what to do about that.
fn unreachable(url: &Url, fault: ConnectionFault) -> String {
    format!("{} {fault}: {}", origin(url), fault.next_step())
}

/// Scheme, host and port: people look for the daemon, not for the path.
fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// A client of one daemon.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    token: Option<Secret>,
}

impl Client {
    /// A client of the daemon at an address; who pastes the API's address means its daemon.
    ///
    /// # Errors
    /// [`ClientError::Address`].
    pub fn new(server: &str, token: Option<Secret>) -> Result<Self, ClientError> {
        let wrong = || ClientError::Address(server.to_owned());
        let mut base = Url::parse(server).map_err(|_| wrong())?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(wrong());
        }
        let path = base.path().trim_end_matches('/');
        let path = path.strip_suffix(API).unwrap_or(path).to_owned();
        base.set_path(&path);
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|source| ClientError::Unreachable { url: base.clone(), source })?;
        Ok(Self { http, base, token: token.filter(|token| !token.expose().is_empty()) })
    }

    /// Calls an endpoint. `path` fills in the parameters of its path, in their order.
    ///
    /// # Errors
    /// See [`ClientError`]; this holds for every call below.
    pub async fn call<Q, B, R>(
        &self,
        endpoint: &Endpoint<Q, B, R>,
        path: &[&str],
        query: &Q,
        body: Option<&B>,
    ) -> Result<R, ClientError>
    where
        Q: Serialize,
        B: Serialize,
        R: DeserializeOwned,
    {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{}", self.base.path().trim_end_matches('/'), endpoint.path_with(path)));
        let mut request = self.http.request(endpoint.verb.method(), url.clone()).query(query);
        if let Some(body) = body {
            request = request.json(body);
        }
        self.send(request, url).await
    }

    /// Every declared environment, by name: all pages.
    pub async fn environments(&self) -> Result<Environments, ClientError> {
        let mut query = EnvironmentsQuery { limit: Some(PAGE), after: None };
        let mut all = self.call(&endpoints::ENVIRONMENTS, &[], &query, None).await?;
        while let Some(after) = all.next.take() {
            query.after = Some(after);
            let mut page = self.call(&endpoints::ENVIRONMENTS, &[], &query, None).await?;
            all.environments.append(&mut page.environments);
            all.next = page.next;
        }
        Ok(all)
    }

    pub async fn environment(&self, name: &EnvironmentName) -> Result<EnvironmentView, ClientError> {
        self.call(&endpoints::ENVIRONMENT, &[name.as_str()], &Nothing {}, None).await
    }

    /// What differs from what is declared.
    pub async fn drift(&self, name: &EnvironmentName) -> Result<DriftView, ClientError> {
        self.call(&endpoints::DRIFT, &[name.as_str()], &Nothing {}, None).await
    }

    /// The newest rollouts.
    pub async fn rollouts(&self, name: &EnvironmentName, limit: usize) -> Result<Rollouts, ClientError> {
        let query = RowsQuery { limit: Some(limit) };
        self.call(&endpoints::ROLLOUTS, &[name.as_str()], &query, None).await
    }

    /// The newest lines of the history.
    pub async fn history(&self, name: &EnvironmentName, limit: usize) -> Result<History, ClientError> {
        let query = HistoryQuery { limit: Some(limit), before: None };
        self.call(&endpoints::HISTORY, &[name.as_str()], &query, None).await
    }

    /// What an environment waits for.
    pub async fn why(&self, name: &EnvironmentName) -> Result<Why, ClientError> {
        self.call(&endpoints::WHY, &[name.as_str()], &Nothing {}, None).await
    }

    /// The document that `terraform apply` handed over last.
    pub async fn document(&self, name: &EnvironmentName) -> Result<EffectiveConfig, ClientError> {
        self.call(&endpoints::READ_DOCUMENT, &[name.as_str()], &Nothing {}, None).await
    }

    /// The newest entries of the audit, of all environments.
    pub async fn audit(&self, limit: usize) -> Result<Audit, ClientError> {
        let query = AuditQuery { limit: Some(limit), environment: None };
        self.call(&endpoints::AUDIT, &[], &query, None).await
    }

    /// Submits an intent.
    pub async fn submit(
        &self,
        action: &Action,
        name: &EnvironmentName,
        request: &IntentRequest,
    ) -> Result<Accepted, ClientError> {
        self.call(action, &[name.as_str()], &Nothing {}, Some(request)).await
    }

    /// An intent and its outcome.
    pub async fn intent(&self, name: &EnvironmentName, intent: u64) -> Result<IntentView, ClientError> {
        self.call(&endpoints::INTENT, &[name.as_str(), &intent.to_string()], &Nothing {}, None).await
    }

    async fn send<R: DeserializeOwned>(
        &self,
        request: reqwest::RequestBuilder,
        url: Url,
    ) -> Result<R, ClientError> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        };
        let unreachable = |source: reqwest::Error| ClientError::Unreachable {
            url: url.clone(),
            source: source.without_url(),
        };
        let mut answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        let server = Server::of(answer.headers());
        if let Some(found) = server.filter(|found| *found != Server::Daemon) {
            return Err(ClientError::Misdirected { url, found });
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            if bytes.len() + chunk.len() > BODY_BYTES_MAX {
                return Err(ClientError::Foreign { url });
            }
            bytes.extend_from_slice(&chunk);
        }
        if !status.is_success() {
            return Err(refused(url, status, &bytes));
        }
        serde_json::from_slice(&bytes).map_err(|source| match server {
            Some(_) => ClientError::Unreadable { url, source },
            None => ClientError::Foreign { url },
        })
    }
}

/// A refusal in the daemon's words, or in those of a proxy before it.
fn refused(url: Url, status: StatusCode, bytes: &[u8]) -> ClientError {
    if let Ok(problem) = serde_json::from_slice(bytes) {
        return ClientError::Refused(Box::new(problem));
    }
    // JSON of another make and an empty answer are still refusals; a page is somebody else's.
    let is_refusal = bytes.is_empty() || serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok();
    if !is_refusal {
        return ClientError::Foreign { url };
    }
    ClientError::Refused(Box::new(Problem {
        kind: "about:blank".to_owned(),
        title: status.to_string(),
        status: status.as_u16(),
        detail: String::new(),
        mistakes: Vec::new(),
        gate: None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_the_api_is_an_address_of_the_daemon() {
        let base = |server: &str| Client::new(server, None).unwrap().base.to_string();
        for server in ["http://a:1", "http://a:1/", "http://a:1/api/v1", "http://a:1/api/v1/"] {
            assert_eq!(base(server), "http://a:1/", "{server}");
        }
        assert_eq!(base("https://a/moorline/api/v1"), "https://a/moorline");
        assert_eq!(base("https://a/moorline/"), "https://a/moorline");
        assert!(Client::new("ftp://a", None).is_err());
    }
}
