//! What a caller asks, and what each target is sent of it.
//!
//! In: an operation and the body of its request. Out: the fields that are decided on, and for each target the body,
//! the path, and how its answer is to be read.

use bytes::Bytes;
use http::uri::PathAndQuery;
use moorline_translate::splice::{Edits, UsageEvent};
use moorline_translate::{Fields, Parts, ScanError, scan};

use super::answer::Reading;
use super::attempts::Failure;
use crate::routing::way::Protocol;
use crate::routing::{Operation, Target};

/// A request's body, looked into once.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) operation: Operation,
    pub(super) fields: Fields,
    body: Bytes,
}

/// What a target is sent, and how its answer is read.
pub(super) struct Outgoing {
    pub(super) path: PathAndQuery,
    pub(super) body: Parts,
    pub(super) reading: Reading,
}

impl Ask {
    /// Looks into a body.
    pub(super) fn read(operation: Operation, body: Bytes) -> Result<Self, ScanError> {
        Ok(Self { operation, fields: scan(&body)?, body })
    }

    /// What a target is sent.
    pub(super) fn for_target(&self, target: &Target) -> Result<Outgoing, Failure> {
        target.upstream.origin().map_err(Failure::Unusable)?;
        let way = target.ways.of(self.operation).ok_or(Failure::Unsupported(self.operation))?;
        let (body, reading) = match way.protocol {
            Protocol::Same => self.spliced(target),
        };
        Ok(Outgoing { path: way.path.clone(), body, reading })
    }

    /// The caller's own bytes, but for the fields that must differ.
    fn spliced(&self, target: &Target) -> (Parts, Reading) {
        let mut edits = Edits::new();
        edits.model(&self.fields, target.model.as_str());
        let reading = match self.operation {
            Operation::Speech => Reading::Opaque,
            // Only these two know the option; Azure answers 400 to it elsewhere.
            Operation::Chat | Operation::Completions if self.fields.stream => {
                Reading::Openai(edits.include_usage(&self.body, &self.fields))
            }
            _ => Reading::Openai(UsageEvent::Asked),
        };
        (edits.apply(&self.body), reading)
    }
}
