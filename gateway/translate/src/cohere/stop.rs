//! Why an answer ends.

use crate::chat::Stop;

/// The provider gave up: there is no answer.
pub(super) struct GivenUp;

pub(super) fn read(reason: &str) -> Result<Stop, GivenUp> {
    Ok(match reason {
        "TOOL_CALL" => Stop::ToolCalls,
        "MAX_TOKENS" => Stop::Length,
        "STOP_SEQUENCE" => Stop::Sequence(None),
        "ERROR_TOXIC" => Stop::Refusal,
        "ERROR" | "ERROR_LIMIT" | "TIMEOUT" | "USER_CANCEL" => return Err(GivenUp),
        // `COMPLETE`, and words to come.
        _ => Stop::End,
    })
}
