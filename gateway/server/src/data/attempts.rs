//! Retry, failover and fallback, all before the first byte reaches the caller.
//!
//! In: an admitted request. Out: an answer that has begun well, or the failure that ended the last attempt. A failure
//! says what may follow it: an overloaded target is asked again after a wait, one that refuses our credential is not,
//! and a fault of the caller's own is no failure at all but an answer. What each attempt says of its target goes to
//! [`crate::health`], which also says whom not to ask now.

mod backoff;
mod failure;
mod retry_after;
mod tried;

use http::HeaderMap;
use moorline_translate::Tokens;
use tokio::time::Instant;

use failure::Fault;
pub(super) use failure::{Clock, Failure};
pub(super) use retry_after::retry_after;
use tried::{TooLong, Tried};

use super::account::Account;
use super::answer::Answer;
use super::ask::Ask;
use super::outbound;
use super::worker::Worker;
use crate::guardrails::{Cleared, Guards};
use crate::health::{Health, Pass, Unavailable, Use, Verdict};
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
    pub(super) ask: &'a Cleared<Ask>,
    /// What the answer must pass.
    pub(super) guards: Option<&'a Guards>,
    /// What it will use, as far as one can tell before.
    pub(super) estimate: Tokens,
    pub(super) deadline: Instant,
}

/// Asks target after target until one begins to answer.
pub(super) async fn run(call: &Call<'_>, account: &mut Account) -> Result<Answer, Failure> {
    let all = async {
        let mut tried = Tried::default();
        let mut targets = call.targets().peekable();
        while let Some((model, target)) = targets.next() {
            if !tried.leaves(target) {
                continue;
            }
            match ask(call, model, target, || targets.peek().is_some(), account).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => tried.note(failure),
            }
        }
        tried.end()
    };
    match tokio::time::timeout_at(call.deadline, all).await {
        Ok(ended) => ended,
        Err(_) => Err(Failure::Slow(Clock::Total)),
    }
}

impl Call<'_> {
    fn health(&self) -> &Health {
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

    /// All targets to try, in order.
    fn targets(&self) -> impl Iterator<Item = (&Model, &Target)> {
        self.chain().flat_map(|model| {
            let dice = &self.worker.dice;
            let order = model.in_order(&self.occasion(), self.health(), |sides| dice.below(sides));
            order.into_iter().map(move |target| (model, target))
        })
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

/// Asks one target, as often as the route says. `has_others`: whether another target is left to try.
async fn ask(
    call: &Call<'_>,
    model: &Model,
    target: &Target,
    mut has_others: impl FnMut() -> bool,
    account: &mut Account,
) -> Result<Answer, Failure> {
    let retry = call.route.retry;
    let outgoing = call.ask.for_target(target, &account.request_id)?;
    let mut entered = enter(call, model, target).map_err(Failure::Unavailable)?;
    let mut attempt = 1;
    loop {
        account.asks(target, call.ask.operation, call.worker);
        let asked = model.is_measured.then(Instant::now);
        let failure = match outbound::send(call, target, &outgoing, &account.says()).await {
            Ok(answer) => return answered(call, target, answer, asked, entered, account),
            Err(failure) => failure,
        };
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
        attribute(call, target, &failure, entered);
        let wait = backoff::wait_before(attempt, retry.backoff, failure.retry_after(), &call.worker.dice);
        let has_time = wait.is_some_and(|wait| Instant::now() + wait < call.deadline);
        // One that says how long it wants to be left alone is left alone while there are others.
        let is_left_alone =
            failure.fault() == Fault::Limit && failure.retry_after().is_some() && has_others();
        let is_over = attempt >= retry.attempts || !failure.may_pass() || is_left_alone;
        let Some(wait) = wait.filter(|_| has_time && !is_over) else { return Err(failure) };
        tokio::time::sleep(wait).await;
        entered = match enter(call, model, target) {
            Ok(entered) => entered,
            Err(_) => return Err(failure),
        };
        attempt += 1;
    }
}

/// The right to ask a target once, with the credential of its provider.
struct Entered<'a> {
    credential: Use<'a>,
    pass: Pass,
}

fn enter<'a>(call: &Call<'_>, model: &Model, target: &'a Target) -> Result<Entered<'a>, Unavailable> {
    let credential = target.credential(call.health()).enter()?;
    Ok(Entered { credential, pass: target.health(call.health()).enter(model.breaker)? })
}

/// An answer has begun. How it ends is told by the account.
fn answered(
    call: &Call<'_>,
    target: &Target,
    answer: Answer,
    asked: Option<Instant>,
    Entered { credential, mut pass }: Entered<'_>,
    account: &mut Account,
) -> Result<Answer, Failure> {
    credential.taken();
    pass.answered();
    if let Some(asked) = asked.filter(|_| answer.status.is_success()) {
        let pace = call.occasion().pace(target.health(call.health()));
        pace.note(asked.elapsed(), call.health().now());
    }
    let answer = TooLong::told(answer, target).map_err(Failure::TooLong)?;
    account.pass = Some(pass);
    Ok(answer)
}

/// Lays a failure at the door of whoever is at fault.
fn attribute(call: &Call<'_>, target: &Target, failure: &Failure, entered: Entered<'_>) {
    let Entered { credential, mut pass } = entered;
    match failure.fault() {
        Fault::Target => pass.end(Verdict::Bad),
        Fault::Limit => {
            credential.taken();
            pass.answered();
            if let Some(wait) = failure.retry_after() {
                target.health(call.health()).quiet_for(wait);
            }
        }
        Fault::Credential => credential.refused(),
        Fault::Permission => {
            if credential.forbidden() {
                pass.refused();
            }
        }
        Fault::Nobody => {}
    }
}
