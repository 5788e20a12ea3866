//! Every endpoint of a gateway's admin API. The gateway serves each of these and no other, beside its page of metrics.

use jiff::Timestamp;
use reqwest::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::endpoint::{self, BodyRule, Guard, Header, Nothing, Verb};
use crate::openapi::{Description, EventStream};
use crate::{
    Candidate, CandidateStaged, ConfigPlan, Document, EffectiveConfig, Failure, Stats, Status, Validation,
    Weight,
};

/// Largest document.
pub const DOCUMENT_BYTES_MAX: usize = 4 << 20;

/// The admin token, or a client certificate where one is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admin;

impl Guard for Admin {
    fn schemes(self) -> &'static [&'static str] {
        &["token", "certificate"]
    }

    fn sentence(self) -> Option<&'static str> {
        None
    }
}

/// An endpoint of the admin API.
pub type Endpoint<Query, Body, Answer> = endpoint::Endpoint<Admin, Query, Body, Answer>;

/// The candidate's share of requests.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeightQuery {
    /// Without it only probes reach the candidate.
    #[serde(default = "nothing")]
    pub weight: Weight,
}

const fn nothing() -> Weight {
    Weight::ZERO
}

/// The candidate's new share of requests.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWeight {
    /// Of callers' requests.
    pub weight: Weight,
}

/// What else is asked for beside the status.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusQuery {
    /// Over how many of the last seconds callers are counted; absent: they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recent_seconds: Option<u32>,
}

/// Which counts are asked for.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatsQuery {
    /// The stable one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// Counted from this moment on; absent: from the generation's start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// Which failure is asked for.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FailureQuery {
    /// The `x-request-id` of its answer.
    pub request: String,
}

const IF_MATCH: Header = Header {
    name: "If-Match",
    is_required: false,
    description: "The digest that must be the present one, quoted.",
};

/// What a write says of itself.
const WRITE: &[Header] = &[
    IF_MATCH,
    Header {
        name: "Moorline-Origin",
        is_required: false,
        description: "`git`, `terraform` or `manual`; absent: a person's.",
    },
    Header {
        name: "Moorline-Commit",
        is_required: false,
        description: "The commit that the document came from.",
    },
    Header {
        name: "Moorline-Take-Over",
        is_required: false,
        description: "`true`: the document is taken over from its present owner.",
    },
    Header { name: "Moorline-Actor", is_required: false, description: "Who; required of a person." },
    Header { name: "Moorline-Reason", is_required: false, description: "Why; required of a person." },
];

/// Statuses with which a write is refused.
const WRITE_REFUSALS: &[StatusCode] =
    &[StatusCode::CONFLICT, StatusCode::PRECONDITION_FAILED, StatusCode::UNPROCESSABLE_ENTITY];

const DOCUMENT: BodyRule = BodyRule::Required { bytes_max: DOCUMENT_BYTES_MAX };

/// What the gateway attests.
pub const STATUS: Endpoint<StatusQuery, Nothing, Status> = Endpoint {
    summary: "What serves, what is tried beside it, and what was refused.",
    answers: "As it stands.",
    ..Endpoint::new(Verb::Get, "/admin/v1/status", Admin, "status")
};

/// The effective document.
pub const CONFIG: Endpoint<Nothing, Nothing, EffectiveConfig> = Endpoint {
    summary: "The document that serves.",
    answers: "Its digest is the ETag.",
    refusals: &[StatusCode::NOT_FOUND],
    ..Endpoint::new(Verb::Get, "/admin/v1/config", Admin, "config")
};

/// Replaces the stable document.
pub const REPLACE: Endpoint<Nothing, Document, Status> = Endpoint {
    summary: "Replace the document that serves.",
    description: "A document with mistakes is refused, and what served before keeps serving.",
    body: DOCUMENT,
    headers: WRITE,
    refusals: WRITE_REFUSALS,
    ..Endpoint::new(Verb::Put, "/admin/v1/config", Admin, "replace")
};

/// Checks a document without taking it.
pub const VALIDATE: Endpoint<Nothing, Document, Validation> = Endpoint {
    summary: "Every mistake of a document, which is not taken.",
    answers: "Whether it would be taken.",
    body: DOCUMENT,
    ..Endpoint::new(Verb::Post, "/admin/v1/config/validate", Admin, "validate")
};

