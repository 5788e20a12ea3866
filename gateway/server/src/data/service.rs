//! A request, from arrival to answer.
//!
//! `pick → authenticate → route → read → scan → admit → ask → answer`: each word is a line of [`serve`]. A request
//! picks its generation once, when it arrives, and keeps it to its end.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, SERVER};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use moorline_translate::{Caller as Dialect, Parts};

use super::account::Account;
use super::answer::{Answer, Content};
use super::ask::Ask;
use super::attempts::{self, Call};
use super::body::{self, ReplyBody};
use super::cached::{self, Found};
use super::endpoint::{self, Endpoint};
use super::guard::Mark;
use super::guarded::{self, Guarded};
use super::marks::Marks;
use super::models;
use super::refusal::{self, Refusal};
use super::relay::{Lag, Relay, Times};
use super::request_id::{REQUEST_ID, RequestId};
use super::shadow::{self, Original};
use super::worker::Worker;
use super::{admission, caller};
use crate::cache::key::Question;
use crate::cache::{Entry, Recording};
use crate::guardrails::StreamGuard;
use crate::recorder::Authentication;
use crate::routing::limit::Subject;

const GENERATION: HeaderName = HeaderName::from_static("x-moorline-generation");
pub(super) const PROBE: HeaderName = HeaderName::from_static("x-moorline-probe");
/// Where Anthropic's clients look for it.
const ANTHROPIC_REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
/// Sides of the die that is thrown for the generation.
const DIE_SIDES: u64 = 10_000;

/// The answer of this gateway, before its body is tied to the connection.
enum Reply {
    Whole(StatusCode, HeaderMap, Parts),
    Again(HeaderMap, Parts),
    Relay(StatusCode, HeaderMap, Box<Relay>),
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
    headers.insert(SERVER, HeaderValue::from_static(refusal::NAME));
    if let Some(generation) = pick(worker, asked) {
        headers.insert(GENERATION, HeaderValue::from(generation.number.0));
    }
    headers.insert(REQUEST_ID, RequestId::of(asked, &worker.dice).header());
    response
}

