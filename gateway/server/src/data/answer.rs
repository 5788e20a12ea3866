//! What came back: read as far as it takes to know that it is an answer.
//!
//! A JSON answer is read whole when it is not large, so that one that breaks off is a failure that another target can
//! make good. A stream is read up to its first event, for the same reason: an upstream may answer 200 and then say
//! that it failed. What is larger, and the rest of a stream, flows through [`super::relay`].

use std::borrow::Cow;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use moorline_translate::error::is_error;
use moorline_translate::faults::{self, Class};
use moorline_translate::{Caller as Dialect, Opening, Parts, Tokens, UsageWatch, Wire};
use tokio::time::Instant;

use super::attempts::{Clock, Failure};
use super::body;
use super::events::Events;
use super::patience;
use super::pool::Lease;
use super::reading::Reading;
use super::upstream::{Answered, ExchangeError, Lines};
use crate::guardrails::Guards;
use crate::routing::route::Clocks;

/// The largest JSON answer that is read whole before it is passed on.
const WHOLE_BYTES_MAX: u64 = 256 * 1024;
/// The largest answer that is translated. A batch of large embeddings is a few MiB.
const TRANSLATED_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The largest error in place of an answer that is looked for when it came in pieces.
const ERROR_BYTES_MAX: u64 = 16 * 1024;
/// Bytes of an answer that are taken for a token when the upstream does not say.
const BYTES_PER_TOKEN: u64 = 4;

/// Headers of an upstream's answer that travel on. Its rate limits are about our account there, and stay here.
static RETURNED: [HeaderName; 8] = [
    CONTENT_TYPE,
    CACHE_CONTROL,
    RETRY_AFTER,
    HeaderName::from_static("retry-after-ms"),
    HeaderName::from_static("x-should-retry"),
    HeaderName::from_static("openai-model"),
    HeaderName::from_static("openai-processing-ms"),
    HeaderName::from_static("openai-version"),
];
/// How providers name their own id of a request. The first of them counts.
const OWN_IDS: [&str; 4] = ["x-request-id", "request-id", "apim-request-id", "x-amzn-requestid"];
/// The provider's own id of the request.
const UPSTREAM_REQUEST_ID: HeaderName = HeaderName::from_static("x-upstream-request-id");
/// Fields of the request that its provider has no word for.
const DROPPED: HeaderName = HeaderName::from_static("x-moorline-dropped");
/// How Bedrock says what an embedding used.
const BEDROCK_INPUT_TOKENS: &str = "x-amzn-bedrock-input-token-count";
/// How AWS says its word for a refusal, when the body does not.
const AWS_ERROR_TYPE: &str = "x-amzn-errortype";
/// Tells a proxy in front not to gather a stream before passing it on.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// An answer that has begun well.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) content: Content,
    /// What a refusal says of whose fault it is.
    pub(super) class: Class,
}

/// What an answer carries.
pub(super) enum Content {
    /// All of it.
    Whole { body: Parts, tokens: Option<Tokens>, output_estimate: u64 },
    /// A beginning, and where the rest comes from.
    Flow(Flow),
}

/// An answer that is still coming.
pub(super) struct Flow {
    /// What may be passed on already.
    pub(super) ready: Parts,
    /// Where the rest comes from.
    pub(super) source: Source,
    /// How it is watched.
    pub(super) watch: Watch,
}

/// How the rest of an answer is watched.
pub(super) enum Watch {
    /// As server-sent events.
    Events(Box<Events>),
    /// As one JSON value: its usage, and its size so far.
    Json(Box<UsageWatch>, u64),
    /// Not at all.
    Opaque,
}

/// The bytes of an upstream's answer. Read to the end it gives its connection back; dropped before, it closes it.
pub(super) struct Source(Option<Lease>);

impl Source {
    pub(super) const fn new(lease: Lease) -> Self {
        Self(Some(lease))
    }

    /// One that has nothing more to say.
    pub(super) const fn ended() -> Self {
        Self(None)
    }

