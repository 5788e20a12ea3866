//! What a caller asks, and what each target is sent of it.
//!
//! In: an operation and the body of its request. Out: the fields that are decided on, and for each target the body,
//! the path, and how its answer is to be read. A target that speaks the caller's protocol gets the caller's own bytes
//! but for the model's name; any other gets a translation.

use bytes::Bytes;
use http::HeaderValue;
use http::uri::PathAndQuery;
use moorline_translate::multipart::{self, Form};
use moorline_translate::splice::{Edits, UsageEvent};
use moorline_translate::{Fields, Parts, count, embeddings, matrix, rerank, scan};

use super::attempts::Failure;
use super::events::Protocol;
use super::reading::{Reading, Translation};
use super::refusal::Refusal;
use super::request_id::RequestId;
use crate::guardrails::{Cleared, Inspect};
use crate::routing::way::Way;
use crate::routing::{Operation, Target};

/// A request's body, looked into once.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) operation: Operation,
    pub(super) fields: Fields,
    body: Bytes,
    form: Option<FormAsk>,
}

/// What only a form has.
#[derive(Debug, Clone)]
struct FormAsk {
    form: Form,
    boundary: String,
    content_type: HeaderValue,
}

/// What a target is sent, and how its answer is read.
pub(super) struct Outgoing {
    pub(super) path: PathAndQuery,
    pub(super) content_type: HeaderValue,
    pub(super) body: Parts,
    pub(super) reading: Reading,
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

impl Ask {
    /// Looks into a body.
    pub(super) fn read(
        operation: Operation,
        content_type: Option<&HeaderValue>,
        body: Bytes,
    ) -> Result<Self, Refusal> {
        if operation == Operation::Transcriptions {
            return Self::read_form(operation, content_type, body).map_err(Refusal::from);
        }
        Ok(Self { operation, fields: scan(&body)?, body, form: None })
    }

    fn read_form(
        operation: Operation,
        content_type: Option<&HeaderValue>,
        body: Bytes,
    ) -> Result<Self, multipart::FormError> {
        let content_type = content_type.ok_or(multipart::FormError::ContentType)?;
        let text = content_type.to_str().map_err(|_| multipart::FormError::ContentType)?;
        let boundary = multipart::boundary(text)?.to_owned();
        let form = multipart::scan(&body, &boundary)?;
        let fields = Fields { model: Some(form.model.clone()), stream: form.stream, ..Fields::default() };
        let content_type = content_type.clone();
        Ok(Self { operation, fields, body, form: Some(FormAsk { form, boundary, content_type }) })
    }

    /// The body as it came.
    pub(super) const fn body(&self) -> &Bytes {
        &self.body
    }
}

impl Inspect for Ask {
    fn size(&self) -> u64 {
        self.body.len() as u64
    }

    fn json(&self) -> Option<&[u8]> {
        self.form.is_none().then_some(&self.body)
    }
}

impl Cleared<Ask> {
    /// What a target is sent. `id` is the request's: ids that must be made up are made of it.
    pub(super) fn for_target(&self, target: &Target, id: &RequestId) -> Result<Outgoing, Failure> {
        target.upstream.origin().map_err(Failure::Unusable)?;
        let model = target.model.as_str();
        match target.ways.of(self.operation).ok_or(Failure::Unsupported(self.operation))? {
            Way::Same(path) => self.same(path, model),
            Way::Chat { wire, path, stream_path } => {
                let named = self.fields.model.as_deref().unwrap_or_default();
                let (dialect, created) = (self.operation.dialect(), crate::clock::now().as_second());
                let said = matrix::request(dialect, *wire, &self.body, model, named, id.as_str(), created)?;
                let path = if said.context.stream { stream_path } else { path }.clone();
                let reading = Reading::Translated(Box::new(Translation::Chat(said.context)), said.dropped);
                let body = Parts::from(Bytes::from(said.body));
                Ok(Outgoing { path, content_type: JSON, body, reading })
            }
            Way::Embeddings(wire) => {
                let (outgoing, reply) = embeddings::request(*wire, &self.body, model)?;
                let named = self.fields.model.clone().unwrap_or_default();
                translated(target, outgoing, Translation::Embeddings { wire: *wire, reply, named })
            }
            Way::Count(wire) => {
                let outgoing = count::request(*wire, &self.body, model)?;
                translated(target, outgoing, Translation::Count { wire: *wire, id: id.to_string() })
            }
            Way::Rerank(wire) => {
                let (outgoing, reply) = rerank::request(*wire, &self.body, model)?;
                let named = self.fields.model.clone().unwrap_or_default();
                translated(target, outgoing, Translation::Rerank { wire: *wire, reply, named })
            }
        }
    }
}

impl Ask {
    /// The caller's own bytes, but for the fields that must differ.
    fn same(&self, path: &PathAndQuery, model: &str) -> Result<Outgoing, Failure> {
        let path = path.clone();
        if let Some(FormAsk { form, boundary, content_type }) = &self.form {
            let body = multipart::with_model(&self.body, form, boundary, model).map_err(Failure::Form)?;
            let reading =
                if form.stream { Reading::Same(Protocol::Other, UsageEvent::Asked) } else { Reading::Opaque };
            return Ok(Outgoing { path, content_type: content_type.clone(), body, reading });
        }
        let mut edits = Edits::new();
        edits.model(&self.fields, model);
        let is_stream = self.fields.stream;
        // Only these two know the option; Azure answers 400 to it elsewhere.
        let usage_event = match self.operation {
            Operation::Chat | Operation::Completions if is_stream => {
                edits.include_usage(&self.body, &self.fields)
            }
            _ => UsageEvent::Asked,
        };
        let reading = match self.operation {
            Operation::Speech => Reading::Opaque,
            Operation::Chat | Operation::Responses | Operation::Messages => {
                Reading::Same(Protocol::Chat(self.operation.dialect()), usage_event)
            }
            Operation::Completions => Reading::Same(Protocol::Completions, usage_event),
            _ => Reading::Same(Protocol::Other, usage_event),
        };
        Ok(Outgoing { path, content_type: JSON, body: edits.apply(&self.body), reading })
    }
}

fn translated(
    target: &Target,
    outgoing: moorline_translate::Outgoing,
    translation: Translation,
) -> Result<Outgoing, Failure> {
    let path = target.upstream.below(&outgoing.path).ok_or(Failure::NoTarget)?;
    let reading = Reading::Translated(Box::new(translation), outgoing.dropped);
    Ok(Outgoing { path, content_type: JSON, body: Parts::from(Bytes::from(outgoing.body)), reading })
}
