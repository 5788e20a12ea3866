//! Retry, failover and fallback, all before the first byte reaches the caller.
//!
//! In: an admitted request. Out: an answer that has begun well, or the failure that ended the last attempt. A failure
//! says what may follow it: an overloaded target is asked again after a wait, one that refuses our credential is not,
//! and a fault of the caller's own is no failure at all but an answer.

mod backoff;
mod failure;
mod retry_after;

use http::HeaderMap;
use moorline_translate::Tokens;
use tokio::time::Instant;

pub(super) use failure::{Clock, Failure};
pub(super) use retry_after::retry_after;

use super::account::Account;
use super::answer::Answer;
use super::ask::Ask;
use super::outbound;
use super::worker::Worker;
use crate::routing::order::Occasion;
use crate::routing::{Key, Model, ModelIndex, Route, Routing, Target};

/// An admitted request.
pub(super) struct Call<'a> {
    pub(super) worker: &'a Worker,
    pub(super) routing: &'a Routing,
    pub(super) route: &'a Route,
    pub(super) key: &'a Key,
    pub(super) model: ModelIndex,
    pub(super) headers: &'a HeaderMap,
    pub(super) ask: &'a Ask,
    /// What it will use, as far as one can tell before.
    pub(super) estimate: Tokens,
    pub(super) deadline: Instant,
}

/// Asks target after target until one begins to answer.
pub(super) async fn run(call: &Call<'_>, account: &mut Account) -> Result<Answer, Failure> {
    let all = async {
        let mut last = Failure::NoTarget;
        for model in call.chain() {
            let occasion = call.occasion();
            for target in model.in_order(&occasion, call.health(), |sides| call.worker.dice.below(sides)) {
                match ask(call, model, target, account).await {
                    Ok(answer) => return Ok(answer),
                    Err(failure) => last = failure,
                }
            }
        }
        Err(last)
    };
    match tokio::time::timeout_at(call.deadline, all).await {
        Ok(ended) => ended,
        Err(_) => Err(Failure::Slow(Clock::Total)),
    }
}

impl Call<'_> {
    fn health(&self) -> &crate::health::Health {
        &self.worker.config.health
    }

    /// What the order of targets goes by.
    fn occasion(&self) -> Occasion<'_> {
        Occasion {
            headers: self.headers,
            key: self.key,
            tokens: self.estimate,
            stream: self.ask.fields.stream,
        }
    }

    /// The model asked for, then those it falls back to that this caller may use here.
    fn chain(&self) -> impl Iterator<Item = &Model> {
        let asked = self.routing.model(self.model);
        let fallback = asked.map_or(&[][..], |model| &model.fallback);
        let allowed = |model: &&ModelIndex| self.route.allows(**model) && self.key.allows(**model);
        asked
            .into_iter()
            .chain(fallback.iter().filter(allowed).filter_map(|model| self.routing.model(*model)))
    }
}

/// Asks one target, as often as the route says.
async fn ask(
    call: &Call<'_>,
    model: &Model,
    target: &Target,
    account: &mut Account,
) -> Result<Answer, Failure> {
    let health = target.health(call.health());
    let retry = call.route.retry;
    let outgoing = call.ask.for_target(target, &account.request_id)?;
    let mut attempt = 1;
    loop {
        account.asks(target, call.ask.operation, call.worker);
        let (under_way, asked) = (health.begin(), model.is_measured.then(Instant::now));
        let failure = match outbound::send(call, target, &outgoing, &account.says()).await {
            Ok(answer) => {
                if let Some(asked) = asked.filter(|_| answer.status.is_success()) {
                    call.occasion().pace(health).note(asked.elapsed(), call.health().now());
                }
                account.under_way = Some(under_way);
                return Ok(answer);
            }
            Err(failure) => failure,
        };
        drop(under_way);
        account.trail.failed(&failure);
        tracing::debug!(
            id = %account.request_id,
            provider = %target.upstream.provider,
            model = %target.model,
            attempt,
            error = %failure,
            cause = std::error::Error::source(&failure).map(tracing::field::display),
            "an attempt failed"
        );
        let wait = backoff::wait_before(attempt, retry.backoff, failure.retry_after(), &call.worker.dice);
        let has_time = wait.is_some_and(|wait| Instant::now() + wait < call.deadline);
        let Some(wait) = wait.filter(|_| has_time && attempt < retry.attempts && failure.may_pass()) else {
            return Err(failure);
        };
        tokio::time::sleep(wait).await;
        attempt += 1;
    }
}
