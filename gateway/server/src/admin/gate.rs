//! Who gets past the door: the bearer token, a verified client certificate, and the refusal of web pages.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::{HeaderMap, Method};
use moorline_config::{Secret, WeakToken};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::refusal::Refusal;
use super::{Ends, Server};

/// A bearer token, kept as its hash: comparing hashes takes the same time whatever a caller sends.
#[derive(Clone)]
pub struct Token([u8; 32]);

impl Token {
    /// A token from its value.
    ///
    /// # Errors
    /// [`WeakToken`] when it is too short to protect anything or cannot stand in a header.
    pub fn new(secret: &Secret) -> Result<Self, WeakToken> {
        secret.as_token().map(|value| Self(hash(value.as_bytes())))
    }

    /// Whether two tokens are one.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        bool::from(self.0.ct_eq(&other.0))
    }

    /// Whether the one proof that is given is this token. Of two, another reader may have looked at the other.
    fn opens(&self, headers: &HeaderMap) -> bool {
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let (Some(only), None) = (given.next(), given.next()) else { return false };
        let presented = only.as_bytes().split_at_checked(7);
        let Some((scheme, value)) = presented else { return false };
        scheme.eq_ignore_ascii_case(b"bearer ") && bool::from(hash(value).ct_eq(&self.0))
    }
}

fn hash(value: &[u8]) -> [u8; 32] {
    Sha256::digest(value).into()
}

/// Lets a request through, or answers it.
pub(super) async fn check(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    if headers.contains_key(ORIGIN) {
        return Refusal::forbidden("requests from web pages are refused").into_response();
    }
    let admin = &server.admin;
    let is_metrics = request.uri().path() == "/metrics" && request.method() == Method::GET;
    let may_pass = admin.token.opens(headers)
        || request.extensions().get::<Ends>().is_some_and(|ends| ends.client.is_some())
        || (is_metrics
            && (is_from_this_host(&request)
                || admin.metrics_token.as_ref().is_some_and(|t| t.opens(headers))));
    if may_pass { next.run(request).await } else { Refusal::unauthorized().into_response() }
}

/// Whether the caller is a process on this host that names us by address. A web page made to resolve to us (DNS
/// rebinding) also comes from this host, but names us by its own domain.
fn is_from_this_host(request: &Request) -> bool {
    let is_local =
        request.extensions().get::<Ends>().is_some_and(|ends| ends.peer.ip().to_canonical().is_loopback());
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    is_local && is_address(host)
}

fn is_address(host: &str) -> bool {
    let without_port = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = without_port.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(authorization: &str) -> HeaderMap {
        [(AUTHORIZATION, authorization.parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn only_the_whole_token_opens() {
        let token = Token::new(&Secret::new("correct-horse".to_owned())).unwrap();
        assert!(token.opens(&headers("Bearer correct-horse")));
        assert!(token.opens(&headers("bearer correct-horse")));
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer correct-hors",
            "Bearer correct-horses",
            "Basic correct-horse",
            "correct-horse",
        ] {
            assert!(!token.opens(&headers(wrong)), "{wrong}");
        }
        assert!(!token.opens(&HeaderMap::new()));
    }

    #[test]
    fn a_token_that_protects_nothing_is_refused() {
        for wrong in ["", "short", "with a space in it", "with\nnewline", &"x".repeat(1025)] {
            assert!(Token::new(&Secret::new(wrong.to_owned())).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_host_header_that_is_a_name_of_another_is_no_address() {
        for address in ["127.0.0.1:8788", "127.0.0.1", "[::1]:8788", "localhost:8788", "localhost"] {
            assert!(is_address(address), "{address}");
        }
        for name in ["", "evil.example:8788", "127.0.0.1.evil.example", "localhost.evil.example:80"] {
            assert!(!is_address(name), "{name}");
        }
    }
}
