//! What was asked upstream for one request, attempt after attempt: counted at each target, and traced when the request
//! is sampled.
//!
//! Nearly always one attempt is under way. Where a model hedges there are several, told apart by their numbers; the
//! one that wins serves the request, and the others are counted as closed by their client, which we are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderValue, StatusCode};
use moorline_admin::ErrorKind;

use super::attempts::Failure;
use super::worker::Worker;
use crate::meters::{Attempt, Served, TargetMeter};
use crate::routing::{Operation, Target};
use crate::telemetry::{Telemetry, Trace};

/// The attempts of one request.
pub(super) struct Trail {
    /// Nothing is under way when this is none.
    open: Option<Open>,
    /// What is under way beside it.
    beside: Vec<Open>,
    /// Since when something is under way.
    busy_since: Option<Instant>,
    /// Spent upstream, up to when nothing was under way last.
    upstream: Duration,
    /// Absent: the request is not sampled.
    trace: Option<(Box<Trace>, Arc<Telemetry>)>,
    attempts: u32,
}

/// An attempt that has not ended.
struct Open {
    /// Its number among the request's attempts, from 1.
    number: u32,
    meter: &'static TargetMeter,
    operation: Operation,
    begun: Instant,
    /// When its answer was complete, for one that was read whole.
    answered: Option<Instant>,
}

impl Trail {
    pub(super) fn begin(worker: &Worker, headers: &http::HeaderMap) -> Self {
        let trace = worker.config.telemetry.as_ref().and_then(|telemetry| {
            let trace = telemetry.begin(headers, || worker.dice.next())?;
            Some((trace, Arc::clone(telemetry)))
        });
        Self {
            open: None,
            beside: Vec::new(),
            busy_since: None,
            upstream: Duration::ZERO,
            trace,
            attempts: 0,
        }
    }

    /// Attempts begun.
    pub(super) const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The trace it belongs to.
    pub(super) const fn trace_id(&self) -> Option<u128> {
        match &self.trace {
            Some((trace, _)) => Some(trace.id()),
            None => None,
        }
    }

    /// What the present attempt says of itself upstream. `None`: the caller's own word stands.
    pub(super) fn traceparent(&self) -> Option<HeaderValue> {
        self.trace.as_ref()?.0.traceparent()
    }

    /// An attempt begins. Gives its number.
    pub(super) fn asks(&mut self, target: &Target, operation: Operation, worker: &Worker) -> u32 {
        self.attempts += 1;
        let meter = target.meter(worker.config.gauges.meters());
        if let Some((trace, _)) = &mut self.trace {
            trace.asks(meter, operation, worker.dice.next());
        }
        let begun = Instant::now();
        let open = Open { number: self.attempts, meter, operation, begun, answered: None };
        match self.open.replace(open) {
            Some(other) => self.beside.push(other),
            None => self.busy_since = Some(begun),
        }
        self.attempts
    }

    /// An attempt failed, and another may follow.
    pub(super) fn failed(&mut self, number: u32, failure: &Failure) {
        let status = status_of(failure).map(|status| status.as_u16());
        self.over(number, failure.kind(), status);
    }

    /// An attempt was cancelled, because another was answered first.
    pub(super) fn beaten(&mut self, number: u32) {
        self.over(number, ErrorKind::ClientClosed, None);
    }

    /// An attempt has ended without serving the request.
    fn over(&mut self, number: u32, error: ErrorKind, status: Option<u16>) {
        let Some(open) = self.take(number) else { return };
        let now = Instant::now();
        let duration = now.saturating_duration_since(open.begun);
        self.pause(now);
        open.meter.record(&Attempt { operation: open.operation, duration, error: Some(error), served: None });
        if let Some((trace, _)) = &mut self.trace {
            trace.answered(number, status, Some(error));
        }
    }

    fn take(&mut self, number: u32) -> Option<Open> {
        if self.open.as_ref().is_some_and(|open| open.number == number) {
            return std::mem::replace(&mut self.open, self.beside.pop());
        }
        let at = self.beside.iter().position(|open| open.number == number)?;
        Some(self.beside.swap_remove(at))
    }

    /// Counts the time upstream when nothing is under way any more.
    fn pause(&mut self, now: Instant) {
        if self.open.is_none()
            && let Some(since) = self.busy_since.take()
        {
            self.upstream += now.saturating_duration_since(since);
        }
    }

    /// The answer of the attempt that is left is complete, and goes on to the caller.
    pub(super) fn answered(&mut self) {
        let Some(open) = &mut self.open else { return };
        open.answered = Some(Instant::now());
        if let Some((trace, _)) = &mut self.trace {
            trace.answered(open.number, None, None);
        }
    }

    /// The request has ended. Gives the part of its latency that was spent here, when anything was asked upstream.
    pub(super) fn end(
        &mut self,
        started: Instant,
        error: Option<ErrorKind>,
        mut served: Served,
    ) -> Option<Duration> {
        for open in std::mem::take(&mut self.beside) {
            let duration = open.begun.elapsed();
            open.meter.record(&Attempt { operation: open.operation, duration, error, served: None });
            if let Some((trace, _)) = &mut self.trace {
                trace.answered(open.number, None, error);
            }
        }
        if let Some(open) = self.open.take() {
            if let Some((trace, _)) = &mut self.trace {
                trace.serves(open.number);
            }
            let ended = open.answered.unwrap_or(started + served.latency);
            let duration = ended.saturating_duration_since(open.begun);
            self.pause(ended);
            let before = open.begun.saturating_duration_since(started);
            served.first_chunk = served.first_token.map(|first| first.saturating_sub(before));
            let operation = open.operation;
            open.meter.record(&Attempt { operation, duration, error, served: Some(served) });
        }
        (self.attempts > 0).then(|| served.latency.saturating_sub(self.upstream))
    }

    /// The trace and where it goes.
    pub(super) const fn take_trace(&mut self) -> Option<(Box<Trace>, Arc<Telemetry>)> {
        self.trace.take()
    }
}

/// The status that an upstream failed with.
const fn status_of(failure: &Failure) -> Option<StatusCode> {
    match failure {
        Failure::Credential(status) | Failure::Status { status, .. } | Failure::Redirect(status) => {
            Some(*status)
        }
        _ => None,
    }
}
