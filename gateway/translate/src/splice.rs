//! Replacing a few fields of a body and leaving every other byte alone.
//!
//! In: the original bytes and the edits. Out: the parts of the new body, which share the original's memory.

use bytes::Bytes;

use crate::scan::{Fields, Span};

/// Replacements in a body.
#[derive(Debug, Clone, Default)]
pub struct Edits(Vec<(Span, Bytes)>);

/// Whether the caller asked for the usage event at the end of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageEvent {
    /// It did: the event is its own.
    Asked,
    /// It did not: we ask for our own sake, and take the event out.
    Ours,
}

impl Edits {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Makes `model` the model that is asked for. `model` needs no escapes: names have none.
    pub fn model(&mut self, fields: &Fields, model: &str) {
        if fields.model.as_deref() == Some(model) {
            return;
        }
        match fields.model_span {
            Some(span) => self.0.push((span, Bytes::from(["\"", model, "\""].concat()))),
            None => self.insert_first(fields, &["\"model\":\"", model, "\""].concat()),
        }
    }

    /// Asks for the usage event of a chat stream. Says whose the event is.
    pub fn include_usage(&mut self, body: &[u8], fields: &Fields) -> UsageEvent {
        let Some(span) = fields.stream_options else {
            self.insert_first(fields, r#""stream_options":{"include_usage":true}"#);
            return UsageEvent::Ours;
        };
        // A small object: reading it as a tree costs nothing that counts. `null` reads as no options.
        let options: Option<serde_json::Map<_, _>> =
            serde_json::from_slice(span.of(body)).unwrap_or_default();
        let mut options = options.unwrap_or_default();
        if options.get("include_usage") == Some(&serde_json::Value::Bool(true)) {
            return UsageEvent::Asked;
        }
        options.insert("include_usage".to_owned(), true.into());
        self.0.push((span, Bytes::from(serde_json::Value::Object(options).to_string())));
        UsageEvent::Ours
    }

    fn insert_first(&mut self, fields: &Fields, member: &str) {
        // Two insertions into an empty object cannot happen: a body without a model names no stream either.
        let comma = if fields.is_empty { "" } else { "," };
        let span = Span { start: fields.open, end: fields.open };
        self.0.push((span, Bytes::from([member, comma].concat())));
    }

    /// The body with the edits made.
    #[must_use]
    pub fn apply(mut self, original: &Bytes) -> Parts {
        self.0.sort_by_key(|(span, _)| span.start);
        let mut parts = Parts::default();
        let mut at = 0;
        for (span, replacement) in self.0 {
            parts.push(original.slice(at..span.start));
            parts.push(replacement);
            at = span.end;
        }
        parts.push(original.slice(at..));
        parts
    }
}

/// A body in parts, in order.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    parts: std::collections::VecDeque<Bytes>,
    length: u64,
}

impl Parts {
    /// Adds a part at the end.
    pub fn push(&mut self, part: Bytes) {
        if !part.is_empty() {
            self.length += part.len() as u64;
            self.parts.push_back(part);
        }
    }

    /// Takes the next part.
    pub fn next_part(&mut self) -> Option<Bytes> {
        let part = self.parts.pop_front()?;
        self.length -= part.len() as u64;
        Some(part)
    }

    /// The body, when it is in one part.
    #[must_use]
    pub fn only(&self) -> Option<&Bytes> {
        self.parts.front().filter(|_| self.parts.len() == 1)
    }

    /// The parts, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Bytes> {
        self.parts.iter()
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Bytes left.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }
}

impl From<Bytes> for Parts {
    fn from(whole: Bytes) -> Self {
        let mut parts = Self::default();
        parts.push(whole);
        parts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scan::scan;

    fn joined(mut parts: Parts) -> String {
        let length = parts.length();
        let mut all = Vec::new();
        while let Some(part) = parts.next_part() {
            all.extend_from_slice(&part);
        }
        assert_eq!(all.len() as u64, length);
        String::from_utf8(all).unwrap()
    }

    fn edited(body: &str, model: &str, usage: bool) -> (String, Option<UsageEvent>) {
        let original = Bytes::from(body.to_owned());
        let fields = scan(&original).unwrap();
        let mut edits = Edits::new();
        edits.model(&fields, model);
        let event = usage.then(|| edits.include_usage(&original, &fields));
        (joined(edits.apply(&original)), event)
    }

    #[test]
    fn only_the_fields_that_must_change_do() {
        for (body, expected) in [
            (r#"{"model":"a", "x" : 1.0e0}"#, r#"{"model":"b", "x" : 1.0e0}"#),
            (r#"{ "x":1,"model" : "a" }"#, r#"{ "x":1,"model" : "b" }"#),
            (r#"{"x":1}"#, r#"{"model":"b","x":1}"#),
            ("{}", r#"{"model":"b"}"#),
            (r#"{"model":"b","é":"\u00e9"}"#, r#"{"model":"b","é":"\u00e9"}"#),
        ] {
            assert_eq!(edited(body, "b", false).0, expected);
        }
    }

    #[test]
    fn the_usage_event_is_asked_for_once() {
        use UsageEvent::{Asked, Ours};
        for (body, expected, event) in [
            (r#"{"model":"b"}"#, r#"{"stream_options":{"include_usage":true},"model":"b"}"#, Ours),
            (
                r#"{"model":"b","stream_options":null}"#,
                r#"{"model":"b","stream_options":{"include_usage":true}}"#,
                Ours,
            ),
            (
                r#"{"stream_options":{},"model":"b"}"#,
                r#"{"stream_options":{"include_usage":true},"model":"b"}"#,
                Ours,
            ),
            (
                r#"{"stream_options":{"include_usage":false,"z":1},"model":"b"}"#,
                r#"{"stream_options":{"include_usage":true,"z":1},"model":"b"}"#,
                Ours,
            ),
            (
                r#"{"model":"b","stream_options":{ "include_usage" : true}}"#,
                r#"{"model":"b","stream_options":{ "include_usage" : true}}"#,
                Asked,
            ),
        ] {
            assert_eq!(edited(body, "b", true), (expected.to_owned(), Some(event)), "{body}");
        }
    }

    proptest! {
        #[test]
        fn an_edited_body_reads_as_the_same_body_with_another_model(
            before in "[a-z ]{0,9}", after in any::<String>(), named: bool, stream in prop::option::of(any::<bool>()),
        ) {
            let mut body = serde_json::json!({"a": before, "z": after});
            if named {
                body["model"] = "old".into();
            }
            if let Some(asked) = stream {
                body["stream_options"] = serde_json::json!({"include_usage": asked});
            }
            let (text, _) = edited(&body.to_string(), "new", true);
            body["model"] = "new".into();
            body["stream_options"] = serde_json::json!({"include_usage": true});
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), body);
        }
    }
}
