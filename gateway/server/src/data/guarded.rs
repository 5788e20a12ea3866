//! A request and the guardrails it is under: what is asked before it goes upstream, and its answer before it goes back.
//!
//! Whole answers are judged here, streams on their way ([`super::relay`]), unless a service outside must judge them: then
//! a stream is held until it has ended and the service has spoken, and the caller is sent nothing before.

use std::sync::Arc;
use std::time::Duration;

use moorline_translate::Parts;

use super::account::Account;
use super::answer::{Answer, Content, Flow, Source, Watch};
use super::ask::Ask;
use super::attempts::{Clock, Failure};
use super::refusal::Refusal;
use super::request_id::RequestId;
use super::worker::Worker;
use crate::guardrails::{self, About, Bench, Cleared, Guards, Stage, StreamGuard, text};
use crate::routing::{Key, Model, Route};

/// The most of a stream that is held until it is judged.
const HELD_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// The guardrails of one request, and what judging takes.
pub(super) struct Guarded {
    pub(super) guards: Guards,
    bench: Bench,
}

impl Guarded {
    /// Of a route and a key; nothing when there are none.
    pub(super) fn of(
        worker: &Worker,
        (route, key, model): (&Route, &Key, &Model),
        ask: &Ask,
        request_id: &RequestId,
    ) -> Option<Self> {
        let guards = Guards::of(&route.guardrails, &key.guardrails)?;
        let about = About {
            request_id: request_id.to_string(),
            key: key.name.to_string(),
            model: model.name.to_string(),
            endpoint: ask.operation.path(),
        };
        let bench = Bench {
            counts: Arc::clone(worker.config.gauges.guardrails()),
            judges: Arc::clone(&worker.judges),
            about: Arc::new(about),
        };
        Some(Self { guards, bench })
    }

    /// Judges an answer, or gives what will judge it as it comes. What was used is charged also when nobody gets to see
    /// it.
    pub(super) async fn admit(
        &self,
        answer: &mut Answer,
        idle: Duration,
        deadline: tokio::time::Instant,
        account: &mut Account,
    ) -> Result<Option<Box<StreamGuard>>, Refusal> {
        let guards = &self.guards;
        if !guards.read_answers() || !answer.status.is_success() {
            return Ok(None);
        }
        let text = match &mut answer.content {
            Content::Flow(Flow { watch: Watch::Events(_), .. }) if !guards.hold_answers() => {
                return Ok(guards.stream(&self.bench).map(Box::new));
            }
            Content::Flow(flow) if matches!(flow.watch, Watch::Events(_)) => {
                let gathered = tokio::time::timeout_at(deadline, gather(flow, idle)).await;
                if let Watch::Events(events) = &flow.watch {
                    account.tokens = events.tokens();
                    account.output_estimate = events.output_estimate();
                }
                gathered.map_err(|_| Refusal::from(&Failure::Slow(Clock::Total)))?
            }
            // Too large, or no text at all.
            Content::Flow(_) => None,
            Content::Whole { body, tokens, output_estimate } => {
                account.tokens = *tokens;
                account.output_estimate = *output_estimate;
                text::of_answer(&joined(body))
            }
        };
        let refused = |blocked: guardrails::Blocked| Refusal::blocked(&blocked);
        guards.answer(text.as_deref(), &self.bench.counts).map_err(refused)?;
        guards.ask(Stage::Response, text, &self.bench).await.map_err(refused)?;
        Ok(None)
    }
}

/// Judges a request.
pub(super) async fn clear(ask: Ask, guarded: Option<&Guarded>) -> Result<Cleared<Ask>, Refusal> {
    let guarded = guarded.map(|guarded| (&guarded.guards, &guarded.bench));
    guardrails::clear(ask, guarded).await.map_err(|blocked| Refusal::blocked(&blocked))
}

/// Reads a stream to its end, and gives what it says; nothing when that cannot be read, or is too large. How it ended is
/// told by the relay, as for any other.
async fn gather(flow: &mut Flow, idle: Duration) -> Option<String> {
    let Flow { ready, source, watch: Watch::Events(events) } = flow else { return None };
    while !events.is_done() {
        match source.next(idle, Clock::Idle).await {
            Ok(Some(chunk)) => events.feed(chunk, ready).ok()?,
            Ok(None) => {
                events.end(ready).ok()?;
                break;
            }
            // It broke off, or fell silent: nothing of it is to come.
            Err(_) => {
                *source = Source::ended();
                break;
            }
        }
        if ready.length() > HELD_BYTES_MAX {
            return None;
        }
    }
    text::of_events(&joined(ready))
}

fn joined(body: &Parts) -> Vec<u8> {
    body.iter().flat_map(|part| part.iter().copied()).collect()
}
