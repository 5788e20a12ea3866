//! Typed clients: [`Client`] for a gateway's whole admin API, [`DocumentEndpoint`] for the one thing Terraform needs.
//!
//! Every call has a deadline, reads at most [`BODY_BYTES_MAX`], and follows no redirect (a redirect would carry the
//! token elsewhere).

use std::time::Duration;

use jiff::Timestamp;
use moorline_config::{Digest, Secret};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::events::FOLLOWED_MAX;
use crate::{
    AdminError, Candidate, CandidateStaged, ConfigPlan, EffectiveConfig, Events, Failure, Generation, Origin,
    Problem, Server, Stats, Status, Validation, Weight,
};

/// Longest wait for one call.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a connection is kept that nobody uses. The calls of a step follow each other at once; the next look comes half a
/// minute later, and a fleet of thousands must not hold a descriptor and 22 KiB for each until then.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3);
/// Most bytes read of one answer.
pub const BODY_BYTES_MAX: usize = 8 << 20;

/// What a write says of itself.
#[derive(Debug, Clone, Default)]
pub struct WriteOptions {
    /// The digest that must be serving now; `None` writes whatever serves.
    pub if_match: Option<Digest>,
    /// Commit the document came from.
    pub commit: Option<String>,
    /// Who writes.
    pub origin: Option<Origin>,
    /// Take the document over from its present owner.
    pub take_over: bool,
    /// For manual writes: who.
    pub actor: Option<String>,
    /// For manual writes: why.
    pub reason: Option<String>,
}

impl WriteOptions {
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut put = |name: &'static str, text: Option<String>| {
            // UTF-8 as it is; a line end inside a reason becomes a space rather than losing the header.
            let plain = text.map(|text| text.replace(|c: char| c.is_control(), " "));
            if let Some(value) = plain.and_then(|text| HeaderValue::from_bytes(text.as_bytes()).ok()) {
                headers.insert(name, value);
            }
        };
        put("if-match", self.if_match.map(|digest| format!("\"{digest}\"")));
        put("moorline-commit", self.commit.clone());
        put("moorline-origin", self.origin.map(|origin| origin.as_str().to_owned()));
        put("moorline-take-over", self.take_over.then(|| "true".to_owned()));
        put("moorline-actor", self.actor.clone());
        put("moorline-reason", self.reason.clone());
        headers
    }
}

/// TLS of a client, beyond the system's roots.
#[derive(Debug, Clone, Default)]
pub struct ClientTls {
    /// The only roots that are trusted, in PEM. Absent: the system's.
    pub roots: Option<String>,
    /// A client certificate and its key, in PEM.
    pub identity: Option<Secret>,
}

/// Connections and trust, which clients of many gateways share: making them reads the machine's certificates, 12 ms and
/// 158 KiB each time.
#[derive(Debug, Clone)]
pub struct Http(reqwest::Client);

impl Http {
    /// Connections that trust as `tls` says.
    ///
    /// # Errors
    /// A sentence: the PEM is none, or the machine's certificates cannot be read.
    pub fn new(tls: &ClientTls) -> Result<Self, String> {
        let mut http = reqwest::Client::builder()
            .timeout(CALL_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none());
        if let Some(roots) = &tls.roots {
            let roots = reqwest::Certificate::from_pem_bundle(roots.as_bytes());
            http = http.tls_certs_only(roots.map_err(|_| "its roots are no certificates".to_owned())?);
        }
        if let Some(identity) = &tls.identity {
            let identity = reqwest::Identity::from_pem(identity.expose().as_bytes());
            http =
                http.identity(identity.map_err(|_| "its identity is no certificate with a key".to_owned())?);
        }
        http.build().map(Self).map_err(|error| error.to_string())
    }
}

/// One HTTP service, one token.
#[derive(Debug, Clone)]
struct Service {
    http: reqwest::Client,
    base: Url,
    token: Option<Secret>,
    /// Who may be there.
    servers: &'static [Server],
}

