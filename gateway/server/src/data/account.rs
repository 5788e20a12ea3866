//! What a request came to: counted, charged and logged once, whichever way it ends.
//!
//! An [`Account`] is opened when a request arrives and closed when it is dropped. One that was never told how the
//! request ended was dropped with its request: the caller went away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, StatusCode};
use moorline_admin::ErrorKind;
use moorline_config::document::LogBodies;
use moorline_config::{KeyName, ModelName, ProviderName};
use moorline_translate::{Caller as Dialect, Tokens};

use super::attempts::Failure;
use super::explain::Explained;
use super::refusal::Refusal;
use super::request_id::RequestId;
use super::trail::Trail;
use super::worker::Worker;
use crate::access::{Bodies, Line, Sheet};
use crate::clock;
use crate::gauges::OpenRequest;
use crate::generation::Generation;
use crate::health::{Health, Pass, Verdict};
use crate::limits::{Reservation, Use};
use crate::meters::Served;
use crate::recorder::{Authentication, Outcome};
use crate::routing::{ModelIndex, Operation, Price, Target};
use crate::telemetry::Finished;

/// The status of a request whose caller went away.
const CLIENT_CLOSED: u16 = 499;

/// The most of a method that is logged.
const METHOD_BYTES_MAX: usize = 16;
/// The most of a path that is logged.
const PATH_BYTES_MAX: usize = 256;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct End {
    status: u16,
    error: Option<ErrorKind>,
}

/// What a request upstream says of the request it belongs to.
pub(super) struct Said<'a> {
    pub(super) request_id: &'a RequestId,
    /// Absent: the caller's own word stands.
    pub(super) traceparent: Option<HeaderValue>,
}

/// What a request came to.
struct Sum {
    end: End,
    tokens: Tokens,
    cost_micros: u64,
    latency: Duration,
}

/// The running account of one request.
pub(super) struct Account {
    pub(super) started: Instant,
    pub(super) request_id: RequestId,
    method: Method,
    /// Absent: the request named none.
    path: Option<PathAndQuery>,
    /// Whose errors the caller knows.
    pub(super) dialect: Dialect,
    pub(super) generation: Option<Arc<Generation>>,
    pub(super) authentication: Authentication,
    pub(super) key: Option<KeyName>,
    pub(super) route: Option<usize>,
    pub(super) model: Option<ModelIndex>,
    pub(super) reservation: Option<Reservation>,
    /// Tokens in, as estimated from the request.
    pub(super) input_estimate: u64,
    /// Requests sent upstream.
    pub(super) trail: Trail,
    /// What is asked, once that is known.
    pub(super) operation: Option<Operation>,
    /// Tokens out, as estimated from what came back so far.
    pub(super) output_estimate: u64,
    /// Tokens as the upstream says.
    pub(super) tokens: Option<Tokens>,
    pub(super) first_token: Option<Duration>,
    /// Whether the answer is one that was kept.
    pub(super) is_kept: bool,
    /// Of the target that answers it: how the answer ends is told there.
    pub(super) pass: Option<Pass>,
    served_by: Option<ServedBy>,
    /// What failed, when the request asks for it.
    explained: Option<Box<Explained>>,
    /// Words, where the route declares that they be logged.
    bodies: Option<Box<Bodies>>,
    end: Option<End>,
    access: Option<Arc<Sheet>>,
    open: OpenRequest,
}

struct ServedBy {
    provider: ProviderName,
    model: ModelName,
    price: Option<Price>,
}

impl Account {
    pub(super) fn open<B>(
        worker: &Worker,
        started: Instant,
        request_id: RequestId,
        request: &Request<B>,
    ) -> Self {
        Self {
            started,
            request_id,
            method: request.method().clone(),
            path: request.uri().path_and_query().cloned(),
            dialect: Dialect::OpenAiChat,
            generation: None,
            authentication: Authentication::Missing,
            key: None,
            route: None,
            model: None,
            reservation: None,
            input_estimate: 0,
            trail: Trail::begin(worker, request.headers()),
            operation: None,
            output_estimate: 0,
            tokens: None,
            first_token: None,
            is_kept: false,
            pass: None,
            served_by: None,
            explained: Explained::asked(request.headers(), &worker.config.gauges),
            bodies: None,
            end: None,
            access: worker.access.clone(),
            open: worker.gauges.request(),
        }
    }

