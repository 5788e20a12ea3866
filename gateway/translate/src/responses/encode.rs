//! A stream for a caller.
//!
//! `response.created`, `response.in_progress`, then for each block an item: added, filled in deltas, done; at the end
//! `response.completed` (or `incomplete`) with everything said once more. So everything is kept until then, up to
//! [`ANSWER_BYTES_MAX`]. Items may interleave: each event names its own.

use super::items::{self, Kind};
use super::object::{self, Status};
use crate::chat::{Block, BrokenStream, Event, Usage};
use crate::json::{self, Object};
use crate::matrix::Context;

/// The largest answer that is kept for the last event.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Writes a stream.
#[derive(Debug)]
pub(crate) struct StreamEncoder {
    context: Context,
    sequence: u64,
    items: Vec<Item>,
    calls: usize,
    bytes: usize,
    has_refused: bool,
    usage: Option<Usage>,
}

#[derive(Debug)]
struct Item {
    kind: Kind,
    id: String,
    /// What was said: text, thoughts, arguments, or what nobody can read.
    text: String,
    /// Calls only.
    call_id: String,
    name: String,
    /// Thoughts only.
    signature: Option<String>,
    is_done: bool,
}

impl Item {
    fn write(&self, o: &mut Object<'_>) {
        match self.kind {
            Kind::Message | Kind::Refusal => {
                items::message(&self.id, self.kind, Some(&self.text), "completed", o);
            }
            Kind::Call => items::call(&self.id, &self.call_id, &self.name, &self.text, "completed", o),
            Kind::Reasoning => items::reasoning(&self.id, &self.text, self.signature.as_deref(), o),
            Kind::Redacted => items::redacted(&self.id, &self.text, o),
        }
    }

    /// What it is when it has only begun.
    fn write_begun(&self, o: &mut Object<'_>) {
        match self.kind {
            Kind::Message | Kind::Refusal => items::message(&self.id, self.kind, None, "in_progress", o),
            Kind::Call => items::call(&self.id, &self.call_id, &self.name, "", "in_progress", o),
            Kind::Reasoning | Kind::Redacted => items::reasoning(&self.id, "", None, o),
        }
    }
}

impl StreamEncoder {
    pub(crate) fn new(context: &Context) -> Self {
        Self {
            context: context.clone(),
            sequence: 0,
            items: Vec::new(),
            calls: 0,
            bytes: 0,
            has_refused: false,
            usage: None,
        }
    }

    /// Writes an event.
    pub(crate) fn write(&mut self, event: Event, out: &mut Vec<u8>) -> Result<(), BrokenStream> {
        match event {
            Event::Start { usage, .. } => {
                self.usage = usage;
                self.frame("response.created", Status::InProgress, out);
                self.frame("response.in_progress", Status::InProgress, out);
            }
            Event::Open { block, .. } => self.open(block, out)?,
            Event::Text { index, text } | Event::Arguments { index, json: text } => {
                self.delta(index, &text, out)?;
            }
            Event::Signature { index, signature } => {
                self.hold(signature.len())?;
                if let Some(item) = self.items.get_mut(index) {
                    item.signature = Some(signature);
                }
            }
            Event::Close { index } => self.close(index, out),
            Event::End { stop, usage } => {
                self.usage = usage.or(self.usage);
                let status = Status::of(&stop, self.has_refused);
                let kind = match status {
                    Status::Incomplete(_) => "response.incomplete",
                    _ => "response.completed",
                };
                self.frame(kind, status, out);
            }
            // The matrix writes faults.
            Event::Fault(_) => {}
        }
        Ok(())
    }

    /// Writes that the stream cannot go on.
    pub(crate) fn fail(&mut self, code: &str, message: &str, out: &mut Vec<u8>) {
        self.frame("response.failed", Status::Failed { code, message }, out);
    }

    /// Counts what is kept.
    fn hold(&mut self, bytes: usize) -> Result<(), BrokenStream> {
        self.bytes += bytes;
        if self.bytes > ANSWER_BYTES_MAX { Err(BrokenStream::Oversized) } else { Ok(()) }
    }

    fn open(&mut self, block: Block, out: &mut Vec<u8>) -> Result<(), BrokenStream> {
        let index = self.items.len();
        let (kind, text, call_id, name) = match block {
            Block::Text => (Kind::Message, String::new(), String::new(), String::new()),
            Block::Refusal => (Kind::Refusal, String::new(), String::new(), String::new()),
            Block::Reasoning => (Kind::Reasoning, String::new(), String::new(), String::new()),
            Block::RedactedReasoning(data) => (Kind::Redacted, data, String::new(), String::new()),
            Block::ToolCall { id, name } => {
                let id = self.context.call_id(&id, self.calls).into_owned();
                self.calls += 1;
                (Kind::Call, String::new(), id, name)
            }
        };
        self.hold(text.len() + call_id.len() + name.len())?;
        self.has_refused |= kind == Kind::Refusal;
        let id = kind.id(&self.context.id, index);
        let item = Item { kind, id, text, call_id, name, signature: None, is_done: false };
        self.event("response.output_item.added", out, |o| {
            o.number("output_index", index as u64);
            o.object("item", |o| item.write_begun(o));
        });
        if matches!(kind, Kind::Message | Kind::Refusal) {
            self.event("response.content_part.added", out, |o| {
                place(&item.id, index, Some("content_index"), o);
                o.object("part", |o| items::text_part(kind, "", o));
            });
        }
        self.items.push(item);
        Ok(())
    }

