//! The rollout verbs: stage, weigh, promote, discard. Each can be repeated after a lost answer.

use moorline_admin::endpoint::Nothing;
use moorline_admin::endpoints::{NewWeight, WeightQuery};
use moorline_admin::{Candidate, CandidateStaged, Document, Status};

use super::call::Call;
use super::refusal::Refusal;
use super::request;
use crate::clock;
use crate::state::{Proposal, State};

/// `PUT /admin/v1/candidate?weight=…`. Without a weight only probes reach the candidate.
pub(super) async fn stage(call: Call<WeightQuery, Document>) -> Result<CandidateStaged, Refusal> {
    let write = request::write(&call.headers, &call.ends)?;
    let (WeightQuery { weight }, Document(document)) = (call.query, call.body);
    let proposal = Proposal::Posted(document);
    let stage = move |state: &State| state.stage(&proposal, weight, &write, clock::now());
    Ok(call.server.admin.state.change(stage).await?)
}

/// `PATCH /admin/v1/candidate`.
pub(super) async fn set_weight(call: Call<Nothing, NewWeight>) -> Result<Candidate, Refusal> {
    let expected = request::if_match(&call.headers)?;
    let NewWeight { weight } = call.body;
    let state = &call.server.admin.state;
    Ok(state.change(move |state| state.set_weight(expected, weight, clock::now())).await?)
}

/// `POST /admin/v1/candidate/promote`.
pub(super) async fn promote(call: Call<Nothing, Nothing>) -> Result<Status, Refusal> {
    let expected = request::if_match(&call.headers)?;
    let state = &call.server.admin.state;
    state.change(move |state| state.promote(expected, clock::now())).await?;
    Ok(call.server.status(&call.ends))
}

/// `DELETE /admin/v1/candidate`.
pub(super) async fn discard(call: Call<Nothing, Nothing>) -> Result<Status, Refusal> {
    let discard = |state: &State| {
        state.discard(clock::now());
        Ok(())
    };
    call.server.admin.state.change(discard).await?;
    Ok(call.server.status(&call.ends))
}
