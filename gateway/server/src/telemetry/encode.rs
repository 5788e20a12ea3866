//! Spans in OTLP's protobuf.

use jiff::Timestamp;
use moorline_admin::ErrorKind;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{
    ResourceSpans, ScopeSpans, Span, Status, span::SpanKind, status::StatusCode,
};

use super::names;
use super::trace::{AttemptSpan, Finished, Trace};

/// The longest text of an attribute that a caller could choose.
const TEXT_BYTES_MAX: usize = 256;
/// The flag of a trace that is sampled.
const SAMPLED: u32 = 1;

/// Attributes under construction.
#[derive(Default)]
pub(super) struct Attributes(pub(super) Vec<KeyValue>);

impl Attributes {
    pub(super) fn text(&mut self, key: &str, value: impl Into<String>) -> &mut Self {
        self.put(key, Value::StringValue(value.into()))
    }

    pub(super) fn number(&mut self, key: &str, value: u64) -> &mut Self {
        self.put(key, Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX)))
    }

    fn fraction(&mut self, key: &str, value: f64) -> &mut Self {
        self.put(key, Value::DoubleValue(value))
    }

    fn put(&mut self, key: &str, value: Value) -> &mut Self {
        let value = Some(AnyValue { value: Some(value) });
        self.0.push(KeyValue { key: key.to_owned(), value, ..KeyValue::default() });
        self
    }
}

/// Whoever sends.
pub(super) fn resource(attributes: &[(String, String)]) -> Resource {
    let mut all = Attributes::default();
    for (key, value) in attributes {
        all.text(key, value.as_str());
    }
    Resource { attributes: all.0, ..Resource::default() }
}

/// Whatever made it.
pub(super) fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "moorline-gateway".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}

/// The spans of several requests.
pub(super) fn traces(resource: &Resource, finished: &[Finished]) -> ExportTraceServiceRequest {
    let spans = finished.iter().flat_map(spans).collect();
    let scope_spans = vec![ScopeSpans { scope: Some(scope()), spans, ..ScopeSpans::default() }];
    let spans = ResourceSpans { resource: Some(resource.clone()), scope_spans, ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![spans] }
}

fn spans(finished: &Finished) -> impl Iterator<Item = Span> {
    let trace = &*finished.trace;
    let serving = trace.serving.or_else(|| trace.attempts.len().checked_sub(1));
    let attempts = trace.attempts.iter().enumerate();
    let attempts =
        attempts.map(move |(index, attempt)| self::attempt(finished, attempt, Some(index) == serving));
    std::iter::once(server(finished)).chain(attempts)
}

/// The request as its caller saw it.
fn server(finished: &Finished) -> Span {
    let Finished { trace, method, operation, .. } = finished;
    // Methods that callers make up would be as many names.
    let method =
        if *method == http::Method::POST || *method == http::Method::GET { method.as_str() } else { "HTTP" };
    let name =
        operation.map_or_else(|| method.to_owned(), |operation| format!("{method} {}", operation.path()));
    let mut attributes = Attributes::default();
    attributes
        .text("http.request.method", if method == "HTTP" { "_OTHER" } else { method })
        .text("url.path", cut(&finished.path))
        .number("http.response.status_code", u64::from(finished.status))
        .text("moorline.request_id", cut(&finished.request_id));
    if let Some(operation) = operation {
        attributes.text("http.route", operation.path());
        attributes.text("gen_ai.operation.name", names::operation(*operation));
    }
    if let Some(model) = &finished.model {
        attributes.text("gen_ai.request.model", cut(model));
    }
    if let Some(key) = &finished.key {
        attributes.text("moorline.key", cut(key));
    }
    if let Some(generation) = finished.generation {
        attributes.number("moorline.generation", generation);
    }
    if !trace.attempts.is_empty() {
        attributes.number("moorline.attempts", trace.attempts.len() as u64);
        used(&mut attributes, finished);
    }
    error(&mut attributes, finished.error);
    // A fault of the caller's own is no error of the server's span, as the conventions for HTTP have it.
    let failed = finished.error.filter(|_| finished.status >= 500);
    Span {
        parent_span_id: trace.parent.map_or_else(Vec::new, |parent| parent.to_be_bytes().to_vec()),
        span_id: trace.span_id.to_be_bytes().to_vec(),
        name,
        kind: SpanKind::Server.into(),
        attributes: attributes.0,
        status: status(failed),
        ..within(trace, std::time::Duration::ZERO, finished.latency)
    }
}

/// One request upstream. What came of the request stands at the one that served it.
fn attempt(finished: &Finished, attempt: &AttemptSpan, is_serving: bool) -> Span {
    let labels = attempt.target.labels();
    let operation = names::operation(attempt.operation);
    let mut attributes = Attributes::default();
    attributes
        .text("gen_ai.operation.name", operation)
        .text("gen_ai.provider.name", names::provider(labels))
        .text("gen_ai.request.model", labels.model.as_str())
        .text("moorline.provider", labels.provider.as_str());
    if let Some((host, port)) = &labels.server {
        attributes.text("server.address", host.as_str()).number("server.port", u64::from(*port));
    }
    // What a caller was answered well is what the upstream answered.
    let is_passed_on = is_serving && matches!(finished.error, None | Some(ErrorKind::UpstreamRefused));
    if let Some(status) = attempt.status.or(is_passed_on.then_some(finished.status)) {
        attributes.number("http.response.status_code", u64::from(status));
    }
    let failed = if is_serving { attempt.error.or(finished.error) } else { attempt.error };
    if is_serving && attempt.error.is_none() {
        used(&mut attributes, finished);
        if let Some(first) = finished.first_token {
            let first = first.saturating_sub(attempt.from).as_secs_f64();
            attributes.fraction("gen_ai.response.time_to_first_chunk", first);
        }
    }
    error(&mut attributes, failed);
    Span {
        parent_span_id: finished.trace.span_id.to_be_bytes().to_vec(),
        span_id: attempt.span_id.to_be_bytes().to_vec(),
        name: format!("{operation} {}", labels.model),
        kind: SpanKind::Client.into(),
        attributes: attributes.0,
        status: status(failed),
        ..within(&finished.trace, attempt.from, attempt.until.unwrap_or(finished.latency))
    }
}

fn used(attributes: &mut Attributes, finished: &Finished) {
    if finished.input_tokens + finished.output_tokens > 0 {
        attributes
            .number("gen_ai.usage.input_tokens", finished.input_tokens)
            .number("gen_ai.usage.output_tokens", finished.output_tokens)
            .number("moorline.cost_micros", finished.cost_micros);
    }
}

fn error(attributes: &mut Attributes, error: Option<ErrorKind>) {
    if let Some(error) = error {
        attributes.text("error.type", error.as_str());
    }
}

fn status(failed: Option<ErrorKind>) -> Option<Status> {
    let failed = failed?;
    Some(Status { message: failed.as_str().to_owned(), code: StatusCode::Error.into() })
}

/// A span of a trace, from and until so long after its begin.
fn within(trace: &Trace, from: std::time::Duration, until: std::time::Duration) -> Span {
    let started = nanos(trace.started);
    let after = |time: std::time::Duration| started + u64::try_from(time.as_nanos()).unwrap_or(0);
    Span {
        trace_id: trace.trace_id.to_be_bytes().to_vec(),
        flags: SAMPLED,
        start_time_unix_nano: after(from),
        end_time_unix_nano: after(until.max(from)),
        ..Span::default()
    }
}

/// Nanoseconds since the epoch.
pub(super) fn nanos(moment: Timestamp) -> u64 {
    u64::try_from(moment.as_nanosecond()).unwrap_or(0)
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
