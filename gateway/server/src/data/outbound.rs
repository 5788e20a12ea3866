//! One request upstream, on one connection.
//!
//! Nothing a caller sends chooses where it goes: the connection is made to the target's declared origin, and the
//! credential is put on only after the connection is there, by asking for the one of its own origin.

use std::time::Duration;

use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::answer::{self, Answer, Source};
use super::ask::Outgoing;
use super::attempts::{self, Call, Clock, Failure};
use super::body::UpstreamBody;
use super::pool::Lease;
use crate::routing::Target;

/// Headers of a caller that travel on. All others stay here.
const FORWARDED: [HeaderName; 9] = [
    ACCEPT,
    USER_AGENT,
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("openai-beta"),
    HeaderName::from_static("openai-organization"),
    HeaderName::from_static("openai-project"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("baggage"),
];

/// The request's id, for the upstream's logs.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Sends the request and reads as much of the answer as tells whether it is one.
pub(super) async fn send(
    call: &Call<'_>,
    target: &Target,
    outgoing: &Outgoing,
    request_id: &str,
) -> Result<Answer, Failure> {
    let (lease, response) = exchange(call, target, outgoing, request_id).await?;
    let status = response.status();
    let (head, incoming) = response.into_parts();
    judge(status, &head.headers)?;
    let source = Source::new(incoming, lease);
    answer::begin(head, source, &outgoing.reading, call.route.clocks).await
}

/// Whether an answer's head allows that it be an answer. A caller's own fault is one.
fn judge(status: StatusCode, headers: &HeaderMap) -> Result<(), Failure> {
    match status.as_u16() {
        200..=299 => Ok(()),
        300..=399 => {
            tracing::warn!(%status, has_location = headers.contains_key(LOCATION), "an upstream redirects");
            Err(Failure::Redirect(status))
        }
        401..=403 => Err(Failure::Credential(status)),
        429 | 500.. => {
            let now = crate::clock::now();
            Err(Failure::Status { status, retry_after: attempts::retry_after(headers, now) })
        }
        _ => Ok(()),
    }
}

/// One request and the head of its answer. A kept connection that breaks off before a byte came back was closed by
/// its other end while it was idle; the request is then sent again, once, on a fresh one.
async fn exchange(
    call: &Call<'_>,
    target: &Target,
    outgoing: &Outgoing,
    request_id: &str,
) -> Result<(Lease, Response<Incoming>), Failure> {
    let pool = &call.worker.pool;
    let origin = target.upstream.origin().map_err(Failure::Unusable)?;
    if let Some(mut lease) = pool.idle(origin).await {
        let request = request(call, target, &lease, outgoing, request_id).await?;
        match head(&mut lease, request, call.route.clocks.headers).await {
            Err(Failure::Broken(error)) if lease.is_reused && !lease.was_heard() => {
                tracing::debug!(%error, "a kept connection was stale");
            }
            ended => return ended.map(|response| (lease, response)),
        }
    }
    let mut lease = pool.connect(origin, call.route.clocks.connect).await.map_err(Failure::Connect)?;
    let request = request(call, target, &lease, outgoing, request_id).await?;
    head(&mut lease, request, call.route.clocks.headers).await.map(|response| (lease, response))
}

async fn request(
    call: &Call<'_>,
    target: &Target,
    lease: &Lease,
    outgoing: &Outgoing,
    request_id: &str,
) -> Result<Request<UpstreamBody>, Failure> {
    let mut headers = HeaderMap::with_capacity(16);
    headers.insert(CONTENT_TYPE, outgoing.content_type.clone());
    // What is compressed could neither be counted nor watched.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
    for name in FORWARDED {
        if let Some(value) = call.headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = Method::POST;
    head.uri = outgoing.path.clone().into();
    head.version = Version::HTTP_11;
    head.headers = headers;
    let authorized = target.upstream.authorize(lease.origin(), &mut head, &outgoing.body).await;
    authorized.map_err(Failure::Unauthorized)?;
    Ok(Request::from_parts(head, UpstreamBody(outgoing.body.clone())))
}

async fn head(
    lease: &mut Lease,
    request: Request<UpstreamBody>,
    limit: Duration,
) -> Result<Response<Incoming>, Failure> {
    let by = Instant::now() + limit;
    match tokio::time::timeout_at(by, lease.sender().send_request(request)).await {
        Ok(response) => response.map_err(Failure::Broken),
        Err(_) => Err(Failure::Slow(Clock::Headers)),
    }
}
