//! What a path of the data port leads to, and whose protocol its callers speak.

use http::{HeaderMap, Method};
use moorline_translate::Caller as Dialect;

use crate::routing::Operation;

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint<'a> {
    /// `/` and `/healthz`.
    Alive,
    /// `/readyz`.
    Ready,
    /// `/v1/models`.
    Models,
    /// `/v1/models/NAME`.
    Model(&'a str),
    /// What a provider answers.
    Upstream(Operation),
}

impl<'a> Endpoint<'a> {
    pub(super) fn at(path: &'a str) -> Option<Self> {
        Some(match path {
            "/" | "/healthz" => Self::Alive,
            "/readyz" => Self::Ready,
            "/v1/models" => Self::Models,
            _ => match path.strip_prefix("/v1/models/").filter(|name| !name.is_empty()) {
                Some(name) => Self::Model(name),
                None => Self::Upstream(Operation::at(path)?),
            },
        })
    }

    pub(super) const fn methods(self) -> &'static str {
        match self {
            Self::Alive | Self::Ready | Self::Models | Self::Model(_) => "GET, HEAD",
            Self::Upstream(_) => "POST",
        }
    }

    pub(super) fn takes(self, method: &Method) -> bool {
        match self {
            Self::Upstream(_) => method == Method::POST,
            _ => method == Method::GET || method == Method::HEAD,
        }
    }
}

/// Whose errors a caller knows: told by the path, or by the header that Anthropic's clients always send.
pub(super) fn dialect(path: &str, headers: &HeaderMap) -> Dialect {
    match Operation::at(path) {
        Some(operation) => operation.dialect(),
        None if headers.contains_key("anthropic-version") => Dialect::AnthropicMessages,
        None => Dialect::OpenAiChat,
    }
}