/// Answers a request of the API, and marks the answer with its generation, id and limits.
async fn api(worker: &Arc<Worker>, mark: Arc<Mark>, request: Request<Incoming>) -> Response<ReplyBody> {
    let started = Instant::now();
    let request_id = RequestId::of(request.headers(), &worker.dice);
    let mut account = Account::open(worker, started, request_id.clone(), &request);
    account.dialect = endpoint::dialect(request.uri().path(), request.headers());
    let dialect = account.dialect;
    let mut marks = Marks::new();
    let served = if mark.is_doubtful() || has_doubtful_host(&request) {
        Err(Refusal::doubtful())
    } else {
        serve(worker, mark.peer(), request, &mut account, &mut marks).await
    };
    let reply = match served {
        Ok(served) => accept(served, account, started, worker.config.deadlines.heartbeat),
        Err(refusal) => {
            account.refuses(&refusal);
            let (status, headers, body) = refusal.into_parts(dialect, request_id.as_str());
            Reply::Whole(status, headers, Parts::from(Bytes::from(body)))
        }
    };
    let (status, mut headers, body) = match reply {
        Reply::Whole(status, headers, parts) => (status, headers, ReplyBody::whole(parts, mark)),
        Reply::Again(headers, parts) => (StatusCode::OK, headers, ReplyBody::again(parts, mark)),
        Reply::Relay(status, headers, relay) => (status, headers, ReplyBody::relay(relay, mark)),
    };
    marks.put(&mut headers);
    if dialect == Dialect::AnthropicMessages {
        headers.insert(ANTHROPIC_REQUEST_ID, request_id.header());
    }
    headers.insert(REQUEST_ID, request_id.header());
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Whether a request says two hosts, or none where one is needed: what routes in front of us may have gone by another.
fn has_doubtful_host(request: &Request<Incoming>) -> bool {
    let host = request.headers().get(HOST).map(HeaderValue::as_bytes);
    match request.uri().authority() {
        Some(authority) => host.is_some_and(|host| !host.eq_ignore_ascii_case(authority.as_str().as_bytes())),
        None => host.is_none() && request.version() == http::Version::HTTP_11,
    }
}

/// What a request got from [`serve`]: an upstream's answer and until when it may go on, or one of our own.
enum Served {
    Upstream {
        answer: Box<Answer>,
        recording: Option<Box<Recording>>,
        guard: Option<Box<StreamGuard>>,
        lag: Option<Box<Lag>>,
        idle: Duration,
        total: Duration,
    },
    Kept(Arc<Entry>),
    Own(Bytes),
}

/// Decides on a request, and asks for its answer.
async fn serve(
    worker: &Arc<Worker>,
    peer: IpAddr,
    request: Request<Incoming>,
    account: &mut Account,
    marks: &mut Marks,
) -> Result<Served, Refusal> {
    let (head, body) = request.into_parts();
    let generation = pick(worker, &head.headers).ok_or_else(Refusal::nothing_served)?;
    account.generation = Some(Arc::clone(&generation));
    marks.add(GENERATION, HeaderValue::from(generation.number.0));
    let routing = &*generation.routing;

    let caller = caller::authenticate(&head.headers, routing, || worker.limits.now()).await;
    account.authentication = caller.as_ref().err().copied().unwrap_or(Authentication::Accepted);
    let path = head.uri.path();
    let endpoint = Endpoint::at(path).ok_or_else(|| Refusal::unknown_path(&head.method, path))?;
    if !endpoint.takes(&head.method) {
        return Err(Refusal::wrong_method(&head.method, endpoint.methods()));
    }
    let caller = caller.map_err(Refusal::unauthenticated)?;
    account.key = Some(caller.key().name.clone());
    let operation = match endpoint {
        Endpoint::Upstream(operation) => operation,
        Endpoint::Model(name) => {
            let shown = models::one(routing, caller.key(), account.dialect, name);
            return shown.map(Served::Own).ok_or_else(|| Refusal::unknown_model(name));
        }
        Endpoint::Models | Endpoint::Alive | Endpoint::Ready => {
            return Ok(Served::Own(models::list(routing, caller.key(), account.dialect)));
        }
    };

    let route = routing.route(path).ok_or_else(Refusal::no_route)?;
    account.route = Some(route.index);
    account.operation = Some(operation);
    admission::readable(&head.headers)?;
    let body = body::read(body, worker.config.body_bytes_max, worker.config.deadlines).await?;
    if let Some(declared) = &route.log_bodies {
        account.listen(declared, worker.limits.now(), &body);
    }
    let ask = Ask::read(operation, head.headers.get(CONTENT_TYPE), body)?;
    let model = admission::model(routing, route, caller.key(), &ask.fields)?;
    account.model = Some(model);
    let declared = routing.model(model).ok_or_else(Refusal::no_model)?;
    let estimate = admission::estimate(&ask.fields);
    account.input_estimate = estimate.input;
    let subject = Subject { caller: caller.who(), model, peer, headers: &head.headers };
    let reservation =
        admission::reserve(&worker.limits, route, caller.key(), &subject, declared, estimate).await?;
    marks.limits(&reservation);
    account.reservation = Some(reservation);

    let guarded = Guarded::of(worker, (route, caller.key(), declared), &ask, &account.request_id);
    let guarded = guarded.as_ref();
    let ask = guarded::clear(ask, guarded).await?;
    let deadline = tokio::time::Instant::from_std(account.started + route.clocks.total);
    let call = Call {
        worker,
        routing,
        route,
        key: caller.key(),
        model,
        headers: &head.headers,
        ask: &ask,
        guards: guarded.map(|guarded| &guarded.guards),
        estimate,
        deadline,
    };
    // Under guardrails nothing is kept or taken from what is kept: an answer was judged by those of its own day.
    let vacancy = match route.cache.as_ref().filter(|_| guarded.is_none()) {
        None => None,
        Some(cache) => {
            let question = Question {
                who: caller.who(),
                key: caller.key().name.as_str(),
                endpoint: operation.path(),
                model: declared.name.as_str(),
                headers: &head.headers,
                body: ask.body(),
            };
            match cached::look_up(&call, cache, &question, marks).await {
                Found::Kept(entry) => return Ok(Served::Kept(entry)),
                Found::Nothing(vacancy) => vacancy,
            }
        }
    };

    if let Some(shadow) = &declared.shadow {
        let (generation, request_id) = (&generation, &account.request_id);
        shadow::cast(shadow, &Original { worker, generation, caller: &caller, request_id }, &call);
    }
    let given = attempts::run(&call, account).await.map_err(|failure| Refusal::from(&failure))?;
    let recording = vacancy.and_then(|vacancy| Some(vacancy.taken_by(given.giver()?)));
    let (mut answer, (idle, total)) = (given.answer, (route.clocks.idle, route.clocks.total));
    let guard = match guarded {
        None => None,
        Some(guarded) => Box::pin(guarded.admit(&mut answer, idle, deadline, account)).await?,
    };
    let lag = route
        .min_stream_rate
        .map(|rate| Box::new(Lag::new(rate, Arc::clone(worker.config.gauges.slow_streams()))));
    Ok(Served::Upstream { answer: Box::new(answer), recording, guard, lag, idle, total })
}

/// The generation for a request.
fn pick(worker: &Worker, headers: &HeaderMap) -> Option<Arc<crate::generation::Generation>> {
    let probe = headers.get(PROBE).map(HeaderValue::as_bytes);
    let die = u16::try_from(worker.dice.below(DIE_SIDES)).unwrap_or_default();
    worker.serving.snapshot().pick(probe, die).map(Arc::clone)
}

/// Turns what was served into a reply, and the account over to whoever ends it.
fn accept(served: Served, mut account: Account, started: Instant, heartbeat: Duration) -> Reply {
    let (answer, recording, guard, lag, idle, total) = match served {
        Served::Kept(entry) => {
            account.is_kept = true;
            account.end(StatusCode::OK.as_u16(), None);
            let (headers, parts) = (entry.headers(), entry.parts());
            parts.iter().for_each(|part| account.hears(part));
            return if entry.is_stream() {
                Reply::Again(headers, parts)
            } else {
                Reply::Whole(StatusCode::OK, headers, parts)
            };
        }
        Served::Own(body) => {
            account.end(StatusCode::OK.as_u16(), None);
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(SERVER, HeaderValue::from_static(refusal::NAME));
            return Reply::Whole(StatusCode::OK, headers, Parts::from(body));
        }
        Served::Upstream { answer, recording, guard, lag, idle, total } => {
            (answer, recording, guard, lag, idle, total)
        }
    };
    let Answer { status, headers, content, class: _ } = *answer;
    let recording = recording.filter(|_| status == StatusCode::OK).map(|recording| recording.begin(&headers));
    match content {
        Content::Whole { body, tokens, output_estimate } => {
            account.trail.answered();
            body.iter().for_each(|part| account.hears(part));
            account.tokens = tokens;
            account.output_estimate = output_estimate;
            let refused = (!status.is_success()).then_some(moorline_admin::ErrorKind::UpstreamRefused);
            if refused.is_some() {
                account.refused_by_upstream(status);
            }
            account.end(status.as_u16(), refused);
            if let Some(recording) = recording {
                recording.keep_whole(&body);
            }
            Reply::Whole(status, headers, body)
        }
        Content::Flow(flow) => {
            account.first_token = Some(started.elapsed());
            let total_by = tokio::time::Instant::from_std(started + total);
            let times = Times { idle, total_by, heartbeat };
            let relay = Relay::new(status.as_u16(), flow, account, times, guard);
            let relay = relay.record(recording).paced(lag);
            Reply::Relay(status, headers, Box::new(relay))
        }
    }
}
