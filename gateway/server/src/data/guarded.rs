//! Answers before their guardrails: whole ones are judged here, streams on their way ([`super::relay`]).

use std::sync::Arc;

use moorline_translate::Parts;

use super::account::Account;
use super::answer::{Answer, Content, Flow, Watch};
use super::refusal::Refusal;
use crate::guardrails::{Guards, StreamGuard, Tallies};

/// Judges an answer, or gives what will judge it as it comes. What was used is charged also when nobody gets to see it.
pub(super) fn admit(
    answer: &Answer,
    guards: Option<&Guards>,
    counts: &Arc<Tallies>,
    account: &mut Account,
) -> Result<Option<Box<StreamGuard>>, Refusal> {
    let Some(guards) = guards.filter(|guards| guards.read_answers() && answer.status.is_success()) else {
        return Ok(None);
    };
    let judged = match &answer.content {
        Content::Flow(Flow { watch: Watch::Events(_), .. }) => {
            return Ok(guards.stream(Arc::clone(counts)).map(Box::new));
        }
        // Too large, or no text at all.
        Content::Flow(_) => guards.answer(None, counts),
        Content::Whole { body, tokens, output_estimate } => {
            account.tokens = *tokens;
            account.output_estimate = *output_estimate;
            guards.answer(Some(&joined(body)), counts)
        }
    };
    judged.map(|()| None).map_err(|blocked| Refusal::blocked(&blocked))
}

fn joined(body: &Parts) -> Vec<u8> {
    body.iter().flat_map(|part| part.iter().copied()).collect()
}
