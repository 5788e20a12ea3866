//! Whose thoughts they are.
//!
//! Callers carry a provider's signed thoughts from turn to turn without a look inside, and the next turn may go to
//! another provider, which would refuse what it has not signed. So the signatures of all but Claude's models are marked
//! on their way out, and on their way back a provider gets its own and no others. Claude's are the same at Anthropic
//! and at Bedrock, and are not marked: a caller that spoke Messages to Anthropic itself has the very same.

use crate::chat::{Block, Event, Part, Request};
use crate::wire::Wire;

const GEMINI: &str = "gemini:";

/// The mark of a provider's signatures.
const fn mark(wire: Wire) -> Option<&'static str> {
    match wire {
        Wire::Gemini => Some(GEMINI),
        Wire::OpenAiChat | Wire::AnthropicMessages | Wire::BedrockConverse | Wire::CohereChat => None,
    }
}

fn put_mark(signature: &mut String, wire: Wire) {
    if let Some(mark) = mark(wire) {
        signature.insert_str(0, mark);
    }
}

/// Takes the mark off; `None` when it is another provider's.
fn own(signature: &str, wire: Wire) -> Option<String> {
    match mark(wire) {
        Some(mark) => signature.strip_prefix(mark).map(str::to_owned),
        None => (!signature.starts_with(GEMINI)).then(|| signature.to_owned()),
    }
}

/// Marks an answer's.
pub(super) fn leave(parts: &mut [Part], wire: Wire) {
    for part in parts {
        match part {
            Part::Reasoning { signature: Some(signature), .. } | Part::RedactedReasoning(signature) => {
                put_mark(signature, wire);
            }
            _ => {}
        }
    }
}

/// Marks an event's.
pub(super) fn leave_event(event: &mut Event, wire: Wire) {
    match event {
        Event::Signature { signature, .. }
        | Event::Open { block: Block::RedactedReasoning(signature), .. } => put_mark(signature, wire),
        _ => {}
    }
}

/// Keeps a request's own, and names that others were left out.
pub(super) fn arrive(request: &mut Request, wire: Wire) {
    let mut has_others = false;
    for message in &mut request.messages {
        message.parts.retain_mut(|part| match part {
            Part::Reasoning { signature: Some(signature), .. } | Part::RedactedReasoning(signature) => {
                let found = own(signature, wire);
                has_others |= found.is_none();
                found.map(|own| *signature = own).is_some()
            }
            _ => true,
        });
    }
    if has_others {
        request.drop_field("thinking");
    }
}
