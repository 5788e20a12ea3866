//! Shadows: copies of requests that another model is sent, and whose answers nobody sees.
//!
//! In: an admitted request that its guardrails let pass, just before it is asked. Out: counts. A copy has a task of its
//! own, so that its caller never waits for it; it is asked of one target, once; it touches no account, no limit, no
//! breaker and no measurement, so that what goes wrong with it goes wrong for nobody else. Copies under way are
//! bounded, and so are the length of their answers and their time; they end with the worker that began them.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName};
use moorline_admin::ErrorKind;
use moorline_translate::{Parts, Tokens};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::account::Said;
use super::answer::{Answer, Content, Flow, Watch, output_estimate};
use super::ask::Ask;
use super::attempts::{Call, Clock, Failure};
use super::caller::{Caller, Kept};
use super::outbound;
use super::request_id::RequestId;
use super::worker::Worker;
use crate::gauges::Unsent;
use crate::generation::Generation;
use crate::guardrails::Cleared;
use crate::recorder::{Authentication, Outcome};
use crate::routing::{Model, ModelIndex, Price, Shadow, Target};
use crate::telemetry::TRACEPARENT;

/// The longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// How long a stream that said its end may take to end.
const LINGER: Duration = Duration::from_secs(1);
/// How long the end of what runs is waited for.
const END_WAIT: Duration = Duration::from_secs(1);
/// Sides of the die that is thrown for each request.
const DIE_SIDES: u64 = 10_000;

/// Headers of the caller's that must not be said twice: one names the request for a provider that does a thing once,
/// the others place it in a trace.
const NOT_COPIED: [HeaderName; 4] = [
    HeaderName::from_static("idempotency-key"),
    TRACEPARENT,
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("baggage"),
];

/// The copies that a worker has under way.
#[derive(Default)]
pub(super) struct Shadows {
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Shadows {
    /// Ends all of them.
    pub(super) async fn end(&self) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(END_WAIT, self.tasks.wait()).await.is_err() {
            tracing::warn!(shadows = self.tasks.len(), "copies of requests did not end in time");
        }
    }
}

/// What is copied of a request.
pub(super) struct Original<'a> {
    pub(super) worker: &'a Arc<Worker>,
    pub(super) generation: &'a Arc<Generation>,
    pub(super) caller: &'a Caller<'a>,
    pub(super) request_id: &'a RequestId,
}

/// Sends a copy on its way, for as many requests as are declared.
pub(super) fn cast(shadow: &Shadow, original: &Original<'_>, call: &Call<'_>) {
    let Original { worker, generation, caller, request_id } = original;
    let is_drawn = worker.dice.below(DIE_SIDES) < u64::from(shadow.share);
    if !is_drawn || worker.drain.is_cancelled() {
        return;
    }
    let Ok(slot) = Arc::clone(&shadow.slots).try_acquire_owned() else {
        if let Some(model) = call.routing.model(shadow.model) {
            worker.config.gauges.unsent_shadows().count(model.name.as_str(), Unsent::Full);
        }
        return;
    };
    let mut headers = call.headers.clone();
    NOT_COPIED.iter().for_each(|name| drop(headers.remove(name)));
    let copy = Copy {
        worker: Arc::clone(worker),
        generation: Arc::clone(generation),
        route: call.route.index,
        model: shadow.model,
        caller: caller.kept(),
        headers,
        ask: call.ask.clone(),
        estimate: call.estimate,
        request_id: request_id.with("-shadow"),
        _slot: slot,
    };
    worker.shadows.tasks.spawn(copy.run());
}

/// A copy of a request. Owns what it needs: the request may be long over.
struct Copy {
    worker: Arc<Worker>,
    generation: Arc<Generation>,
    route: usize,
    model: ModelIndex,
    caller: Kept,
    headers: HeaderMap,
    ask: Cleared<Ask>,
    estimate: Tokens,
    request_id: RequestId,
    _slot: OwnedSemaphorePermit,
}

/// What a copy came to.
struct Came {
    error: Option<ErrorKind>,
    tokens: Tokens,
    first_token: Option<Duration>,
    price: Option<Price>,
}