    /// The next bytes; `None` after a clean end.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ExchangeError>>> {
        let Some(lease) = &mut self.0 else { return Poll::Ready(None) };
        let next = ready!(lease.poll_body(cx));
        if next.is_none()
            && let Some(lease) = self.0.take()
        {
            lease.give_back();
        }
        if next.as_ref().is_some_and(Result::is_err) {
            self.0 = None;
        }
        Poll::Ready(next)
    }

    pub(super) async fn next(&mut self, limit: Duration, clock: Clock) -> Result<Option<Bytes>, Failure> {
        let next = std::future::poll_fn(|cx| self.poll_next(cx));
        match patience::until(|| Instant::now() + limit, next).await {
            Some(next) => next.transpose().map_err(Failure::Broken),
            None => Err(Failure::Slow(clock)),
        }
    }
}

/// Reads an answer up to where it may be passed on.
pub(super) async fn begin(
    head: Answered,
    source: Source,
    reading: &Reading,
    wire: Wire,
    clocks: Clocks,
    guards: Option<&Guards>,
) -> Result<Answer, Failure> {
    if body::is_encoded(head.headers.all("content-encoding")) {
        return Err(Failure::Encoded);
    }
    let mut headers = returned(&head.headers);
    let is_good = head.status.is_success();
    let mut class = Class::Other;
    let content = match reading {
        Reading::Same(protocol, usage_event) if is_good && is_event_stream(&head.headers) => {
            headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
            first_event(source, Events::passed(*protocol, *usage_event), clocks).await?
        }
        Reading::Opaque if is_good => first_bytes(source, clocks).await?,
        Reading::Same(..) | Reading::Opaque => {
            // What a guardrail looks into must be all here.
            let is_read = guards.is_some_and(Guards::read_answers);
            let most = if is_read { TRANSLATED_BYTES_MAX as u64 } else { WHOLE_BYTES_MAX };
            let content = whole(head.status, reading.dialect(), source, clocks, most).await?;
            if let Content::Whole { body, .. } = &content
                && !is_good
            {
                class = class_of(wire, &head, &in_one(body, WHOLE_BYTES_MAX).unwrap_or_default());
            }
            content
        }
        Reading::Translated(translation, dropped) if is_good && let Some(events) = translation.events() => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
            headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
            headers.extend(list(dropped).map(|dropped| (DROPPED, dropped)));
            first_event(source, events, clocks).await?
        }
        Reading::Translated(translation, dropped) => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.extend(list(dropped).map(|dropped| (DROPPED, dropped)));
            let body = all(source, clocks).await?;
            let (body, tokens) = if is_good {
                translation.answer(&body, input_tokens(&head.headers))?
            } else {
                class = class_of(wire, &head, &body);
                (translation.fault(head.status.as_u16(), &body), None)
            };
            let body = Parts::from(Bytes::from(body));
            let output_estimate = output_estimate(body.length());
            Content::Whole { body, tokens, output_estimate }
        }
    };
    Ok(Answer { status: head.status, headers, content, class })
}

/// What a refusal says. Only these leave a doubt: every other status has said it all.
fn class_of(wire: Wire, head: &Answered, body: &[u8]) -> Class {
    let status = head.status.as_u16();
    if !matches!(status, 400 | 413 | 422) {
        return Class::Other;
    }
    let named = head.headers.get(AWS_ERROR_TYPE);
    faults::classify_named(wire, status, named.filter(|_| wire == Wire::BedrockConverse), body)
}

