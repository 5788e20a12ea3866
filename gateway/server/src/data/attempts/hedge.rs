//! Hedging: the next target is asked beside one that keeps its caller waiting, and the first answer that can be served
//! wins.
//!
//! In: a model that declares it, and its targets in order. Out: the answer that won; every other request is cancelled
//! by then, its connection closed. A hedge is an attempt that would have come anyway had the first target failed: it
//! goes to the same targets in the same order, each with the route's own number of attempts, so that nothing is asked
//! more often than without hedging. The caller's limits were charged before, once. Bodies are read whole before
//! anything is asked, so that each of them can be sent again.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use super::tried::Tried;
use super::{Call, Entered, Failure, Given, answered, enter, wait_after};
use crate::data::account::{Account, Said};
use crate::data::answer::Answer;
use crate::data::ask::Outgoing;
use crate::data::outbound;
use crate::gauges;
use crate::routing::{Hedge, Model, Order, Target};

/// The targets of a model, asked beside each other.
pub(super) struct Race<'a> {
    call: &'a Call<'a>,
    model: &'a Model,
    after: Duration,
    /// Targets that may still be asked beside others.
    spare: u32,
    targets: <Order<'a> as IntoIterator>::IntoIter,
    /// Whether other models are left to try.
    has_models: bool,
    lanes: Vec<Lane<'a>>,
    /// An answer that refuses the request, while somebody else may still serve it.
    refusal: Option<(u32, &'a Target, Answer)>,
}

/// What is under way at one target.
struct Lane<'a> {
    target: &'a Target,
    outgoing: Arc<Outgoing>,
    is_hedge: bool,
    /// Its attempt among all of the request.
    number: u32,
    /// Its attempt at this target.
    attempt: u32,
    asked: Instant,
    /// Whether the head of its answer has come.
    is_heard: Arc<AtomicBool>,
    /// Nothing between two attempts.
    entered: Option<Entered<'a>>,
    step: Pin<Box<dyn Future<Output = Step> + Send + 'a>>,
}

/// What a lane came to.
enum Step {
    /// An attempt has ended.
    Ended(Box<Result<Answer, Failure>>),
    /// The wait before another one is over.
    Rested(Failure),
}

impl<'a> Race<'a> {
    pub(super) fn new(
        call: &'a Call<'a>,
        model: &'a Model,
        hedge: Hedge,
        targets: <Order<'a> as IntoIterator>::IntoIter,
        has_models: bool,
    ) -> Self {
        let Hedge { after, max: spare } = hedge;
        Self { call, model, after, spare, targets, has_models, lanes: Vec::new(), refusal: None }
    }