    /// The target that is asked now. Gives the attempt's number.
    pub(super) fn asks(&mut self, target: &Target, operation: Operation, worker: &Worker) -> u32 {
        self.serves(target);
        self.trail.asks(target, operation, worker)
    }

    /// The target by whose price the request goes.
    pub(super) fn serves(&mut self, target: &Target) {
        let (provider, model) = (target.upstream.provider.clone(), target.model.clone());
        self.served_by = Some(ServedBy { provider, model, price: target.price });
    }

    /// The request is on a route whose words are logged, until the declared end.
    pub(super) fn listen(&mut self, declared: &LogBodies, now: u64, request: &[u8]) {
        if self.access.is_some() && now < declared.expires.as_milliseconds() {
            let mut bodies = Box::new(Bodies { owner: declared.owner.clone(), ..Bodies::default() });
            bodies.request.push(request);
            self.bodies = Some(bodies);
        }
    }

    /// A part of the answer goes to the caller.
    pub(super) fn hears(&mut self, part: &[u8]) {
        if let Some(bodies) = &mut self.bodies {
            bodies.response.push(part);
        }
    }

    /// A target did not serve the request.
    pub(super) fn explains(&mut self, target: &Target, failure: &Failure, health: &Health) {
        if let Some(explained) = &mut self.explained {
            explained.failed(target, failure, health);
        }
    }

    /// The request is refused, in our own words.
    pub(super) fn refuses(&mut self, refusal: &Refusal) {
        self.end(refusal.status.as_u16(), Some(refusal.kind));
        if let Some(explained) = &mut self.explained {
            explained.told(refusal.message());
        }
    }

    /// An upstream refused the request, and its answer goes to the caller.
    pub(super) fn refused_by_upstream(&mut self, status: StatusCode) {
        if let (Some(explained), Some(by)) = (&mut self.explained, &self.served_by) {
            explained.refused(by.provider.as_str(), by.model.as_str(), status);
        }
    }

