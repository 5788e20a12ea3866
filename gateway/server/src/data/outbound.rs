//! One request upstream, on one connection.
//!
//! Nothing a caller sends chooses where it goes: the connection is made to the target's declared origin, and the
//! credential is put on only after the connection is there, by asking for the one of its own origin.

use std::time::Duration;

use http::header::{ACCEPT_ENCODING, CONTENT_TYPE};
use http::request::Parts as Head;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};

use moorline_config::document::ProviderKind;
use moorline_translate::faults::Class;
use tokio::time::Instant;

use super::account::Said;
use super::answer::{self, Answer, Source};
use super::ask::Outgoing;
use super::attempts::{self, Call, Clock, Failure};
use super::patience;
use super::pool::Lease;
use super::request_id::REQUEST_ID;
use super::upstream::{Answered, Lines};
use crate::routing::Target;
use crate::routing::way::wire_of;
use crate::telemetry::TRACEPARENT;

const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");
/// The version that is spoken when the caller names none (<https://docs.anthropic.com/en/api/versioning>).
const ANTHROPIC_VERSION_SPOKEN: HeaderValue = HeaderValue::from_static("2023-06-01");

/// Sends the request and reads as much of the answer as tells whether it is one.
pub(super) async fn send(
    call: &Call<'_>,
    target: &Target,
    outgoing: &Outgoing,
    said: &Said<'_>,
) -> Result<Answer, Failure> {
    let begun = begin(call, target, outgoing, said).await?;
    read(call, target, outgoing, begun).await
}

/// Sends the request and reads the head of the answer.
pub(super) async fn begin(
    call: &Call<'_>,
    target: &Target,
    outgoing: &Outgoing,
    said: &Said<'_>,
) -> Result<(Lease, Answered), Failure> {
    let (lease, answered) = exchange(call, target, outgoing, said).await?;
    judge(target.upstream.kind, answered.status, &answered.headers)?;
    Ok((lease, answered))
}

/// Reads what follows a head.
pub(super) async fn read(
    call: &Call<'_>,
    target: &Target,
    outgoing: &Outgoing,
    (lease, answered): (Lease, Answered),
) -> Result<Answer, Failure> {
    let wire = wire_of(target.upstream.kind);
    let source = Source::new(lease);
    let answer =
        answer::begin(answered, source, &outgoing.reading, wire, call.route.clocks, call.guards).await?;
    judge_words(answer)
}

/// Whether an answer's head allows that it be an answer. A caller's own fault is one.
fn judge(kind: ProviderKind, status: StatusCode, headers: &Lines) -> Result<(), Failure> {
    let failed = |status| {
        let now = crate::clock::now();
        Err(Failure::Status { status, retry_after: attempts::retry_after(headers, now) })
    };
    match status.as_u16() {
        200..=299 => Ok(()),
        300..=399 => {
            let has_location = headers.get("location").is_some();
            tracing::warn!(%status, has_location, "an upstream redirects");
            Err(Failure::Redirect(status))
        }
        401..=403 => Err(Failure::Credential(status)),
        // The request was all there: who says that it took too long means itself.
        408 | 429 | 500.. => failed(status),
        // Bedrock's word for a model that failed (docs.aws.amazon.com/bedrock/latest/APIReference, Converse).
        424 if kind == ProviderKind::Bedrock => failed(status),
        _ => Ok(()),
    }
}

/// Some providers say in the words of a 400 what others say by 401, 402, 429 or 503. Those are no faults of the
/// caller's.
fn judge_words(answer: Answer) -> Result<Answer, Failure> {
    let retry_after = None;
    match answer.class {
        Class::Other | Class::ContextLength => Ok(answer),
        Class::Credential | Class::Exhausted => Err(Failure::Credential(answer.status)),
        Class::RateLimited => Err(Failure::Status { status: StatusCode::TOO_MANY_REQUESTS, retry_after }),
        Class::Overloaded => Err(Failure::Status { status: StatusCode::SERVICE_UNAVAILABLE, retry_after }),
    }
}

