//! Bedrock's streams, written from text.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};

/// Frames from lines: `event messageStart {…}`, `exception throttlingException {…}`, `error CODE words`. What is no such
/// line is an event without a name.
pub(crate) fn frames(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in text.lines() {
        let mut words = line.splitn(3, ' ');
        let (kind, name, payload) = (words.next(), words.next(), words.next().unwrap_or_default());
        let text = |text: &str| HeaderValue::String(text.to_owned().into());
        let header = |name: &'static str, value: &str| Header::new(name, text(value));
        let (kind, name) = (kind.unwrap_or_default(), name.unwrap_or_default());
        let message = if kind == "error" {
            Message::new(Vec::new())
                .add_header(header(":error-code", name))
                .add_header(header(":error-message", payload))
        } else {
            let named = if kind == "exception" { ":exception-type" } else { ":event-type" };
            Message::new(payload.as_bytes().to_vec())
                .add_header(header(named, name))
                .add_header(header(":content-type", "application/json"))
        };
        let kind = if matches!(kind, "exception" | "error") { kind } else { "event" };
        write_message_to(&message.add_header(header(":message-type", kind)), &mut bytes).unwrap();
    }
    bytes
}
