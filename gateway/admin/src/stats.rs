//! What a gateway counted: mergeable across replicas, by generation, model and route.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Generation, Histogram};

/// Why a request did not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// No or a wrong key (401, 403).
    Unauthorized,
    /// The request itself is wrong (400, 404, 405, 413, 415).
    BadRequest,
    /// A limit was reached here (429).
    Limited,
    /// The upstream refused the request for a fault of the caller's (its own 4xx).
    UpstreamRefused,
    /// The upstream failed: it could not be reached, answered 5xx, or broke off.
    UpstreamFailed,
    /// The upstream did not answer in time.
    UpstreamTimeout,
    /// The caller went away.
    ClientClosed,
    /// Something beside the upstreams that a request needs (a store that replicas share, a guardrail's service) could not
    /// be reached, and the document says to refuse then (503).
    StoreLost,
}

impl ErrorKind {
    /// All kinds, in order.
    pub const ALL: [Self; 8] = [
        Self::Unauthorized,
        Self::BadRequest,
        Self::Limited,
        Self::UpstreamRefused,
        Self::UpstreamFailed,
        Self::UpstreamTimeout,
        Self::ClientClosed,
        Self::StoreLost,
    ];

    /// Whether the kind speaks against the document or an upstream, and not against a caller. Verification counts
    /// only these.
    #[must_use]
    pub const fn is_fault(self) -> bool {
        matches!(self, Self::UpstreamFailed | Self::UpstreamTimeout | Self::StoreLost)
    }

    /// The kind as a metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::BadRequest => "bad_request",
            Self::Limited => "limited",
            Self::UpstreamRefused => "upstream_refused",
            Self::UpstreamFailed => "upstream_failed",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::ClientClosed => "client_closed",
            Self::StoreLost => "store_lost",
        }
    }
}

/// What a set of requests came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Requests that ended.
    pub requests: u64,
    /// Those that did not end well, by kind.
    #[serde(default)]
    pub errors: BTreeMap<ErrorKind, u64>,
    /// From a request's arrival to its last byte. Answers from the cache are not in it.
    #[serde(default)]
    pub latency: Histogram,
    /// From a request's arrival to the first byte of a stream.
    #[serde(default)]
    pub first_token: Histogram,
    /// Tokens in.
    #[serde(default)]
    pub input_tokens: u64,
    /// Tokens out.
    #[serde(default)]
    pub output_tokens: u64,
    /// Cost in millionths of a US dollar, from the declared prices.
    #[serde(default)]
    pub cost_micros: u64,
    /// Answers from the cache.
    #[serde(default)]
    pub cache_hits: u64,
}

impl Usage {
    /// Adds another's counts to this one's.
    pub fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        for (kind, count) in &other.errors {
            *self.errors.entry(*kind).or_default() += count;
        }
        self.latency.merge(&other.latency);
        self.first_token.merge(&other.first_token);
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.cost_micros += other.cost_micros;
        self.cache_hits += other.cache_hits;
    }

    /// Requests that the cache did not answer: those that say something of a document and its upstreams. Verification
    /// counts only these.
    #[must_use]
    pub const fn asked(&self) -> u64 {
        self.requests.saturating_sub(self.cache_hits)
    }

    /// Requests that failed through the document or an upstream ([`ErrorKind::is_fault`]).
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.errors.iter().filter(|(kind, _)| kind.is_fault()).map(|(_, count)| count).sum()
    }
}

/// `GET /admin/v1/stats?generation=…&since=…`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stats {
    /// The generation counted.
    pub generation: Generation,
    /// The first moment counted: the `since` asked for, rounded down to a slice, or the generation's start.
    pub since: Timestamp,
    /// The moment of counting.
    pub until: Timestamp,
    /// Everything.
    pub total: Usage,
    /// By model as callers name it.
    #[serde(default)]
    pub models: BTreeMap<String, Usage>,
    /// By route path.
    #[serde(default)]
    pub routes: BTreeMap<String, Usage>,
    /// By model that was sent copies of requests. These are in none of the others.
    #[serde(default)]
    pub shadows: BTreeMap<String, Usage>,
    /// Authentication results: `accepted`, `missing`, `unknown`, `expired`, `ambiguous`, `invalid`,
    /// `unverifiable`.
    #[serde(default)]
    pub authentication: BTreeMap<String, u64>,
}
