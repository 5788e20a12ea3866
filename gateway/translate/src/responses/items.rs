//! The items of an answer.

use super::carrier;
use crate::json::Object;

/// The prefix of an item's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Message,
    Refusal,
    Call,
    Reasoning,
    Redacted,
}

impl Kind {
    /// The id of the item of a number.
    pub(super) fn id(self, request: &str, number: usize) -> String {
        let prefix = match self {
            Self::Message | Self::Refusal => "msg",
            Self::Call => "fc",
            Self::Reasoning | Self::Redacted => "rs",
        };
        format!("{prefix}_{request}_{number}")
    }
}

/// Writes a part of a message.
pub(super) fn text_part(kind: Kind, text: &str, o: &mut Object<'_>) {
    if kind == Kind::Refusal {
        o.text("type", "refusal");
        o.text("refusal", text);
    } else {
        o.text("type", "output_text");
        o.text("text", text);
        o.array("annotations", |_| {});
        o.array("logprobs", |_| {});
    }
}

/// Writes a message; without a text it has only begun.
pub(super) fn message(id: &str, kind: Kind, text: Option<&str>, status: &str, o: &mut Object<'_>) {
    o.text("id", id);
    o.text("type", "message");
    o.text("status", status);
    o.text("role", "assistant");
    o.array("content", |parts| {
        if let Some(text) = text {
            parts.object(|o| text_part(kind, text, o));
        }
    });
}

/// Writes a call of a function.
pub(super) fn call(id: &str, call_id: &str, name: &str, arguments: &str, status: &str, o: &mut Object<'_>) {
    o.text("id", id);
    o.text("type", "function_call");
    o.text("status", status);
    o.text("call_id", call_id);
    o.text("name", name);
    o.text("arguments", arguments);
}

/// Writes thoughts.
pub(super) fn reasoning(id: &str, text: &str, signature: Option<&str>, o: &mut Object<'_>) {
    o.text("id", id);
    o.text("type", "reasoning");
    o.array("summary", |parts| {
        if !text.is_empty() {
            parts.object(|o| summary(text, o));
        }
    });
    if let Some(signature) = signature {
        o.text("encrypted_content", &carrier::signed(signature));
    }
}

/// Writes a part of thoughts.
pub(super) fn summary(text: &str, o: &mut Object<'_>) {
    o.text("type", "summary_text");
    o.text("text", text);
}

/// Writes thoughts that nobody can read.
pub(super) fn redacted(id: &str, data: &str, o: &mut Object<'_>) {
    o.text("id", id);
    o.text("type", "reasoning");
    o.array("summary", |_| {});
    o.text("encrypted_content", &carrier::redacted(data));
}
