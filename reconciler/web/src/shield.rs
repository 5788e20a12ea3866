//! What stands in front of every route: is the request meant for us, and what may a browser do with the answer?

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Uri};

use crate::App;
use crate::problem::Problem;
use crate::reader::Reader;

const HEADERS: [(HeaderName, HeaderValue); 8] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; \
             frame-ancestors 'none'; base-uri 'none'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    // Clients of a gateway know by it that they have the wrong address.
    (header::SERVER, HeaderValue::from_static("moorline")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    // Not `no-referrer`: with that, a browser names no origin in the forms of our own pages either.
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Refuses what is meant for another host or comes from another site, and dresses every answer.
pub(crate) async fn shield(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let reader = Reader::of(&request);
    let answer = match meant_for_us(&app, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    let mut response = reader.served(answer, (app.web.clock)());
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

// A page of another site may name its own host for our loopback address and then read us as its own (DNS rebinding);
// and may send forms to us from the visitor's browser.
fn meant_for_us(app: &App, request: &Request) -> Result<(), Problem> {
    let host = host(request).ok_or_else(|| Problem::malformed("expected one Host header"))?;
    if app.is_loopback && !app.hosts_include(&host) {
        return Err(Problem::forbidden("this address answers to its own name only; see `public_url`"));
    }
    if let Some(origin) = one(request.headers(), &header::ORIGIN)? {
        let same = origin.split_once("://").is_some_and(|(_, authority)| {
            authority.eq_ignore_ascii_case(&host)
                || app.public_host().is_some_and(|public| public == authority)
        });
        if !same {
            return Err(Problem::forbidden(
                "a page of another site sent this, or one that hides where it is from; open this address itself",
            ));
        }
    }
    Ok(())
}

fn host(request: &Request) -> Option<String> {
    let named = one(request.headers(), &header::HOST).ok()?;
    let named = named.map(str::to_owned);
    named.or_else(|| request.uri().authority().map(ToString::to_string)).filter(|host| !host.is_empty())
}

fn one<'headers>(headers: &'headers HeaderMap, name: &HeaderName) -> Result<Option<&'headers str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    match (value.to_str(), values.next()) {
        (Ok(text), None) => Ok(Some(text)),
        _ => Err(Problem::malformed(format!("expected one {name} header"))),
    }
}

impl App {
    /// Whether a Host header names this machine itself or the public address.
    fn hosts_include(&self, host: &str) -> bool {
        is_this_machine(host) || self.public_host().is_some_and(|public| public.eq_ignore_ascii_case(host))
    }

    /// Host and port of the public address.
    pub(crate) fn public_host(&self) -> Option<&str> {
        let (_, rest) = self.web.public_url.as_deref()?.split_once("://")?;
        rest.split('/').next()
    }

    /// Whether people come by https.
    pub(crate) fn is_https(&self) -> bool {
        self.web.public_url.as_deref().is_some_and(|url| url.starts_with("https://"))
    }
}

/// Whether a host, with or without port, is this machine and nobody else.
pub(crate) fn is_this_machine(host: &str) -> bool {
    let Ok(uri) = host.parse::<Uri>() else { return false };
    let Some(name) = uri.host() else { return false };
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}