impl Service {
    fn new(
        endpoint: &str,
        token: Option<Secret>,
        http: Result<Http, String>,
        servers: &'static [Server],
    ) -> Result<Self, AdminError> {
        let wrong = |detail: String| AdminError::Endpoint { endpoint: endpoint.to_owned(), detail };
        let base = Url::parse(endpoint).map_err(|error| wrong(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.host().is_none() {
            return Err(wrong("expected http:// or https:// and a host".to_owned()));
        }
        let Http(http) = http.map_err(wrong)?;
        Ok(Self { http, base, token, servers })
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T, AdminError> {
        let Answer { status, server, bytes } =
            self.answer(method.clone(), url.clone(), headers, body).await?;
        let text: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        serde_json::from_slice(text).map_err(|error| {
            let (url, detail) = (Box::new(url), error.to_string());
            match server {
                Some(_) => AdminError::Unreadable { method, url, detail },
                None => AdminError::Foreign { url, status: status.as_u16() },
            }
        })
    }

    async fn answer(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<Answer, AdminError> {
        let answer = self.open(method.clone(), url.clone(), headers, body, CALL_TIMEOUT).await?;
        self.read(method, url, answer).await
    }

    /// Sends a request and waits for the head of its answer. All of the answer may take until `deadline`.
    async fn open(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Option<&(impl Serialize + Sync)>,
        deadline: Duration,
    ) -> Result<Response, AdminError> {
        let mut request = self.http.request(method.clone(), url.clone()).headers(headers).timeout(deadline);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|source| unreachable(&method, &url, source))?;
        match Server::of(answer.headers()).filter(|found| !self.servers.contains(found)) {
            Some(found) => Err(AdminError::Misdirected { url: Box::new(url), found }),
            None => Ok(answer),
        }
    }

    /// Reads an answer to its end.
    async fn read(&self, method: Method, url: Url, mut answer: Response) -> Result<Answer, AdminError> {
        let (status, server) = (answer.status(), Server::of(answer.headers()));
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|source| unreachable(&method, &url, source))? {
            if bytes.len() + chunk.len() > BODY_BYTES_MAX {
                let detail = format!("the answer is longer than {BODY_BYTES_MAX} bytes");
                return Err(AdminError::Unreadable { method, url: Box::new(url), detail });
            }
            bytes.extend_from_slice(&chunk);
        }
        let answer = Answer { status, server, bytes };
        if status.is_success() { Ok(answer) } else { Err(refused(method, url, status, &answer.bytes)) }
    }
}

/// The error names the address once, before its cause.
fn unreachable(method: &Method, url: &Url, source: reqwest::Error) -> AdminError {
    AdminError::Unreachable {
        method: method.clone(),
        url: Box::new(url.clone()),
        source: source.without_url(),
    }
}

/// What a service answered.
struct Answer {
    status: StatusCode,
    /// Which of ours it says it is.
    server: Option<Server>,
    bytes: Vec<u8>,
}

fn refused(method: Method, url: Url, status: StatusCode, bytes: &[u8]) -> AdminError {
    let url = Box::new(url);
    match serde_json::from_slice::<Problem>(bytes) {
        Ok(problem) => AdminError::Refused { method, url, problem: Box::new(problem) },
        Err(_) => AdminError::Foreign { url, status: status.as_u16() },
    }
}

const NOTHING: Option<&()> = None;

/// A gateway's admin API.
#[derive(Debug, Clone)]
pub struct Client {
    service: Service,
}

impl Client {
    /// A client of the gateway whose admin port is at `endpoint` (`http://10.0.1.10:8788`).
    ///
    /// # Errors
    /// [`AdminError::Endpoint`] when the address is no http(s) URL.
    pub fn new(endpoint: &str, token: Option<Secret>) -> Result<Self, AdminError> {
        Self::secured(endpoint, token, &ClientTls::default())
    }

    /// The same, with roots or a client certificate of its own.
    ///
    /// # Errors
    /// As [`Client::new`], and when the PEM is none.
    pub fn secured(endpoint: &str, token: Option<Secret>, tls: &ClientTls) -> Result<Self, AdminError> {
        Service::new(endpoint, token, Http::new(tls), &[Server::GatewayAdmin]).map(|service| Self { service })
    }

    /// A client over connections that it shares with others.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn over(http: &Http, endpoint: &str, token: Option<Secret>) -> Result<Self, AdminError> {
        Service::new(endpoint, token, Ok(http.clone()), &[Server::GatewayAdmin])
            .map(|service| Self { service })
    }

    /// The address given to [`Client::new`].
    #[must_use]
    pub const fn endpoint(&self) -> &Url {
        &self.service.base
    }

    /// What the gateway attests.
    ///
    /// # Errors
    /// See [`AdminError`]; this holds for every call below.
    pub async fn status(&self) -> Result<Status, AdminError> {
        self.get("/admin/v1/status").await
    }

    /// What the gateway attests, with what callers asked in the last seconds: one call for a look that comes every minute.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub async fn status_with_recent(&self, seconds: u32) -> Result<Status, AdminError> {
        let mut url = self.service.url("/admin/v1/status");
        url.query_pairs_mut().append_pair("recent_seconds", &seconds.to_string());
        self.service.call(Method::GET, url, HeaderMap::new(), NOTHING).await
    }

