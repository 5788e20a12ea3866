//! The spans of one sampled request: its own, and one for each attempt upstream.

use std::time::{Duration, Instant};

use http::HeaderValue;
use jiff::Timestamp;
use moorline_admin::ErrorKind;

use super::context;
use crate::meters::TargetMeter;
use crate::routing::Operation;

/// The most attempts that get a span; a request that makes more has its first ones.
const ATTEMPTS_MAX: usize = 32;

/// A sampled request under way.
#[derive(Debug)]
pub struct Trace {
    pub(super) trace_id: u128,
    pub(super) span_id: u64,
    pub(super) parent: Option<u64>,
    pub(super) started: Timestamp,
    pub(super) begun: Instant,
    pub(super) attempts: Vec<AttemptSpan>,
    /// The place of the attempt that served the request. Absent: the last one, if any.
    pub(super) serving: Option<usize>,
}

/// A request upstream.
#[derive(Debug)]
pub(super) struct AttemptSpan {
    pub(super) span_id: u64,
    pub(super) operation: Operation,
    pub(super) target: &'static TargetMeter,
    /// Both since the request's begin.
    pub(super) from: Duration,
    pub(super) until: Option<Duration>,
    pub(super) status: Option<u16>,
    pub(super) error: Option<ErrorKind>,
}

/// What a sampled request came to.
#[derive(Debug)]
pub struct Finished {
    /// Its spans.
    pub trace: Box<Trace>,
    /// Its id.
    pub request_id: String,
    /// Its method.
    pub method: http::Method,
    /// Its path, bounded, without the query.
    pub path: String,
    /// What was asked, when it is an endpoint of ours.
    pub operation: Option<Operation>,
    /// HTTP status sent.
    pub status: u16,
    /// Why it did not end well.
    pub error: Option<ErrorKind>,
    /// The generation that served it.
    pub generation: Option<u64>,
    /// Name of the caller's key.
    pub key: Option<String>,
    /// The model as the caller names it, when it is declared.
    pub model: Option<String>,
    /// Tokens in.
    pub input_tokens: u64,
    /// Tokens out.
    pub output_tokens: u64,
    /// Cost in millionths of a US dollar.
    pub cost_micros: u64,
    /// From arrival to the last byte.
    pub latency: Duration,
    /// From arrival to the first byte of a stream.
    pub first_token: Option<Duration>,
}

impl Trace {
    pub(super) fn begin(trace_id: u128, span_id: u64, parent: Option<u64>, started: Timestamp) -> Self {
        Self {
            trace_id,
            span_id,
            parent,
            started,
            begun: Instant::now(),
            attempts: Vec::new(),
            serving: None,
        }
    }

    /// The trace's id, for the access log.
    #[must_use]
    pub const fn id(&self) -> u128 {
        self.trace_id
    }

    /// An attempt begins.
    pub fn asks(&mut self, target: &'static TargetMeter, operation: Operation, draw: u64) {
        if self.attempts.len() < ATTEMPTS_MAX {
            self.attempts.push(AttemptSpan {
                span_id: context::span_id(&mut || draw),
                operation,
                target,
                from: self.begun.elapsed(),
                until: None,
                status: None,
                error: None,
            });
        }
    }

    /// An attempt has ended: the one that was begun so-manieth, from 1.
    pub fn answered(&mut self, number: u32, status: Option<u16>, error: Option<ErrorKind>) {
        let until = self.begun.elapsed();
        let attempt = place(number).and_then(|place| self.attempts.get_mut(place));
        if let Some(attempt) = attempt.filter(|attempt| attempt.until.is_none()) {
            attempt.until = Some(until);
            attempt.status = status;
            attempt.error = error;
        }
    }

    /// The attempt that serves the request, of several that are under way.
    pub fn serves(&mut self, number: u32) {
        self.serving = place(number);
    }

    /// What the attempt begun last says of itself to the upstream.
    #[must_use]
    pub fn traceparent(&self) -> Option<HeaderValue> {
        let span_id = self.attempts.last().map_or(self.span_id, |attempt| attempt.span_id);
        context::write(self.trace_id, span_id)
    }
}

/// The place of an attempt among the spans; they are numbered from 1.
fn place(number: u32) -> Option<usize> {
    usize::try_from(number).ok()?.checked_sub(1)
}
