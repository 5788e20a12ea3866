//! What people ask for. Each wish is written down with its audit, then the bell is rung; the next cycle heeds it, and
//! what came of it is read at the wish's own address.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::StatusCode;
use moorline_model::CommitId;
use moorline_model::config::Digest;
use moorline_model::environment::EnvironmentState;
use moorline_model::intent::{Intent, Operation, Outcome, needs_reason};
use moorline_model::rollout::{ApprovalSubject, Phase, Rollout, RolloutKind};
use moorline_record::{Asked as Recorded, IntentId};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::state;
use crate::access::Caller;
use crate::problem::Problem;
use crate::{App, body};

/// Largest body of an action.
const BODY_BYTES_MAX: usize = 16 << 10;
/// Longest reason, in characters.
const REASON_LENGTH_MAX: usize = 1_000;

/// Something that people may ask for.
pub(crate) struct Action {
    /// Its address.
    pub(crate) path: &'static str,
    /// The wish that a body means.
    wish: fn(&Asked) -> Result<Operation, Problem>,
}

/// Everything that people may ask for.
pub(crate) const ACTIONS: [Action; 7] = [
    Action { path: "/api/v1/environments/{name}/sync", wish: |_| Ok(Operation::Sync) },
    Action { path: "/api/v1/environments/{name}/approve", wish: approval },
    Action {
        path: "/api/v1/environments/{name}/rollback",
        wish: |asked| Ok(Operation::Rollback { commit: asked.commit.clone() }),
    },
    Action {
        path: "/api/v1/environments/{name}/hold",
        wish: |asked| Ok(Operation::Hold { commit: asked.commit.clone() }),
    },
    Action {
        path: "/api/v1/environments/{name}/heal",
        wish: |asked| Ok(Operation::Heal { only: asked.only.clone() }),
    },
    Action { path: "/api/v1/environments/{name}/adopt", wish: adoption },
    Action { path: "/api/v1/environments/{name}/release", wish: |_| Ok(Operation::Release) },
];

/// The body of every action.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Asked {
    /// It goes into the record, the log, the history and messages: without what smells of a secret.
    #[serde(deserialize_with = "moorline_model::masking::deserialize")]
    reason: String,
    commit: Option<CommitId>,
    plan_sha256: Option<String>,
    digest: Option<Digest>,
    only: Option<String>,
    found: BTreeMap<String, Digest>,
}

/// A plan is named by its SHA-256, a document that waits alone by its digest.
fn approval(asked: &Asked) -> Result<Operation, Problem> {
    let plan_sha256 = asked.plan_sha256.clone().filter(|seen| !seen.is_empty());
    let seen = ApprovalSubject { plan_sha256, digest: asked.digest };
    if seen == ApprovalSubject::default() {
        let missing = "`plan_sha256` or `digest` says which plan or document was seen; both are missing";
        return Err(Problem::malformed(missing));
    }
    Ok(Operation::Approve(seen))
}

/// What gateways served is named by its digest, each by its admin URL.
fn adoption(asked: &Asked) -> Result<Operation, Problem> {
    if asked.found.is_empty() {
        let missing = "`found` says which documents were seen, as {admin URL: digest}; it is missing";
        return Err(Problem::malformed(missing));
    }
    Ok(Operation::Adopt { seen: asked.found.clone() })
}