    /// The effective document.
    ///
    /// # Errors
    /// As [`Client::status`]; `not-found` when nothing was declared yet.
    pub async fn config(&self) -> Result<EffectiveConfig, AdminError> {
        self.get("/admin/v1/config").await
    }

    /// Checks a document without taking it.
    ///
    /// # Errors
    /// As [`Client::status`]. A document with mistakes is no error here.
    pub async fn validate(&self, document: &Value) -> Result<Validation, AdminError> {
        self.send(Method::POST, "/admin/v1/config/validate", HeaderMap::new(), document).await
    }

    /// The difference a document would make.
    ///
    /// # Errors
    /// As [`Client::status`]; `invalid-document` with the mistakes.
    pub async fn plan(&self, document: &Value) -> Result<ConfigPlan, AdminError> {
        self.send(Method::POST, "/admin/v1/config/plan", HeaderMap::new(), document).await
    }

    /// Replaces the stable document.
    ///
    /// # Errors
    /// As [`Client::status`]; `precondition-failed`, `owned-by-another`, `invalid-document`.
    pub async fn put_config(&self, document: &Value, options: &WriteOptions) -> Result<Status, AdminError> {
        self.send(Method::PUT, "/admin/v1/config", options.headers(), document).await
    }

    /// Stages a candidate at the given weight, replacing any other. The same document again changes only the weight.
    ///
    /// # Errors
    /// As [`Client::put_config`].
    pub async fn stage(
        &self,
        document: &Value,
        weight: Weight,
        options: &WriteOptions,
    ) -> Result<CandidateStaged, AdminError> {
        let mut url = self.service.url("/admin/v1/candidate");
        url.query_pairs_mut().append_pair("weight", &weight.to_string());
        self.service.call(Method::PUT, url, options.headers(), Some(document)).await
    }

    /// Sets the candidate's weight.
    ///
    /// # Errors
    /// As [`Client::status`]; `no-candidate`, `precondition-failed` when the candidate is another document.
    pub async fn set_weight(&self, candidate: Digest, weight: Weight) -> Result<Candidate, AdminError> {
        let options = WriteOptions { if_match: Some(candidate), ..WriteOptions::default() };
        let body = serde_json::json!({ "weight": weight });
        self.send(Method::PATCH, "/admin/v1/candidate", options.headers(), &body).await
    }

    /// Makes the candidate stable. Done already: the same answer.
    ///
    /// # Errors
    /// As [`Client::set_weight`].
    pub async fn promote(&self, candidate: Digest) -> Result<Status, AdminError> {
        let options = WriteOptions { if_match: Some(candidate), ..WriteOptions::default() };
        let url = self.service.url("/admin/v1/candidate/promote");
        self.service.call(Method::POST, url, options.headers(), NOTHING).await
    }