/// The difference that a document would make.
pub const PLAN: Endpoint<Nothing, Document, ConfigPlan> = Endpoint {
    summary: "What a document would change.",
    answers: "The difference from what serves.",
    body: DOCUMENT,
    refusals: &[StatusCode::UNPROCESSABLE_ENTITY],
    ..Endpoint::new(Verb::Post, "/admin/v1/config/plan", Admin, "plan")
};

/// Puts a candidate beside the stable document.
pub const STAGE: Endpoint<WeightQuery, Document, CandidateStaged> = Endpoint {
    summary: "Try a document beside the one that serves. The same document again changes only its share.",
    body: DOCUMENT,
    headers: WRITE,
    refusals: WRITE_REFUSALS,
    ..Endpoint::new(Verb::Put, "/admin/v1/candidate", Admin, "stage")
};

/// Changes the candidate's share.
pub const SET_WEIGHT: Endpoint<Nothing, NewWeight, Candidate> = Endpoint {
    summary: "Give the candidate another share of requests.",
    body: DOCUMENT,
    headers: &[IF_MATCH],
    refusals: &[StatusCode::NOT_FOUND, StatusCode::CONFLICT, StatusCode::PRECONDITION_FAILED],
    ..Endpoint::new(Verb::Patch, "/admin/v1/candidate", Admin, "setWeight")
};

/// Makes the candidate stable.
pub const PROMOTE: Endpoint<Nothing, Nothing, Status> = Endpoint {
    summary: "Let the candidate serve all requests. Done already: the same answer.",
    headers: &[IF_MATCH],
    refusals: &[StatusCode::NOT_FOUND, StatusCode::CONFLICT, StatusCode::PRECONDITION_FAILED],
    ..Endpoint::new(Verb::Post, "/admin/v1/candidate/promote", Admin, "promote")
};

/// Drops the candidate.
pub const DISCARD: Endpoint<Nothing, Nothing, Status> = Endpoint {
    summary: "Drop the candidate. None there: the same answer.",
    ..Endpoint::new(Verb::Delete, "/admin/v1/candidate", Admin, "discard")
};

/// What a generation counted.
pub const STATS: Endpoint<StatsQuery, Nothing, Stats> = Endpoint {
    summary: "What one generation counted: requests, errors, latencies, tokens, cost.",
    answers: "Histograms merge across replicas.",
    refusals: &[StatusCode::BAD_REQUEST, StatusCode::NOT_FOUND],
    ..Endpoint::new(Verb::Get, "/admin/v1/stats", Admin, "stats")
};

/// Why a request did not end well.
pub const FAILURE: Endpoint<FailureQuery, Nothing, Failure> = Endpoint {
    summary: "Why a probe did not end well.",
    answers: "Every target that was tried.",
    refusals: &[StatusCode::BAD_REQUEST, StatusCode::NOT_FOUND],
    ..Endpoint::new(Verb::Get, "/admin/v1/failures", Admin, "failure")
};

/// Changes as they happen.
pub const EVENTS: Endpoint<Nothing, Nothing, EventStream> = Endpoint {
    summary: "Documents that are taken and refused, breakers that open and close.",
    description: "Server-sent events; the data is an Event. A listener that is too slow misses some, and reads the status.",
    answers: "A stream.",
    media_type: "text/event-stream",
    ..Endpoint::new(Verb::Get, "/admin/v1/events", Admin, "events")
};

/// Ends the process well.
pub const DRAIN: Endpoint<Nothing, Nothing, Status> = Endpoint {
    summary: "Take no new connections, and end when the requests under way have ended.",
    answers: "As it stands.",
    ..Endpoint::new(Verb::Post, "/admin/v1/drain", Admin, "drain")
};

/// The description of the API.
pub const OPENAPI: Endpoint<Nothing, Nothing, Description> = Endpoint {
    summary: "This description.",
    answers: "OpenAPI 3.1.",
    ..Endpoint::new(Verb::Get, "/admin/v1/openapi.json", Admin, "openapi")
};
