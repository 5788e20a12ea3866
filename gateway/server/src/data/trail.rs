//! What was asked upstream for one request, attempt after attempt: counted at each target, and traced when the request
//! is sampled.

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
    open: Option<Open>,
    /// Spent upstream by attempts that have ended.
    upstream: Duration,
    /// Absent: the request is not sampled.
    trace: Option<(Box<Trace>, Arc<Telemetry>)>,
    attempts: u32,
}

/// An attempt that has not ended.
struct Open {
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
        Self { open: None, upstream: Duration::ZERO, trace, attempts: 0 }
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

    /// An attempt begins.
    pub(super) fn asks(&mut self, target: &Target, operation: Operation, worker: &Worker) {
        self.attempts += 1;
        let meter = target.meter(worker.config.gauges.meters());
        if let Some((trace, _)) = &mut self.trace {
            trace.asks(meter, operation, worker.dice.next());
        }
        self.open = Some(Open { meter, operation, begun: Instant::now(), answered: None });
    }

    /// The attempt failed, and another may follow.
    pub(super) fn failed(&mut self, failure: &Failure) {
        let Some(open) = self.open.take() else { return };
        let (duration, error) = (open.begun.elapsed(), Some(failure.kind()));
        self.upstream += duration;
        open.meter.record(&Attempt { operation: open.operation, duration, error, served: None });
        if let Some((trace, _)) = &mut self.trace {
            trace.answered(status_of(failure).map(|status| status.as_u16()), error);
        }
    }

    /// The attempt's answer is complete, and goes on to the caller.
    pub(super) fn answered(&mut self) {
        if let Some(open) = &mut self.open {
            open.answered = Some(Instant::now());
        }
        if let Some((trace, _)) = &mut self.trace {
            trace.answered(None, None);
        }
    }

    /// The request has ended. Gives the part of its latency that was spent here, when anything was asked upstream.
    pub(super) fn end(
        &mut self,
        started: Instant,
        error: Option<ErrorKind>,
        mut served: Served,
    ) -> Option<Duration> {
        if let Some(open) = self.open.take() {
            let ended = open.answered.unwrap_or(started + served.latency);
            let duration = ended.saturating_duration_since(open.begun);
            self.upstream += duration;
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
