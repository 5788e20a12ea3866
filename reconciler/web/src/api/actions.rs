//! What people ask for. Each wish is written down with its audit, then the bell is rung; the next cycle heeds it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::StatusCode;
use moorline_model::CommitId;
use moorline_model::config::Digest;
use moorline_model::environment::EnvironmentState;
use moorline_model::intent::{Intent, Wish};
use moorline_model::rollout::{Rollout, Shown};
use serde::Deserialize;
use serde_json::json;

use super::state;
use crate::access::Caller;
use crate::problem::Problem;
use crate::{App, body};

/// Largest body of an action.
const BODY_BYTES_MAX: usize = 16 << 10;
/// Longest reason, in characters.
const REASON_LENGTH_MAX: usize = 1_000;

/// The body of every action.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Asked {
    reason: String,
    commit: Option<CommitId>,
    plan_sha256: Option<String>,
    digest: Option<Digest>,
}

type Answer = Result<Response, Problem>;
type Who = Extension<Caller>;

/// `POST …/sync`
pub(crate) async fn sync(app: State<Arc<App>>, name: Path<String>, who: Who, body: Body) -> Answer {
    ask(app, name, who, body, |_, _| Ok(Wish::Sync)).await
}

/// `POST …/approve`
pub(crate) async fn approve(app: State<Arc<App>>, name: Path<String>, who: Who, body: Body) -> Answer {
    ask(app, name, who, body, approved).await
}

/// `POST …/rollback`
pub(crate) async fn rollback(app: State<Arc<App>>, name: Path<String>, who: Who, body: Body) -> Answer {
    ask(app, name, who, body, |asked, _| {
        reasoned(asked)?;
        Ok(Wish::Rollback { commit: asked.commit.clone() })
    })
    .await
}

/// `POST …/hold`
pub(crate) async fn hold(app: State<Arc<App>>, name: Path<String>, who: Who, body: Body) -> Answer {
    ask(app, name, who, body, |asked, _| {
        reasoned(asked)?;
        Ok(Wish::Hold { commit: asked.commit.clone() })
    })
    .await
}

/// `POST …/release`
pub(crate) async fn release(app: State<Arc<App>>, name: Path<String>, who: Who, body: Body) -> Answer {
    ask(app, name, who, body, |_, _| Ok(Wish::Release)).await
}

async fn ask(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Extension(Caller(actor)): Extension<Caller>,
    body: Body,
    wish: impl FnOnce(&Asked, &EnvironmentState) -> Result<Wish, Problem>,
) -> Answer {
    let asked: Asked = body::json(body, BODY_BYTES_MAX).await?;
    if asked.reason.chars().count() > REASON_LENGTH_MAX {
        return Err(Problem::malformed(format!("a reason has at most {REASON_LENGTH_MAX} characters")));
    }
    let state = state(&app, &name).await?;
    let wish = wish(&asked, &state)?;
    let intent = Intent {
        environment: state.name,
        wish,
        actor,
        reason: asked.reason.trim().to_owned(),
        at: (app.web.clock)(),
    };
    let id = app.web.record.add_intent(&intent).await?;
    app.web.bell.ring(Some(&intent.environment));
    let answer = json!({ "intent": id, "environment": intent.environment, "wish": intent.wish.as_str() });
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

fn reasoned(asked: &Asked) -> Result<(), Problem> {
    if asked.reason.trim().is_empty() { Err(Problem::reason_required()) } else { Ok(()) }
}

/// An approval is of one change, the one that was seen: another that waits meanwhile is not approved. A plan is named by its
/// SHA-256, a document that waits alone by its digest.
fn approved(asked: &Asked, state: &EnvironmentState) -> Result<Wish, Problem> {
    let plan_sha256 = asked.plan_sha256.clone().filter(|seen| !seen.is_empty());
    let seen = Shown { plan_sha256, digest: asked.digest };
    if seen == Shown::default() {
        return Err(Problem::malformed(
            "`plan_sha256` or `digest` says which plan or document was seen; both are missing",
        ));
    }
    match state.rollout_under_way().and_then(Rollout::waits_for_approval) {
        None => Err(Problem::not_waiting("nothing waits for approval here")),
        Some(waiting) if waiting.is_what(&seen) => Ok(Wish::Approve(seen)),
        Some(waiting) => {
            let plan = waiting.plan_sha256.map(|plan| format!("plan_sha256 {plan}"));
            let what = plan.or(waiting.digest.map(|digest| format!("digest {digest}"))).unwrap_or_default();
            Err(Problem::not_waiting(format!(
                "another change waits by now ({what}); look at it, then approve it"
            )))
        }
    }
}