/// Fields that a request lost in translation, for the caller.
fn list(fields: &[&'static str]) -> Option<HeaderValue> {
    if fields.is_empty() { None } else { HeaderValue::try_from(fields.join(", ")).ok() }
}

/// What Bedrock's embedding models say of their input.
fn input_tokens(headers: &Lines) -> Option<u64> {
    headers.get(BEDROCK_INPUT_TOKENS)?.parse().ok()
}

fn is_event_stream(headers: &Lines) -> bool {
    let kind = headers.all("content-type").next().unwrap_or_default();
    kind.get(..17).is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/event-stream"))
}

/// What travels on, and room for what is put beside it.
fn returned(lines: &Lines) -> HeaderMap {
    let mut out = HeaderMap::with_capacity(16);
    let mut own_id = None;
    for line in lines.iter() {
        if let Some(name) = RETURNED.iter().find(|name| line.is(name.as_str())) {
            if let Some(value) = line.header().filter(|_| !out.contains_key(name)) {
                out.insert(name, value);
            }
        } else if let Some(rank) = OWN_IDS.iter().position(|own| line.is(own))
            && own_id.is_none_or(|(best, _)| rank < best)
        {
            own_id = Some((rank, line));
        }
    }
    if let Some(id) = own_id.and_then(|(_, line)| line.header()) {
        out.insert(UPSTREAM_REQUEST_ID, id);
    }
    out
}

/// Reads a stream up to its first event.
async fn first_event(mut source: Source, events: Events, clocks: Clocks) -> Result<Content, Failure> {
    let mut events = Box::new(events);
    let mut ready = Parts::default();
    // Heartbeats do not count: the clock runs until something is said.
    let by = Instant::now() + clocks.first_token;
    loop {
        let left = by.saturating_duration_since(Instant::now());
        match source.next(left, Clock::FirstToken).await? {
            Some(chunk) => events.feed(chunk, &mut ready).map_err(Failure::Stream)?,
            None => {
                events.end(&mut ready).map_err(Failure::Stream)?;
                if events.opening() == Opening::Awaited {
                    return Err(Failure::Empty);
                }
            }
        }
        match events.opening() {
            Opening::Awaited => {}
            Opening::Good => break,
            Opening::Error => return Err(Failure::InBand),
        }
    }
    Ok(Content::Flow(Flow { ready, source, watch: Watch::Events(events) }))
}

/// Reads up to the first bytes: that there are any is all that can be told of them.
async fn first_bytes(mut source: Source, clocks: Clocks) -> Result<Content, Failure> {
    let mut ready = Parts::default();
    ready.push(source.next(clocks.first_token, Clock::FirstToken).await?.ok_or(Failure::Empty)?);
    Ok(Content::Flow(Flow { ready, source, watch: Watch::Opaque }))
}

/// Reads an answer whole, to translate it.
async fn all(mut source: Source, clocks: Clocks) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    let mut chunk = source.next(clocks.first_token, Clock::FirstToken).await?;
    while let Some(bytes) = chunk {
        if body.len() + bytes.len() > TRANSLATED_BYTES_MAX {
            return Err(Failure::Oversized);
        }
        body.extend_from_slice(&bytes);
        chunk = source.next(clocks.idle, Clock::Idle).await?;
    }
    Ok(body)
}

/// Reads a JSON answer whole, or up to where it is too large for that.
async fn whole(
    status: StatusCode,
    dialect: Dialect,
    mut source: Source,
    clocks: Clocks,
    most: u64,
) -> Result<Content, Failure> {
    let mut body = Parts::default();
    let mut watch = Box::new(UsageWatch::default());
    let mut chunk = source.next(clocks.first_token, Clock::FirstToken).await?;
    while let Some(bytes) = chunk {
        watch.feed(&bytes);
        body.push(bytes);
        if body.length() > most {
            let seen = body.length();
            return Ok(Content::Flow(Flow { ready: body, source, watch: Watch::Json(watch, seen) }));
        }
        chunk = source.next(clocks.idle, Clock::Idle).await?;
    }
    if status.is_success() && in_one(&body, ERROR_BYTES_MAX).is_some_and(|body| is_error(&body)) {
        return Err(Failure::InBand);
    }
    let output_estimate = body.length() / BYTES_PER_TOKEN;
    Ok(Content::Whole { body, tokens: watch.tokens_for(dialect), output_estimate })
}

/// A body in one piece: as it came, or put together when it is no larger than `most`.
fn in_one(body: &Parts, most: u64) -> Option<Cow<'_, [u8]>> {
    match body.only() {
        Some(only) => Some(Cow::Borrowed(only)),
        None if body.length() > most => None,
        None => Some(Cow::Owned(body.iter().flat_map(|part| part.iter().copied()).collect())),
    }
}

/// Tokens out of a JSON answer of this size, when the upstream does not say.
pub(super) const fn output_estimate(bytes: u64) -> u64 {
    bytes / BYTES_PER_TOKEN
}
