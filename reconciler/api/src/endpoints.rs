//! Every endpoint of `/api/v1`. The web serves each of these and no other.

use moorline_admin::endpoint::{BodyRule, Header, Nothing, Verb};
use moorline_admin::openapi::{Description, EventStream};
use moorline_admin::{Document, EffectiveConfig};
use reqwest::StatusCode;

use crate::access::{Access, Endpoint, get};
use crate::views::{
    Accepted, Audit, AuditQuery, DriftView, EnvironmentView, Environments, EnvironmentsQuery, History,
    HistoryQuery, IntentRequest, IntentView, Rollouts, RowsQuery, Why,
};

/// Largest body of an action.
const ACTION_BYTES_MAX: usize = 16 << 10;
const DOCUMENT_BYTES_MAX: usize = 4 << 20;

/// The environments that a commit declares. One that none declares any more is found by its name only.
pub const ENVIRONMENTS: Endpoint<EnvironmentsQuery, Nothing, Environments> = Endpoint {
    summary: "The declared environments, by name.",
    answers: "One page; `next` is the `after` of the next one.",
    ..get("/api/v1/environments", Access::Viewer, "environments")
};

pub const ENVIRONMENT: Endpoint<Nothing, Nothing, EnvironmentView> = Endpoint {
    summary: "One environment: conditions, revisions, rollout, replicas.",
    ..get("/api/v1/environments/{name}", Access::Viewer, "environment")
};

/// What differs from what is declared.
pub const DRIFT: Endpoint<Nothing, Nothing, DriftView> = Endpoint {
    summary: "Findings: suspected, open and ignored; what was compared and when.",
    answers: "All of them.",
    ..get("/api/v1/environments/{name}/drift", Access::Viewer, "drift")
};

/// Rollouts, newest first.
pub const ROLLOUTS: Endpoint<RowsQuery, Nothing, Rollouts> = Endpoint {
    summary: "Rollouts, newest first.",
    ..get("/api/v1/environments/{name}/rollouts", Access::Viewer, "rollouts")
};

/// What happened, newest first.
pub const HISTORY: Endpoint<HistoryQuery, Nothing, History> = Endpoint {
    summary: "What happened, newest first.",
    answers: "One page; `next` is the `before` of the next one.",
    ..get("/api/v1/environments/{name}/history", Access::Viewer, "history")
};

/// What an environment waits for.
pub const WHY: Endpoint<Nothing, Nothing, Why> = Endpoint {
    summary: "What the environment waits for: one sentence, whether callers are affected, and the gates, closed ones first.",
    answers: "Every gate.",
    ..get("/api/v1/environments/{name}/why", Access::Viewer, "why")
};

/// An intent and its outcome.
pub const INTENT: Endpoint<Nothing, Nothing, IntentView> = Endpoint {
    summary: "An intent of a person, and its outcome.",
    description: "`outcome` is null until a cycle of the leading daemon has applied it; `waits_for` says which daemon that is.",
    answers: "As it stands.",
    ..get("/api/v1/environments/{name}/intents/{id}", Access::Viewer, "intent")
};

/// The document that `terraform apply` handed over last. The same type as a gateway's, for the same client.
pub const READ_DOCUMENT: Endpoint<Nothing, Nothing, EffectiveConfig> = Endpoint {
    summary: "The document that terraform apply handed over last.",
    answers: "Its digest is the ETag.",
    ..get("/api/v1/environments/{name}/document", Access::DocumentRead, "readDocument")
};