    /// What an attempt says of itself upstream.
    pub(super) fn says(&self) -> Said<'_> {
        Said { request_id: &self.request_id, traceparent: self.trail.traceparent() }
    }

    /// How the request ended. The first word counts: what follows it is the connection's end.
    pub(super) const fn end(&mut self, status: u16, error: Option<ErrorKind>) {
        if self.end.is_none() {
            self.end = Some(End { status, error });
        }
    }

    /// What was used, as far as it is known.
    fn tokens_used(&self, end: End) -> Tokens {
        let estimate = Tokens { input: self.input_estimate, cached_input: 0, output: self.output_estimate };
        match (self.tokens, end.error) {
            (Some(tokens), _) => tokens,
            (None, None | Some(ErrorKind::ClientClosed)) if self.trail.attempts() > 0 => estimate,
            // An answer that broke off was worked on; one that never came was not.
            (None, Some(ErrorKind::UpstreamFailed | ErrorKind::UpstreamTimeout))
                if self.output_estimate > 0 =>
            {
                estimate
            }
            (None, _) => Tokens::default(),
        }
    }

    fn close(&mut self) {
        let end = self.end.unwrap_or(End { status: CLIENT_CLOSED, error: Some(ErrorKind::ClientClosed) });
        if let Some(pass) = self.pass.take() {
            pass.end(verdict(end));
        }
        let tokens = self.tokens_used(end).bounded();
        let price = self.served_by.as_ref().and_then(|by| by.price);
        let cost_micros = price.map_or(0, |price| price.cost_micros(tokens));
        let is_fault = end.error.is_some_and(ErrorKind::is_fault);
        if let Some(reservation) = self.reservation.take() {
            let requests = u64::from(!is_fault || tokens.total() > 0);
            reservation.settle(Use { requests, tokens: tokens.total(), cost_micros });
        }
        let sum = Sum { end, tokens, cost_micros, latency: self.started.elapsed() };
        self.count(&sum);
        self.log(&sum);
        self.trace(&sum);
        if let (Some(explained), Some(kind)) = (self.explained.take(), end.error) {
            let config = self.generation.as_deref().map(|generation| &generation.config);
            explained.end(self.request_id.as_str(), end.status, kind, config);
        }
    }

    /// The path asked for, without its query.
    fn path(&self) -> &str {
        shortened(self.path.as_ref().map_or("/", PathAndQuery::path), PATH_BYTES_MAX)
    }

    /// The model asked for, when it is declared.
    fn model_name(&self) -> Option<&ModelName> {
        let serving = self.generation.as_deref()?;
        Some(&serving.routing.model(self.model?)?.name)
    }

    fn count(&mut self, sum: &Sum) {
        let Sum { end, tokens, cost_micros, latency } = *sum;
        if let Some(generation) = self.generation.as_deref() {
            generation.recorder.record(&Outcome {
                route: self.route,
                model: self.model_name(),
                error: end.error,
                status: end.status,
                latency_micros: micros(latency),
                first_token_micros: self.first_token.map(micros),
                input_tokens: tokens.input,
                output_tokens: tokens.output,
                cost_micros,
                is_kept: self.is_kept,
                authentication: self.authentication,
            });
        }
        let served = Served {
            first_chunk: None,
            latency,
            first_token: self.first_token,
            input_tokens: tokens.input,
            output_tokens: tokens.output,
            cost_micros,
        };
        if let Some(overhead) = self.trail.end(self.started, end.error, served) {
            self.open.record_overhead(overhead);
        }
    }

    fn log(&self, sum: &Sum) {
        let Some(access) = &self.access else { return };
        let Sum { end, tokens, cost_micros, latency } = *sum;
        access.write(&Line {
            time_micros: clock::now().as_microsecond(),
            id: self.request_id.as_str(),
            method: shortened(self.method.as_str(), METHOD_BYTES_MAX),
            path: self.path(),
            status: end.status,
            error: end.error.map(ErrorKind::as_str),
            generation: self.generation.as_deref().map(|generation| generation.number.0),
            key: self.key.as_ref().map(KeyName::as_str),
            model: self.model_name().map(ModelName::as_str),
            provider: self.served_by.as_ref().map(|by| by.provider.as_str()),
            upstream_model: self.served_by.as_ref().map(|by| by.model.as_str()),
            attempts: self.trail.attempts(),
            input_tokens: tokens.input,
            output_tokens: tokens.output,
            tokens_estimated: self.tokens.is_none() && tokens.total() > 0,
            cost_micros,
            latency,
            first_token: self.first_token,
            trace_id: self.trail.trace_id(),
            bodies: self.bodies.as_deref(),
        });
    }

    /// Gives the spans of a sampled request away.
    fn trace(&mut self, sum: &Sum) {
        let Some((trace, telemetry)) = self.trail.take_trace() else { return };
        telemetry.offer(Finished {
            trace,
            request_id: self.request_id.to_string(),
            method: self.method.clone(),
            path: self.path().to_owned(),
            operation: self.operation,
            status: sum.end.status,
            error: sum.end.error,
            generation: self.generation.as_deref().map(|generation| generation.number.0),
            key: self.key.take().map(String::from),
            model: self.model_name().map(ToString::to_string),
            input_tokens: sum.tokens.input,
            output_tokens: sum.tokens.output,
            cost_micros: sum.cost_micros,
            latency: sum.latency,
            first_token: self.first_token,
        });
    }
}

/// What the end of an answer says of the target that gave it.
const fn verdict(end: End) -> Verdict {
    match end.error {
        // One that finds a fault with the request is well.
        None | Some(ErrorKind::UpstreamRefused) => Verdict::Good,
        Some(ErrorKind::UpstreamFailed | ErrorKind::UpstreamTimeout) => Verdict::Bad,
        Some(_) => Verdict::Nothing,
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.close();
    }
}

/// The beginning of what a caller may have made up.
fn shortened(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or_default()
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
