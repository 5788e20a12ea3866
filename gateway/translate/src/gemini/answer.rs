//! A whole answer, and a count.

use serde::Deserialize;

use super::state::{State, Unsaid};
use crate::chat::{Answer, Event, Unreadable};
use crate::gathered;

/// Reads an answer.
///
/// # Errors
/// [`Unreadable`], when it is none.
pub fn read_answer(body: &[u8]) -> Result<Answer, Unreadable> {
    let (mut state, mut events) = (State::default(), Vec::new());
    let response = serde_json::from_slice(body)?;
    state.take(response, &mut events).map_err(|Unsaid(what)| Unreadable::Protocol(what))?;
    if events.iter().any(|event| matches!(event, Event::Fault(_))) {
        return Err(Unreadable::Protocol("the model made a call that cannot be read"));
    }
    if !state.end(&mut events) {
        return Err(Unreadable::Empty);
    }
    Ok(gathered::answer(events))
}

/// Reads how many tokens a request has.
///
/// # Errors
/// [`Unreadable`], when the answer does not say.
pub fn read_count(body: &[u8]) -> Result<u64, Unreadable> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Count {
        total_tokens: u64,
    }
    Ok(serde_json::from_slice::<Count>(body)?.total_tokens)
}