/// Takes the document that `terraform apply` declares.
pub const WRITE_DOCUMENT: Endpoint<Nothing, Document, EffectiveConfig> = Endpoint {
    summary: "Hand a document over; the daemon rolls it out.",
    description: "Nothing is changed by a document with mistakes.",
    answers: "Taken.",
    body: BodyRule::Required { bytes_max: DOCUMENT_BYTES_MAX },
    headers: &[
        Header {
            name: "If-Match",
            is_required: false,
            description: "The digest that must be the present one, quoted, or *.",
        },
        Header { name: "Moorline-Origin", is_required: true, description: "`terraform`." },
    ],
    refusals: &[StatusCode::CONFLICT, StatusCode::PRECONDITION_FAILED, StatusCode::UNPROCESSABLE_ENTITY],
    ..Endpoint::new(Verb::Put, "/api/v1/environments/{name}/document", Access::DocumentWrite, "writeDocument")
};

/// History as it happens.
pub const EVENTS: Endpoint<Nothing, Nothing, EventStream> = Endpoint {
    summary: "History as it happens.",
    description: "Server-sent events named `history`; the data is an Event. Goes on after Last-Event-ID, or from now. \
                  Between them, at once and every 5 seconds at least, events named `clock` without an id: the daemon's \
                  time, by which a client knows that the daemon is there.",
    answers: "A stream.",
    media_type: "text/event-stream",
    headers: &[Header {
        name: "Last-Event-ID",
        is_required: false,
        description: "The id of the last event that was read.",
    }],
    refusals: &[StatusCode::BAD_REQUEST],
    ..get("/api/v1/events", Access::Viewer, "events")
};

/// Who did or requested what.
pub const AUDIT: Endpoint<AuditQuery, Nothing, Audit> = Endpoint {
    summary: "Who did or requested what, newest first.",
    answers: "Entries.",
    ..get("/api/v1/audit", Access::Admin, "audit")
};

/// The description of the API.
pub const OPENAPI: Endpoint<Nothing, Nothing, Description> = Endpoint {
    summary: "This description.",
    answers: "OpenAPI 3.1.",
    ..get("/api/v1/openapi.json", Access::Open, "openapi")
};

/// An operation that people may request.
pub type Action = Endpoint<Nothing, IntentRequest, Accepted>;

const fn action(path: &'static str, id: &'static str, summary: &'static str) -> Action {
    Endpoint {
        summary,
        description: "The intent is recorded with its actor. The next cycle applies it; its outcome is at the intent's \
                      address.",
        status: StatusCode::ACCEPTED,
        answers: "Recorded.",
        body: BodyRule::Optional { bytes_max: ACTION_BYTES_MAX },
        refusals: &[StatusCode::CONFLICT, StatusCode::UNPROCESSABLE_ENTITY, StatusCode::TOO_MANY_REQUESTS],
        ..Endpoint::new(Verb::Post, path, Access::Operator, id)
    }
}

/// To act now.
pub const SYNC: Action =
    action("/api/v1/environments/{name}/sync", "sync", "Look and act now; try a failed commit again.");

/// To let what waits be applied.
pub const APPROVE: Action = action(
    "/api/v1/environments/{name}/approve",
    "approve",
    "Let what waits be applied: the plan named by `plan_sha256`, or the document that waits alone, named by `digest`.",
);

/// To go back.
pub const ROLLBACK: Action = action(
    "/api/v1/environments/{name}/rollback",
    "rollback",
    "Go back to a verified commit and hold the present one. `reason` is required.",
);

/// To keep changes back.
pub const HOLD: Action = action(
    "/api/v1/environments/{name}/hold",
    "hold",
    "Apply nothing, or not this commit. `reason` is required.",
);

/// To let changes go on.
pub const RELEASE: Action =
    action("/api/v1/environments/{name}/release", "release", "Lift holds and a freeze.");

/// To undo drift.
pub const HEAL: Action = action(
    "/api/v1/environments/{name}/heal",
    "heal",
    "Restore the declared state where it drifts: replicas get the document in force, Terraform is planned and applied \
     at its commit. `only` names one address.",
);

/// To let what was there before Moorline be replaced.
pub const ADOPT: Action = action(
    "/api/v1/environments/{name}/adopt",
    "adopt",
    "Let what gateways served when they were first met be replaced. `found` of the environment shows it.",
);