    /// Asks until somebody answers, or nobody is left to ask. Dropped before, it cancels all that is under way.
    pub(super) async fn run(mut self, tried: &mut Tried, account: &mut Account) -> Option<Given<'a>> {
        let mut hedge_by = Instant::now();
        loop {
            if self.lanes.is_empty() {
                if let Some((number, target, answer)) = self.refusal.take() {
                    return Some(self.wins(number, target, answer, account));
                }
                if !self.ask_next(false, tried, account) {
                    return None;
                }
                hedge_by = Instant::now() + self.after;
            }
            let may_hedge = self.spare > 0 && self.targets.len() > 0;
            // Cancelled, neither loses anything: lanes keep their state.
            let (index, step) = tokio::select! {
                biased;
                done = first(&mut self.lanes) => done,
                () = tokio::time::sleep_until(hedge_by), if may_hedge => {
                    hedge_by = Instant::now() + self.after;
                    if self.is_silent() && self.ask_next(true, tried, account) {
                        self.spare -= 1;
                    }
                    continue;
                }
            };
            match step {
                Step::Rested(failure) => self.ask_again(index, failure, tried, account),
                Step::Ended(ended) => match *ended {
                    Ok(answer) => {
                        if let Some(given) = self.has_answered(index, answer, tried, account) {
                            return Some(given);
                        }
                    }
                    Err(failure) => self.has_failed(index, failure, tried, account),
                },
            }
        }
    }

    /// Whether nothing was heard. Of a stream only what is content counts, and with that its lane has ended.
    fn is_silent(&self) -> bool {
        self.call.ask.fields.stream || !self.lanes.iter().any(|lane| lane.is_heard.load(Ordering::Relaxed))
    }

    /// Asks the next target that may be asked. Says whether there is one.
    fn ask_next(&mut self, is_hedge: bool, tried: &mut Tried, account: &mut Account) -> bool {
        while let Some(target) = self.targets.next() {
            if !tried.leaves(target) {
                continue;
            }
            let begun = self.call.ask.for_target(target, &account.request_id).and_then(|outgoing| {
                let entered = enter(self.call, self.model, target).map_err(Failure::Unavailable)?;
                Ok((Arc::new(outgoing), entered))
            });
            let (outgoing, entered) = match begun {
                Ok(begun) => begun,
                Err(failure) => {
                    account.explains(target, &failure, self.call.health());
                    tried.note(failure);
                    continue;
                }
            };
            if is_hedge {
                let hedges = self.call.worker.config.gauges.hedges();
                hedges.count(self.model.name.as_str(), gauges::Hedge::Sent);
            }
            let lane = self.begin(
                Lane {
                    target,
                    outgoing,
                    is_hedge,
                    number: 0,
                    attempt: 1,
                    asked: Instant::now(),
                    is_heard: Arc::default(),
                    entered: Some(entered),
                    step: Box::pin(std::future::pending()),
                },
                account,
            );
            self.lanes.push(lane);
            return true;
        }
        false
    }

    /// Begins an attempt on a lane.
    fn begin(&self, mut lane: Lane<'a>, account: &mut Account) -> Lane<'a> {
        let (call, target) = (self.call, lane.target);
        lane.number = account.asks(target, call.ask.operation, call.worker);
        lane.asked = Instant::now();
        lane.is_heard = Arc::default();
        let (outgoing, is_heard) = (Arc::clone(&lane.outgoing), Arc::clone(&lane.is_heard));
        let (request_id, traceparent) = (account.request_id.clone(), account.trail.traceparent());
        lane.step = Box::pin(async move {
            let said = Said { request_id: &request_id, traceparent };
            let ended = match outbound::begin(call, target, &outgoing, &said).await {
                Ok(begun) => {
                    is_heard.store(true, Ordering::Relaxed);
                    outbound::read(call, target, &outgoing, begun).await
                }
                Err(failure) => Err(failure),
            };
            Step::Ended(Box::new(ended))
        });
        lane
    }

    /// A lane's attempt failed: it rests before the next one, or is over.
    fn has_failed(&mut self, index: usize, failure: Failure, tried: &mut Tried, account: &mut Account) {
        let mut lane = self.lanes.remove(index);
        account.trail.failed(lane.number, &failure);
        let has_others = self.targets.len() > 0 || !self.lanes.is_empty() || self.has_models;
        let wait = lane.entered.take().and_then(|entered| {
            let so_far = (lane.attempt, has_others);
            wait_after(self.call, lane.target, &failure, entered, so_far, &account.request_id)
        });
        let Some(wait) = wait else {
            account.explains(lane.target, &failure, self.call.health());
            return tried.note(failure);
        };
        lane.step = Box::pin(async move {
            tokio::time::sleep(wait).await;
            Step::Rested(failure)
        });
        self.lanes.push(lane);
    }

    /// A lane has rested after this failure, and asks again, if its target may be asked now.
    fn ask_again(&mut self, index: usize, failure: Failure, tried: &mut Tried, account: &mut Account) {
        let mut lane = self.lanes.remove(index);
        let Ok(entered) = enter(self.call, self.model, lane.target) else {
            account.explains(lane.target, &failure, self.call.health());
            return tried.note(failure);
        };
        lane.entered = Some(entered);
        lane.attempt += 1;
        let lane = self.begin(lane, account);
        self.lanes.push(lane);
    }

    /// A lane has an answer. It wins unless it refuses the request and somebody else may still serve it.
    fn has_answered(
        &mut self,
        index: usize,
        answer: Answer,
        tried: &mut Tried,
        account: &mut Account,
    ) -> Option<Given<'a>> {
        let Lane { target, number, asked, entered, is_hedge, .. } = self.lanes.remove(index);
        let asked = self.model.is_measured.then_some(asked);
        let answer = match answered(self.call, target, answer, asked, entered?, account) {
            Ok(answer) => answer,
            Err(failure) => {
                account.trail.failed(number, &failure);
                tried.note(failure);
                return None;
            }
        };
        if let Some((number, ..)) = self.refusal.take() {
            account.trail.beaten(number);
        }
        if !answer.status.is_success() && !self.lanes.is_empty() {
            self.refusal = Some((number, target, answer));
            return None;
        }
        if is_hedge {
            let hedges = self.call.worker.config.gauges.hedges();
            hedges.count(self.model.name.as_str(), gauges::Hedge::Won);
        }
        Some(self.wins(number, target, answer, account))
    }

    /// An answer has won. What else is under way is cancelled: its connections close.
    fn wins(&mut self, number: u32, target: &'a Target, answer: Answer, account: &mut Account) -> Given<'a> {
        tracing::debug!(id = %account.request_id, number, beaten = self.lanes.len(), "an attempt won");
        for lane in self.lanes.drain(..) {
            account.trail.beaten(lane.number);
            if self.model.is_measured && lane.entered.is_some() {
                // It takes at least as long.
                let health = lane.target.health(self.call.health());
                self.call.occasion().pace(health).note(lane.asked.elapsed(), self.call.health().now());
            }
        }
        account.serves(target);
        Given { answer, by: Some((self.model, target)) }
    }
}

/// The first lane to come to something, and what.
async fn first(lanes: &mut [Lane<'_>]) -> (usize, Step) {
    poll_fn(|cx| {
        let mut steps = lanes.iter_mut().map(|lane| lane.step.as_mut().poll(cx)).enumerate();
        steps
            .find_map(|(index, step)| match step {
                Poll::Ready(step) => Some(Poll::Ready((index, step))),
                Poll::Pending => None,
            })
            .unwrap_or(Poll::Pending)
    })
    .await
}
