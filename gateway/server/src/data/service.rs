//! A request, from arrival to answer.
//!
//! `pick → authenticate → route → read → scan → admit → ask → answer`: each word is a line of [`serve`]. A request
//! picks its generation once, when it arrives, and keeps it to its end.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use moorline_translate::Parts;
use serde_json::json;

use super::account::Account;
use super::answer::{Answer, Content};
use super::ask::Ask;
use super::attempts::{self, Call};
use super::body::{self, ReplyBody};
use super::guard::Mark;
use super::refusal::{self, Refusal};
use super::relay::Relay;
use super::worker::Worker;
use super::{admission, caller, dice::Dice};
use crate::limits::Reservation;
use crate::recorder::Authentication;
use crate::routing::Operation;
use crate::routing::limit::{Kind, Subject};

const GENERATION: HeaderName = HeaderName::from_static("x-moorline-generation");
const PROBE: HeaderName = HeaderName::from_static("x-moorline-probe");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest request id taken from a caller.
const REQUEST_ID_BYTES_MAX: usize = 128;
/// The most of a path that is logged.
const PATH_BYTES_MAX: usize = 256;
/// Sides of the die that is thrown for the generation.
const DIE_SIDES: u64 = 10_000;

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endpoint {
    Alive,
    Ready,
    Models,
    Upstream(Operation),
}

/// The answer of this gateway, before its body is tied to the connection.
enum Reply {
    Whole(StatusCode, HeaderMap, Parts),
    Relay(StatusCode, HeaderMap, Box<Relay>),
}

impl Endpoint {
    fn at(path: &str) -> Option<Self> {
        Some(match path {
            "/" | "/healthz" => Self::Alive,
            "/readyz" => Self::Ready,
            "/v1/models" => Self::Models,
            // The others need a protocol of their own, or a form: not in this release.
            _ => Self::Upstream(Operation::at(path).filter(|operation| operation.is_served())?),
        })
    }

    const fn methods(self) -> &'static str {
        match self {
            Self::Alive | Self::Ready | Self::Models => "GET, HEAD",
            Self::Upstream(_) => "POST",
        }
    }

    fn takes(self, method: &Method) -> bool {
        match self {
            Self::Alive | Self::Ready | Self::Models => method == Method::GET || method == Method::HEAD,
            Self::Upstream(_) => method == Method::POST,
        }
    }
}