    fn delta(&mut self, index: usize, text: &str, out: &mut Vec<u8>) -> Result<(), BrokenStream> {
        self.hold(text.len())?;
        let Some(item) = self.items.get_mut(index).filter(|item| !item.is_done) else { return Ok(()) };
        let is_first = item.text.is_empty();
        item.text.push_str(text);
        let (kind, id) = (item.kind, item.id.clone());
        let (event, part) = match kind {
            Kind::Message => ("response.output_text.delta", Some("content_index")),
            Kind::Refusal => ("response.refusal.delta", Some("content_index")),
            Kind::Call => ("response.function_call_arguments.delta", None),
            Kind::Reasoning => ("response.reasoning_summary_text.delta", Some("summary_index")),
            Kind::Redacted => return Ok(()),
        };
        if kind == Kind::Reasoning && is_first {
            self.event("response.reasoning_summary_part.added", out, |o| {
                place(&id, index, part, o);
                o.object("part", |o| items::summary("", o));
            });
        }
        self.event(event, out, |o| {
            place(&id, index, part, o);
            o.text("delta", text);
            if kind == Kind::Message {
                o.array("logprobs", |_| {});
            }
        });
        Ok(())
    }

    fn close(&mut self, index: usize, out: &mut Vec<u8>) {
        let Some(item) = self.items.get_mut(index).filter(|item| !item.is_done) else { return };
        item.is_done = true;
        // Lent out while its events are written.
        let mut item = std::mem::replace(item, Item::nothing());
        if item.kind == Kind::Call && item.text.is_empty() {
            item.text.push_str("{}");
        }
        match item.kind {
            Kind::Message => self.text_done("response.output_text.done", "text", &item, index, out),
            Kind::Refusal => self.text_done("response.refusal.done", "refusal", &item, index, out),
            Kind::Call => self.event("response.function_call_arguments.done", out, |o| {
                place(&item.id, index, None, o);
                o.text("name", &item.name);
                o.text("arguments", &item.text);
            }),
            Kind::Reasoning if !item.text.is_empty() => {
                self.event("response.reasoning_summary_text.done", out, |o| {
                    place(&item.id, index, Some("summary_index"), o);
                    o.text("text", &item.text);
                });
                self.event("response.reasoning_summary_part.done", out, |o| {
                    place(&item.id, index, Some("summary_index"), o);
                    o.object("part", |o| items::summary(&item.text, o));
                });
            }
            Kind::Reasoning | Kind::Redacted => {}
        }
        self.event("response.output_item.done", out, |o| {
            o.number("output_index", index as u64);
            o.object("item", |o| item.write(o));
        });
        if let Some(place) = self.items.get_mut(index) {
            *place = item;
        }
    }

    fn text_done(&mut self, event: &str, key: &str, item: &Item, index: usize, out: &mut Vec<u8>) {
        self.event(event, out, |o| {
            place(&item.id, index, Some("content_index"), o);
            o.text(key, &item.text);
            if item.kind == Kind::Message {
                o.array("logprobs", |_| {});
            }
        });
        self.event("response.content_part.done", out, |o| {
            place(&item.id, index, Some("content_index"), o);
            o.object("part", |o| items::text_part(item.kind, &item.text, o));
        });
    }

    /// An event that holds the response itself.
    fn frame(&mut self, kind: &str, status: Status<'_>, out: &mut Vec<u8>) {
        let mut output = Vec::new();
        for item in self.items.iter().filter(|item| item.is_done) {
            if !output.is_empty() {
                output.push(b',');
            }
            json::object(&mut output, |o| item.write(o));
        }
        // Only the end says what was used.
        let usage = self.usage.filter(|_| !matches!(status, Status::InProgress | Status::Failed { .. }));
        let context = self.context.clone();
        self.event(kind, out, |o| {
            o.object("response", |o| object::write(&context, status, &output, usage.as_ref(), o));
        });
    }

    fn event(&mut self, kind: &str, out: &mut Vec<u8>, write: impl FnOnce(&mut Object<'_>)) {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\ndata: ");
        let sequence = self.sequence;
        self.sequence += 1;
        json::object(out, |o| {
            o.text("type", kind);
            o.number("sequence_number", sequence);
            write(o);
        });
        out.extend_from_slice(b"\n\n");
    }
}

impl Item {
    fn nothing() -> Self {
        Self {
            kind: Kind::Redacted,
            id: String::new(),
            text: String::new(),
            call_id: String::new(),
            name: String::new(),
            signature: None,
            is_done: true,
        }
    }
}

/// Writes where in the response something stands. Every item has one part, of number 0.
fn place(id: &str, index: usize, part: Option<&str>, o: &mut Object<'_>) {
    o.text("item_id", id);
    o.number("output_index", index as u64);
    if let Some(key) = part {
        o.number(key, 0);
    }
}