/// `POST …/{action}`
pub(crate) async fn ask(
    action: &'static Action,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Extension(Caller(actor)): Extension<Caller>,
    body: Body,
) -> Result<Response, Problem> {
    let mut asked: Asked = body::json(body, BODY_BYTES_MAX).await?;
    if asked.reason.chars().count() > REASON_LENGTH_MAX {
        return Err(Problem::malformed(format!("a reason has at most {REASON_LENGTH_MAX} characters")));
    }
    let state = state(&app, &name).await?;
    asked.only = asked.only.map(|only| as_known(&state, only));
    let wish = (action.wish)(&asked)?;
    if needs_reason(wish.as_str()) && asked.reason.trim().is_empty() {
        return Err(Problem::reason_required());
    }
    // What makes no sense is said at once, and is not written down.
    if let Some(refusal) = wish.refused(&state) {
        return Err(Problem::refused(&state.name, &refusal));
    }
    let intent = Intent {
        environment: state.name,
        operation: wish,
        actor,
        reason: asked.reason.trim().to_owned(),
        at: (app.web.clock)(),
    };
    let id = app.web.record.add_intent(&intent).await?;
    app.web.bell.ring(Some(&intent.environment));
    let answer =
        json!({ "intent": id, "environment": intent.environment, "wish": intent.operation.as_str() });
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

/// A replica's URL as it is remembered: with a slash at its end it is the same.
fn as_known(state: &EnvironmentState, only: String) -> String {
    let bare = |address: &str| address.strip_suffix('/').unwrap_or(address).to_owned();
    let addresses = state.drift.iter().map(|drift| &drift.finding.address);
    let known = addresses.into_iter().find(|address| bare(address) == bare(&only)).cloned();
    known.unwrap_or(only)
}

/// A wish, and what came of it.
#[derive(Serialize)]
struct IntentView<'a> {
    intent: IntentId,
    environment: &'a str,
    wish: &'static str,
    actor: &'a str,
    reason: &'a str,
    at: jiff::Timestamp,
    /// `null` while no cycle has heeded it.
    outcome: Option<OutcomeView<'a>>,
    /// Who heeds it, while nobody has.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for: Option<String>,
    /// The rollout that it began or is about, as it stands now.
    #[serde(skip_serializing_if = "Option::is_none")]
    rollout: Option<RolloutView<'a>>,
}

#[derive(Serialize)]
struct OutcomeView<'a> {
    #[serde(flatten)]
    outcome: &'a Outcome,
    exit_code: u8,
}

#[derive(Serialize)]
struct RolloutView<'a> {
    id: moorline_model::RolloutId,
    kind: &'a RolloutKind,
    commit: &'a CommitId,
    phase: &'a Phase,
    is_over: bool,
    ended: &'static str,
    reason: Option<&'a str>,
}

impl<'a> RolloutView<'a> {
    fn of(rollout: &'a Rollout) -> Self {
        let Rollout { id, kind, phase, reason, .. } = rollout;
        let (commit, is_over) = (&rollout.revision.commit, phase.is_over());
        Self { id: *id, kind, commit, phase, is_over, ended: rollout.ended(), reason: reason.as_deref() }
    }
}

/// `GET …/intents/{id}`
pub(crate) async fn intent(
    State(app): State<Arc<App>>,
    Path((name, id)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let state = state(&app, &name).await?;
    let unknown = || Problem::not_found(format!("`{}` has no such intent", state.name));
    let id = IntentId(id.parse().map_err(|_| unknown())?);
    let Recorded { intent, is_heeded, outcome } =
        app.web.record.intent(&state.name, id).await?.ok_or_else(unknown)?;
    // The release that heeded it wrote no outcome.
    let outcome = outcome
        .or_else(|| is_heeded.then(|| Outcome::Done { message: "heeded; the history says how".to_owned() }));
    let begun = outcome.as_ref().and_then(Outcome::rollout);
    let rollout = match begun {
        Some(id) => app.web.record.rollout(&state.name, id).await?,
        None => None,
    };
    let view = IntentView {
        intent: id,
        environment: state.name.as_str(),
        wish: intent.operation.as_str(),
        actor: &intent.actor,
        reason: &intent.reason,
        at: intent.at,
        waits_for: if is_heeded { None } else { Some(waits_for(&app).await?) },
        rollout: rollout.as_ref().map(RolloutView::of),
        outcome: outcome.as_ref().map(|outcome| OutcomeView { outcome, exit_code: outcome.exit_code() }),
    };
    Ok(Json(view).into_response())
}

/// Who heeds wishes: the daemon that leads, which need not be this one.
async fn waits_for(app: &App) -> Result<String, Problem> {
    let leader = app.web.record.leader().await?;
    let leads = leader.holder.filter(|_| leader.expires_at > (app.web.clock)());
    Ok(match leads {
        Some(holder) => format!("the daemon that leads ({holder}) heeds it at the end of its present cycle"),
        None => "no daemon leads at the moment; the next one that does heeds it".to_owned(),
    })
}