impl Copy {
    async fn run(self) {
        let routing = &*self.generation.routing;
        let (Some(route), Some(model)) = (routing.routes().get(self.route), routing.model(self.model)) else {
            return;
        };
        let Some(key) = self.caller.key(routing) else { return };
        let started = Instant::now();
        let call = Call {
            worker: &self.worker,
            routing,
            route,
            key,
            model: self.model,
            headers: &self.headers,
            ask: &self.ask,
            guards: None,
            estimate: self.estimate,
            deadline: started + route.clocks.total,
        };
        let unsent = |why| self.worker.config.gauges.unsent_shadows().count(model.name.as_str(), why);
        let Some(target) = target(&call, model) else { return unsent(Unsent::NoTarget) };
        // Cancelled half way its connection closes, as it must.
        let asked = tokio::time::timeout_at(call.deadline, ask(&call, target, &self.request_id, started));
        let Some(asked) = self.worker.shadows.stop.run_until_cancelled(asked).await else {
            return unsent(Unsent::Ended);
        };
        let came = asked.unwrap_or_else(|_| Came::failed(&Failure::Slow(Clock::Total), target));
        self.record(model, &came, started.elapsed());
    }

    fn record(&self, model: &Model, came: &Came, latency: Duration) {
        let Came { error, tokens, first_token, price } = *came;
        let Some(recorder) = self.generation.recorder.shadows() else { return };
        recorder.record(&Outcome {
            route: None,
            model: Some(&model.name),
            error,
            status: 0,
            latency_micros: micros(latency),
            first_token_micros: first_token.map(micros),
            input_tokens: tokens.input,
            output_tokens: tokens.output,
            cost_micros: price.map_or(0, |price| price.cost_micros(tokens)),
            is_kept: false,
            authentication: Authentication::Accepted,
        });
    }
}

impl Came {
    fn failed(failure: &Failure, target: &Target) -> Self {
        let error = Some(failure.kind());
        Self { error, tokens: Tokens::default(), first_token: None, price: target.price }
    }
}

/// The first target of the model that serves such a request and that nothing keeps from being asked now.
fn target<'a>(call: &Call<'_>, model: &'a Model) -> Option<&'a Target> {
    let health = call.health();
    call.targets(model).into_iter().find(|target| {
        let is_able = target.ways.of(call.ask.operation).is_some() && target.upstream.origin().is_ok();
        is_able && !target.is_left_alone(health) && !target.health(health).is_limited()
    })
}

/// Asks, and reads the answer to its end.
async fn ask(call: &Call<'_>, target: &Target, request_id: &RequestId, started: Instant) -> Came {
    let answered = async {
        let outgoing = call.ask.for_target(target, request_id)?;
        outbound::send(call, target, &outgoing, &Said { request_id, traceparent: None }).await
    };
    let Answer { status, content, .. } = match answered.await {
        Ok(answer) => answer,
        Err(failure) => return Came::failed(&failure, target),
    };
    let first_token = matches!(content, Content::Flow(_)).then(|| started.elapsed());
    let read = match content {
        Content::Whole { tokens, output_estimate, .. } => Ok((tokens, output_estimate)),
        Content::Flow(flow) => read(flow, call.route.clocks.idle).await,
    };
    let (tokens, output) = match read {
        Ok(used) => used,
        Err(failure) => return Came { first_token, ..Came::failed(&failure, target) },
    };
    if !status.is_success() {
        let error = Some(ErrorKind::UpstreamRefused);
        return Came { error, tokens: Tokens::default(), first_token: None, price: target.price };
    }
    let estimate = Tokens { input: call.estimate.input, cached_input: 0, output };
    Came { error: None, tokens: tokens.unwrap_or(estimate), first_token, price: target.price }
}

/// Reads what flows to its end and throws it away. Gives what was used: as the provider says, and as estimated.
async fn read(flow: Flow, idle: Duration) -> Result<(Option<Tokens>, u64), Failure> {
    let Flow { ready, mut source, mut watch } = flow;
    let mut bytes = ready.length();
    loop {
        let is_done = matches!(&watch, Watch::Events(events) if events.is_done());
        let chunk = match source.next(if is_done { LINGER } else { idle }, Clock::Idle).await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => break,
            Err(_) if is_done => break,
            Err(failure) => return Err(failure),
        };
        bytes += chunk.len() as u64;
        if bytes > ANSWER_BYTES_MAX {
            return Err(Failure::Oversized);
        }
        match &mut watch {
            Watch::Events(events) if !is_done => {
                events.feed(chunk, &mut Parts::default()).map_err(Failure::Stream)?;
            }
            Watch::Json(watch, _) => watch.feed(&chunk),
            Watch::Events(_) | Watch::Opaque => {}
        }
    }
    match watch {
        Watch::Events(mut events) => {
            if !events.is_done() {
                events.end(&mut Parts::default()).map_err(Failure::Stream)?;
            }
            if events.has_failed() {
                return Err(Failure::InBand);
            }
            if !events.is_done() {
                return Err(Failure::Empty);
            }
            Ok((events.tokens(), events.output_estimate()))
        }
        Watch::Json(..) | Watch::Opaque => Ok((None, output_estimate(bytes))),
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