    /// Drops the candidate. None there: the same answer.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub async fn discard(&self) -> Result<Status, AdminError> {
        let url = self.service.url("/admin/v1/candidate");
        self.service.call(Method::DELETE, url, HeaderMap::new(), NOTHING).await
    }

    /// What one generation counted since a moment.
    ///
    /// # Errors
    /// As [`Client::status`]; `not-found` when the generation is not held any more.
    pub async fn stats(&self, generation: Generation, since: Option<Timestamp>) -> Result<Stats, AdminError> {
        let mut url = self.service.url("/admin/v1/stats");
        url.query_pairs_mut().append_pair("generation", &generation.to_string());
        if let Some(since) = since {
            url.query_pairs_mut().append_pair("since", &since.to_string());
        }
        self.service.call(Method::GET, url, HeaderMap::new(), NOTHING).await
    }

    /// Why the request with this id did not end well, when it asked to be explained and is among the last that did.
    ///
    /// # Errors
    /// As [`Client::status`]. A request that is not known is no error.
    pub async fn failure(&self, request: &str) -> Result<Option<Failure>, AdminError> {
        let mut url = self.service.url("/admin/v1/failures");
        url.query_pairs_mut().append_pair("request", request);
        match self.service.call(Method::GET, url, HeaderMap::new(), NOTHING).await {
            Ok(failure) => Ok(Some(failure)),
            Err(error) if error.problem().is_some_and(|problem| problem.is("not-found")) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Follows the events from now on. The stream has a connection of its own.
    ///
    /// # Errors
    /// As [`Client::status`]; `unavailable` when the gateway has as many listeners as it takes.
    pub async fn events(&self) -> Result<Events, AdminError> {
        let (service, url) = (&self.service, self.service.url("/admin/v1/events"));
        let opening = service.open(Method::GET, url.clone(), HeaderMap::new(), NOTHING, FOLLOWED_MAX);
        let Ok(opened) = tokio::time::timeout(CALL_TIMEOUT, opening).await else {
            let detail = format!("the stream did not begin within {} s", CALL_TIMEOUT.as_secs());
            return Err(AdminError::Unreadable { method: Method::GET, url: Box::new(url), detail });
        };
        let answer = opened?;
        if !answer.status().is_success() {
            let refused = tokio::time::timeout(CALL_TIMEOUT, service.read(Method::GET, url.clone(), answer));
            let status = StatusCode::GATEWAY_TIMEOUT.as_u16();
            let unread = || AdminError::Foreign { url: Box::new(url.clone()), status };
            return Err(refused.await.ok().and_then(Result::err).unwrap_or_else(unread));
        }
        Ok(Events::new(answer, Box::new(url)))
    }

    /// Stops accepting and finishes what runs.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub async fn drain(&self) -> Result<Status, AdminError> {
        let url = self.service.url("/admin/v1/drain");
        self.service.call(Method::POST, url, HeaderMap::new(), NOTHING).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, AdminError> {
        self.service.call(Method::GET, self.service.url(path), HeaderMap::new(), NOTHING).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: &Value,
    ) -> Result<T, AdminError> {
        self.service.call(method, self.service.url(path), headers, Some(body)).await
    }
}

/// A document endpoint: a gateway's (`http://10.0.1.10:8788`, where `/admin/v1/config` is added) or the daemon's
/// (`http://moorline:8080/api/v1/environments/prod/document`, taken as it is).
#[derive(Debug, Clone)]
pub struct DocumentEndpoint {
    service: Service,
    url: Url,
}

/// Who offers a document endpoint.
const SERVERS: &[Server] = &[Server::GatewayAdmin, Server::Daemon];

impl DocumentEndpoint {
    /// An endpoint with its token.
    ///
    /// # Errors
    /// [`AdminError::Endpoint`] when the address is no http(s) URL.
    pub fn new(endpoint: &str, token: Option<Secret>) -> Result<Self, AdminError> {
        let service = Service::new(endpoint, token, Http::new(&ClientTls::default()), SERVERS)?;
        let is_whole = service.base.path().ends_with("/document") || service.base.path().ends_with("/config");
        let url = if is_whole { service.base.clone() } else { service.url("/admin/v1/config") };
        Ok(Self { service, url })
    }

    /// The address that is read and written.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// The document there, or `None` when nothing was declared yet.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn get(&self) -> Result<Option<EffectiveConfig>, AdminError> {
        match self.service.call(Method::GET, self.url.clone(), HeaderMap::new(), NOTHING).await {
            Ok(config) => Ok(Some(config)),
            Err(error) if error.problem().is_some_and(|problem| problem.is("not-found")) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Hands a document over. What comes back is left unread: the two services answer differently.
    ///
    /// # Errors
    /// See [`AdminError`]; `precondition-failed` when something else serves than `if_match` says.
    pub async fn put(&self, document: &Value, options: &WriteOptions) -> Result<(), AdminError> {
        self.service.answer(Method::PUT, self.url.clone(), options.headers(), Some(document)).await.map(drop)
    }
}