/// One request and the head of its answer. A kept connection that breaks off before a byte came back was closed by
/// its other end while it was idle; the request is then sent again, once, on a fresh one.
async fn exchange(
    call: &Call<'_>,
    target: &Target,
    outgoing: &Outgoing,
    said: &Said<'_>,
) -> Result<(Lease, Answered), Failure> {
    let pool = &call.worker.pool;
    let origin = target.upstream.origin().map_err(Failure::Unusable)?;
    let mut head = head(call, target.upstream.kind, outgoing, said);
    if let Some(mut lease) = pool.idle(origin) {
        authorize(target, &lease, &mut head, outgoing).await?;
        match answered(&mut lease, &head, outgoing, call.route.clocks.headers).await {
            Err(Failure::Broken(error)) if lease.is_reused && !lease.was_heard() => {
                tracing::debug!(%error, "a kept connection was stale");
            }
            ended => return ended.map(|answered| (lease, answered)),
        }
    }
    // In a box: most requests find a connection, and should not carry the space for a handshake.
    let connecting = Box::pin(pool.connect(origin, call.route.clocks.connect));
    let mut lease = connecting.await.map_err(Failure::Connect)?;
    authorize(target, &lease, &mut head, outgoing).await?;
    let answered = answered(&mut lease, &head, outgoing, call.route.clocks.headers).await?;
    Ok((lease, answered))
}

/// Whether a header of a caller's travels on to a provider. All others stay here.
fn travels_on(name: &str, kind: ProviderKind) -> bool {
    use ProviderKind::{Anthropic, AzureOpenai, Openai, OpenaiCompatible};
    match name {
        "user-agent" | "idempotency-key" | "traceparent" | "tracestate" | "baggage" => true,
        "accept" | "openai-beta" | "openai-organization" | "openai-project" => {
            matches!(kind, Openai | AzureOpenai | OpenaiCompatible)
        }
        "anthropic-version" | "anthropic-beta" => kind == Anthropic,
        _ => false,
    }
}

/// The head of the request, but for what proves that it is ours.
fn head(call: &Call<'_>, kind: ProviderKind, outgoing: &Outgoing, said: &Said<'_>) -> Head {
    let mut headers = HeaderMap::with_capacity(16);
    headers.insert(CONTENT_TYPE, outgoing.content_type.clone());
    // What is compressed could neither be counted nor watched.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    // For the upstream's logs.
    headers.insert(REQUEST_ID, said.request_id.header());
    for (name, value) in call.headers.iter().filter(|(name, _)| travels_on(name.as_str(), kind)) {
        headers.entry(name).or_insert_with(|| value.clone());
    }
    if kind == ProviderKind::Anthropic && !headers.contains_key(ANTHROPIC_VERSION) {
        headers.insert(ANTHROPIC_VERSION, ANTHROPIC_VERSION_SPOKEN);
    }
    // Of a sampled request the attempt's own span is the parent of what happens upstream.
    if let Some(traceparent) = &said.traceparent {
        headers.insert(TRACEPARENT, traceparent.clone());
    }
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = Method::POST;
    head.uri = outgoing.path.clone().into();
    head.headers = headers;
    head
}

async fn authorize(
    target: &Target,
    lease: &Lease,
    head: &mut Head,
    outgoing: &Outgoing,
) -> Result<(), Failure> {
    let authorized = target.upstream.authorize(lease.origin(), head, &outgoing.body).await;
    authorized.map_err(Failure::Unauthorized)
}

async fn answered(
    lease: &mut Lease,
    head: &Head,
    outgoing: &Outgoing,
    limit: Duration,
) -> Result<Answered, Failure> {
    match patience::until(|| Instant::now() + limit, lease.exchange(head, &outgoing.body)).await {
        Some(answered) => answered.map_err(Failure::Broken),
        None => Err(Failure::Slow(Clock::Headers)),
    }
}
