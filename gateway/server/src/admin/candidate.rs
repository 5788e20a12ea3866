//! The rollout verbs: stage, weigh, promote, discard. Each can be repeated after a lost answer.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Query, State};
use http::{HeaderMap, Uri};
use moorline_admin::{Candidate, CandidateStaged, Status};
use moorline_config::Percent;
use serde::Deserialize;

use super::refusal::Refusal;
use super::{Ends, Server, request};
use crate::clock;
use crate::state::Proposal;

/// A share of requests, as query or body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Share {
    #[serde(default = "nothing")]
    weight: Percent,
}

const fn nothing() -> Percent {
    Percent::ZERO
}

/// `PUT /admin/v1/candidate?weight=…`. Without a weight only probes reach the candidate.
pub(super) async fn stage(
    State(server): State<Arc<Server>>,
    Extension(ends): Extension<Ends>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<CandidateStaged>, Refusal> {
    let Query(Share { weight }) = Query::try_from_uri(&uri)
        .map_err(|error| Refusal::malformed(format!("the query is not as expected: {error}")))?;
    let write = request::write(&headers, &ends)?;
    let proposal = Proposal::Posted(request::json(body).await?);
    let staged =
        server.admin.state.change(move |state| state.stage(&proposal, weight, &write, clock::now())).await?;
    Ok(Json(staged))
}

/// The body of a change of weight, which must say one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewShare {
    weight: Percent,
}

/// `PATCH /admin/v1/candidate`.
pub(super) async fn set_weight(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Candidate>, Refusal> {
    let expected = request::if_match(&headers)?;
    let NewShare { weight } = request::json(body).await?;
    let candidate =
        server.admin.state.change(move |state| state.set_weight(expected, weight, clock::now())).await?;
    Ok(Json(candidate))
}

/// `POST /admin/v1/candidate/promote`.
pub(super) async fn promote(
    State(server): State<Arc<Server>>,
    Extension(ends): Extension<Ends>,
    headers: HeaderMap,
) -> Result<Json<Status>, Refusal> {
    let expected = request::if_match(&headers)?;
    let state = &server.admin.state;
    state.change(move |state| state.promote(expected, clock::now())).await?;
    Ok(Json(server.status(&ends)))
}

/// `DELETE /admin/v1/candidate`.
pub(super) async fn discard(
    State(server): State<Arc<Server>>,
    Extension(ends): Extension<Ends>,
) -> Result<Json<Status>, Refusal> {
    let state = &server.admin.state;
    let discard = |state: &crate::state::State| {
        state.discard(clock::now());
        Ok(())
    };
    state.change(discard).await?;
    Ok(Json(server.status(&ends)))
}
