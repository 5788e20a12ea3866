//! Retry, failover and fallback, all before the first byte reaches the caller.
//!
//! In: an admitted request. Out: an answer that has begun well, or the failure that ended the last attempt. A failure
//! says what may follow it: an overloaded target is asked again after a wait, one that refuses our credential is not,
//! and a fault of the caller's own is no failure at all but an answer. What each attempt says of its target goes to
//! [`crate::health`], which also says whom not to ask now.

mod backoff;
mod failure;
mod hedge;
mod retry_after;
mod tried;

use std::time::Duration;

use http::HeaderMap;
use moorline_translate::Tokens;
use tokio::time::Instant;

use failure::Fault;
pub(super) use failure::{Clock, Failure};
use hedge::Race;
pub(super) use retry_after::retry_after;
use tried::{TooLong, Tried};

use super::account::Account;
use super::answer::Answer;
use super::ask::Ask;
use super::explain;
use super::outbound;
use super::request_id::RequestId;
use super::worker::Worker;
use crate::cache::Giver;
use crate::guardrails::{Cleared, Guards};
use crate::health::{Health, Pass, Unavailable, Use, Verdict};
use crate::routing::order::{Occasion, Order};
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

/// An answer that has begun well, and who gives it.
pub(super) struct Given<'a> {
    pub(super) answer: Answer,
    by: Option<(&'a Model, &'a Target)>,
}

impl Given<'_> {
    /// Who gives it, to be kept with it. Nobody: it is the word of one that could not.
    pub(super) fn giver(&self) -> Option<Giver> {
        self.by.map(|(model, target)| Giver {
            model: model.name.clone(),
            provider: target.upstream.provider.clone(),
            target: target.model.clone(),
        })
    }
}

/// Asks target after target until one begins to answer.
pub(super) async fn run<'a>(call: &'a Call<'_>, account: &mut Account) -> Result<Given<'a>, Failure> {
    let all = async {
        let mut tried = Tried::default();
        let mut chain = call.chain().peekable();
        while let Some(model) = chain.next() {
            let mut targets = call.targets(model).into_iter();
            if let Some(hedge) = model.hedge {
                let race = Race::new(call, model, hedge, targets, chain.peek().is_some());
                if let Some(given) = Box::pin(race.run(&mut tried, account)).await {
                    return Ok(given);
                }
                continue;
            }
            while let Some(target) = targets.next() {
                if !tried.leaves(target) {
                    continue;
                }
                let has_others = targets.len() > 0 || chain.peek().is_some();
                match ask(call, model, target, has_others, account).await {
                    Ok(answer) => return Ok(Given { answer, by: Some((model, target)) }),
                    Err(failure) => {
                        account.explains(target, &failure, call.health());
                        tried.note(failure);
                    }
                }
            }
        }
        tried.end().map(|answer| Given { answer, by: None })
    };
    match tokio::time::timeout_at(call.deadline, all).await {
        Ok(ended) => ended,
        Err(_) => Err(Failure::Slow(Clock::Total)),
    }
}

impl Call<'_> {
    pub(super) fn health(&self) -> &Health {
        &self.worker.config.health
    }

    /// Whether this request could itself be answered by whoever gave an answer that was kept: on this route, to this
    /// key, with these headers, by what is declared now.
    pub(super) fn may_get_from(&self, giver: &Giver) -> bool {
        let occasion = self.occasion();
        self.chain().filter(|model| model.name == giver.model).flat_map(Model::targets).any(|target| {
            target.model == giver.target
                && target.upstream.provider == giver.provider
                && target.serves(&occasion)
        })
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

    /// The targets of a model, in the order to try them.
    pub(super) fn targets<'m>(&self, model: &'m Model) -> Order<'m> {
        model.in_order(&self.occasion(), self.health(), |sides| self.worker.dice.below(sides))
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
    has_others: bool,
    account: &mut Account,
) -> Result<Answer, Failure> {
    let outgoing = call.ask.for_target(target, &account.request_id)?;
    let mut entered = enter(call, model, target).map_err(Failure::Unavailable)?;
    let mut attempt = 1;
    loop {
        let number = account.asks(target, call.ask.operation, call.worker);
        let asked = model.is_measured.then(Instant::now);
        let failure = match outbound::send(call, target, &outgoing, &account.says()).await {
            Ok(answer) => {
                let answered = answered(call, target, answer, asked, entered, account);
                return answered.inspect_err(|failure| account.trail.failed(number, failure));
            }
            Err(failure) => failure,
        };
        account.trail.failed(number, &failure);
        let wait = wait_after(call, target, &failure, entered, (attempt, has_others), &account.request_id);
        let Some(wait) = wait else { return Err(failure) };
        tokio::time::sleep(wait).await;
        entered = match enter(call, model, target) {
            Ok(entered) => entered,
            Err(_) => return Err(failure),
        };
        attempt += 1;
    }
}

/// Lays a failure where it belongs, and says how long to wait before the target is asked again, if it is. `has_others`:
/// whether another target is left to try.
fn wait_after(
    call: &Call<'_>,
    target: &Target,
    failure: &Failure,
    entered: Entered<'_>,
    (attempt, has_others): (u32, bool),
    id: &RequestId,
) -> Option<Duration> {
    tracing::debug!(
        %id,
        provider = %target.upstream.provider,
        model = %target.model,
        attempt,
        error = %failure,
        cause = std::error::Error::source(failure).map(tracing::field::display),
        "an attempt failed"
    );
    attribute(call, target, failure, entered);
    let retry = call.route.retry;
    // One that says how long it wants to be left alone is left alone while there are others.
    let is_left_alone = failure.fault() == Fault::Limit && failure.retry_after().is_some() && has_others;
    if attempt >= retry.attempts || !failure.may_pass() || is_left_alone {
        return None;
    }
    let wait = backoff::wait_before(attempt, retry.backoff, failure.retry_after(), &call.worker.dice)?;
    (Instant::now() + wait < call.deadline).then_some(wait)
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
    if failure.fault() != Fault::Nobody {
        target.health(call.health()).note_fault(explain::fault(failure));
    }
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
