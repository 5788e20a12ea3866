//! The daemon's HTTP API, as the command line uses it.

use std::time::Duration;

use moorline_admin::{ConnectionFault, Server};
use serde_json::Value;
use url::Url;

use super::{Exit, ServerArguments, output};

/// Longest wait for one answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes read of one answer.
const BODY_BYTES_MAX: usize = 16 << 20;

/// Where the API begins.
const API: &str = "/api/v1";

/// What says where the daemon is.
const WHERE: &str = "--server or MOORLINE_SERVER";

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// The address is no URL.
    #[error("`{0}` is no http(s) URL: give the daemon's address with --server or MOORLINE_SERVER")]
    Server(String),
    /// Nobody answered.
    #[error("{}; the daemon's address is {WHERE}", unreachable(url, ConnectionFault::of(source)))]
    Unreachable {
        /// The address.
        url: Url,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// No plan waits.
    #[error("nothing of {0} waits for approval; `moorline status {0}` shows how it stands")]
    NothingToApprove(String),
    /// Nothing that gateways serve waits to be adopted.
    #[error(
        "no gateway of {0} serves anything that waits to be adopted; `moorline status {0}` shows how it stands"
    )]
    NothingToAdopt(String),
    /// The commit is not known, or not the only one.
    #[error("{0}")]
    Commit(String),
    /// The daemon said no.
    #[error("{title}: {detail}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// In a few words.
        title: String,
        /// What happened and what to do.
        detail: String,
        /// The gate that refused, when one did.
        gate: Option<String>,
    },
    /// Another server of ours is there.
    #[error("{} is {found}, not the daemon: give the daemon's address with {WHERE}", origin(url))]
    Misdirected {
        /// The address.
        url: Url,
        /// Who is there.
        found: Server,
    },
    /// The answer makes no sense.
    #[error(
        "{} does not answer as a Moorline daemon does: give the daemon's address with {WHERE}",
        origin(url)
    )]
    Unreadable {
        /// The address.
        url: Url,
    },
}

impl ApiError {
    /// Says it, and the command's exit.
    pub(super) fn report(&self) -> Exit {
        output::failed(self.exit(), &crate::chain::after(&self.to_string(), self), self.next())
    }

    /// The command's exit.
    pub(super) const fn exit(&self) -> Exit {
        match self {
            Self::Refused { status: 401 | 403, .. } => Exit::SignIn,
            Self::Refused { status: 423, .. } | Self::Refused { gate: Some(_), .. } => Exit::Blocked,
            Self::Server(_) => Exit::Usage,
            Self::Unreachable { .. } => Exit::CannotCheck,
            Self::Refused { .. } | Self::Misdirected { .. } | Self::Unreadable { .. } => Exit::Error,
            Self::NothingToApprove(_) | Self::NothingToAdopt(_) | Self::Commit(_) => Exit::Error,
        }
    }

    /// What to do, where that is not part of the message.
    const fn next(&self) -> Option<&'static str> {
        match self {
            Self::Refused { status: 401 | 403, .. } => {
                Some("Give one of the daemon's tokens, of a role that may, with --token or MOORLINE_TOKEN.")
            }
            Self::Refused { status: 404, .. } => Some("`moorline status` lists what there is."),
            _ => None,
        }
    }
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
pub(super) struct Api {
    http: reqwest::Client,
    base: Url,
    token: Option<String>,
}

impl Api {
    /// A client for the daemon that the arguments name.
    pub(super) fn new(arguments: &ServerArguments) -> Result<Self, ApiError> {
        let wrong = || ApiError::Server(arguments.server.clone());
        let mut base = Url::parse(&arguments.server).map_err(|_| wrong())?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(wrong());
        }
        // Who pastes the API's address means this daemon.
        let path = base.path().trim_end_matches('/');
        let path = path.strip_suffix(API).unwrap_or(path).to_owned();
        base.set_path(&path);
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|source| ApiError::Unreachable { url: base.clone(), source })?;
        Ok(Self { http, base, token: arguments.token.clone().filter(|token| !token.is_empty()) })
    }

    /// Reads `path` below `/api/v1`.
    pub(super) async fn get(&self, path: &str) -> Result<Value, ApiError> {
        let url = self.url(path);
        self.send(self.http.get(url.clone()), url).await
    }

    /// Posts to `path` below `/api/v1`.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, ApiError> {
        let url = self.url(path);
        self.send(self.http.post(url.clone()).json(body), url).await
    }

    /// The address of `path`.
    pub(super) fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        url.set_path(&format!("{}{API}{path}", self.base.path().trim_end_matches('/')));
        url.set_query(query);
        url
    }

    async fn send(&self, request: reqwest::RequestBuilder, url: Url) -> Result<Value, ApiError> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let unreachable =
            |source: reqwest::Error| ApiError::Unreachable { url: url.clone(), source: source.without_url() };
        let mut answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        if let Some(found) = Server::of(answer.headers()).filter(|found| *found != Server::Daemon) {
            return Err(ApiError::Misdirected { url, found });
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            if bytes.len() + chunk.len() > BODY_BYTES_MAX {
                return Err(ApiError::Unreadable { url });
            }
            bytes.extend_from_slice(&chunk);
        }
        let body: Value = match serde_json::from_slice(&bytes) {
            Ok(body) => body,
            Err(_) if bytes.is_empty() => Value::Null,
            Err(_) => return Err(ApiError::Unreadable { url }),
        };
        if status.is_success() {
            return Ok(body);
        }
        let text = |field: &str| body.get(field).and_then(Value::as_str).map(str::to_owned);
        Err(ApiError::Refused {
            status: status.as_u16(),
            title: text("title").unwrap_or_else(|| status.to_string()),
            detail: text("detail").unwrap_or_default(),
            gate: text("gate"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_the_api_is_an_address_of_the_daemon() {
        let url = |server: &str| {
            let arguments = ServerArguments { server: server.to_owned(), token: None };
            Api::new(&arguments).unwrap().url("/environments?limit=1").to_string()
        };
        for server in ["http://a:1", "http://a:1/", "http://a:1/api/v1", "http://a:1/api/v1/"] {
            assert_eq!(url(server), "http://a:1/api/v1/environments?limit=1", "{server}");
        }
        assert_eq!(url("https://a/moorline/api/v1"), "https://a/moorline/api/v1/environments?limit=1");
        assert_eq!(url("https://a/moorline/"), "https://a/moorline/api/v1/environments?limit=1");
    }
}