/// Answers a request.
pub(super) async fn respond(
    worker: Arc<Worker>,
    mark: Arc<Mark>,
    request: Request<Incoming>,
) -> Response<ReplyBody> {
    let endpoint = Endpoint::at(request.uri().path()).filter(|endpoint| endpoint.takes(request.method()));
    let is_last = mark.is_last() || worker.drain.is_cancelled();
    let mut response = match endpoint {
        Some(Endpoint::Alive) if !mark.is_doubtful() => {
            plain(&worker, request.headers(), (StatusCode::OK, "ok\n"), mark)
        }
        Some(Endpoint::Ready) if !mark.is_doubtful() => {
            plain(&worker, request.headers(), readiness(&worker), mark)
        }
        _ => Box::pin(api(&worker, mark, request)).await,
    };
    if is_last {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn readiness(worker: &Worker) -> (StatusCode, &'static str) {
    if worker.drain.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else if worker.serving.snapshot().stable.is_none() {
        (StatusCode::SERVICE_UNAVAILABLE, "no document\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}

/// An answer about the gateway itself. It is not counted: probes come often and say nothing of a document.
fn plain(
    worker: &Worker,
    asked: &HeaderMap,
    (status, text): (StatusCode, &'static str),
    mark: Arc<Mark>,
) -> Response<ReplyBody> {
    let body = ReplyBody::whole(Parts::from(Bytes::from_static(text.as_bytes())), mark);
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if let Some(generation) = pick(worker, asked) {
        headers.insert(GENERATION, HeaderValue::from(generation.number.0));
    }
    if let Ok(id) = HeaderValue::try_from(request_id(asked, &worker.dice)) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

/// Answers a request of the API, and marks the answer with its generation, id and limits.
async fn api(worker: &Worker, mark: Arc<Mark>, request: Request<Incoming>) -> Response<ReplyBody> {
    let started = Instant::now();
    let request_id = request_id(request.headers(), &worker.dice);
    let path: String = request.uri().path().chars().take(PATH_BYTES_MAX).collect();
    let mut account = Account::open(worker, started, request_id.clone(), request.method().clone(), path);
    let mut marks = HeaderMap::with_capacity(8);
    let served = if mark.is_doubtful() {
        Err(Refusal::doubtful())
    } else {
        serve(worker, mark.peer(), request, &mut account, &mut marks).await
    };
    let reply = match served {
        Ok(served) => accept(served, account, started),
        Err(refusal) => {
            account.end(refusal.status.as_u16(), Some(refusal.kind));
            let (status, headers, body) = refusal.into_parts();
            Reply::Whole(status, headers, Parts::from(Bytes::from(body)))
        }
    };
    let (status, mut headers, body) = match reply {
        Reply::Whole(status, headers, parts) => (status, headers, ReplyBody::whole(parts, mark)),
        Reply::Relay(status, headers, relay) => (status, headers, ReplyBody::relay(relay, mark)),
    };
    headers.extend(marks);
    if let Ok(id) = HeaderValue::try_from(request_id) {
        headers.insert(REQUEST_ID, id);
    }
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// What a request got from [`serve`]: an upstream's answer and until when it may go on, or one of our own.
enum Served {
    Upstream { answer: Box<Answer>, idle: std::time::Duration, total: std::time::Duration },
    Own(Bytes),
}

/// Decides on a request, and asks for its answer.
async fn serve(
    worker: &Worker,
    peer: IpAddr,
    request: Request<Incoming>,
    account: &mut Account,
    marks: &mut HeaderMap,
) -> Result<Served, Refusal> {
    let (head, body) = request.into_parts();
    let generation = pick(worker, &head.headers).ok_or_else(Refusal::nothing_served)?;
    account.generation = Some(Arc::clone(&generation));
    marks.insert(GENERATION, HeaderValue::from(generation.number.0));
    let routing = &*generation.routing;

    let caller = caller::authenticate(&head.headers, routing, || worker.limits.now()).await;
    account.authentication = caller.as_ref().err().copied().unwrap_or(Authentication::Accepted);
    let path = head.uri.path();
    let endpoint = Endpoint::at(path).ok_or_else(|| Refusal::unknown_path(&head.method, path))?;
    if !endpoint.takes(&head.method) {
        return Err(Refusal::wrong_method(&head.method, endpoint.methods()));
    }
    let caller = caller.map_err(Refusal::unauthenticated)?;
    account.key = Some(caller.key().name.to_string());
    let Endpoint::Upstream(operation) = endpoint else {
        return Ok(Served::Own(models(routing, caller.key())));
    };

    let route = routing.route(path).ok_or_else(Refusal::no_route)?;
    account.route = Some(route.index);
    admission::readable(&head.headers)?;
    let body = body::read(body, worker.config.body_bytes_max, worker.config.deadlines).await?;
    let ask = Ask::read(operation, head.headers.get(CONTENT_TYPE), body)?;
    let model = admission::model(routing, route, caller.key(), &ask.fields)?;
    account.model = Some(model);
    let declared = routing.model(model).ok_or_else(Refusal::no_model)?;
    let estimate = admission::estimate(&ask.fields);
    account.input_estimate = estimate.input;
    let subject = Subject { caller: caller.who(), model, peer, headers: &head.headers };
    let reservation = admission::reserve(&worker.limits, route, caller.key(), &subject, declared, estimate)?;
    mark_limits(&reservation, marks);
    account.reservation = Some(reservation);

    let deadline = tokio::time::Instant::from_std(account.started + route.clocks.total);
    let call = Call {
        worker,
        routing,
        route,
        key: caller.key(),
        model,
        headers: &head.headers,
        ask: &ask,
        estimate,
        deadline,
    };
    let answer = attempts::run(&call, account).await.map_err(|failure| Refusal::from(&failure))?;
    Ok(Served::Upstream { answer: Box::new(answer), idle: route.clocks.idle, total: route.clocks.total })
}

/// The generation for a request.
fn pick(worker: &Worker, headers: &HeaderMap) -> Option<Arc<crate::generation::Generation>> {
    let probe = headers.get(PROBE).map(HeaderValue::as_bytes);
    let die = u16::try_from(worker.dice.below(DIE_SIDES)).unwrap_or_default();
    worker.serving.snapshot().pick(probe, die).map(Arc::clone)
}

/// Turns what was served into a reply, and the account over to whoever ends it.
fn accept(served: Served, mut account: Account, started: Instant) -> Reply {
    let (answer, idle, total) = match served {
        Served::Own(body) => {
            account.end(StatusCode::OK.as_u16(), None);
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            return Reply::Whole(StatusCode::OK, headers, Parts::from(body));
        }
        Served::Upstream { answer, idle, total } => (answer, idle, total),
    };
    let Answer { status, headers, content } = *answer;
    match content {
        Content::Whole { body, tokens, output_estimate } => {
            account.tokens = tokens;
            account.output_estimate = output_estimate;
            let refused = (!status.is_success()).then_some(moorline_admin::ErrorKind::UpstreamRefused);
            account.end(status.as_u16(), refused);
            Reply::Whole(status, headers, body)
        }
        Content::Flow(flow) => {
            account.first_token = Some(started.elapsed());
            let total_by = tokio::time::Instant::from_std(started + total);
            Reply::Relay(
                status,
                headers,
                Box::new(Relay::new(status.as_u16(), flow, account, idle, total_by)),
            )
        }
    }
}

/// The models a caller may use, in OpenAI's shape.
fn models(routing: &crate::routing::Routing, key: &crate::routing::Key) -> Bytes {
    let data: Vec<_> = routing
        .models()
        .filter(|(index, _)| key.allows(*index) && routing.routes().iter().any(|route| route.allows(*index)))
        .map(|(_, model)| json!({"id": model.name, "object": "model", "created": 0, "owned_by": "moorline"}))
        .collect();
    Bytes::from(json!({"object": "list", "data": data}).to_string())
}

/// A caller's id when it is well formed, else a new one.
fn request_id(headers: &HeaderMap, dice: &Dice) -> String {
    let given = headers.get(REQUEST_ID).map(HeaderValue::as_bytes).unwrap_or_default();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    if (1..=REQUEST_ID_BYTES_MAX).contains(&given.len()) && given.iter().all(is_plain) {
        return String::from_utf8_lossy(given).into_owned();
    }
    let now = u64::try_from(crate::clock::now().as_millisecond()).unwrap_or(0);
    let mut random = [0; 10];
    for (byte, drawn) in
        random.iter_mut().zip(dice.next().to_le_bytes().into_iter().chain(dice.next().to_le_bytes()))
    {
        *byte = drawn;
    }
    uuid::Builder::from_unix_timestamp_millis(now, &random).into_uuid().to_string()
}

/// How the caller's limits stand.
fn mark_limits(reservation: &Reservation, marks: &mut HeaderMap) {
    for (kind, standing) in [(Kind::Requests, reservation.requests), (Kind::Tokens, reservation.tokens)] {
        if let Some(standing) = standing {
            marks.extend(refusal::standing_headers(kind, standing));
        }
    }
}
