//! A stream for a caller.
//!
//! Blocks of this protocol follow each other, none begins before the last has ended. Of blocks that are open at the
//! same time (parallel tool calls) the first is written as it comes, and the others wait until it ends.

use std::collections::VecDeque;

use super::usage;
use crate::chat::{Block, BrokenStream, Event, Stop, Usage};
use crate::json::{self, Object};
use crate::matrix::Context;
use crate::sse::EVENT_BYTES_MAX;

/// Writes a stream.
#[derive(Debug)]
pub(crate) struct StreamEncoder {
    id: String,
    model: String,
    /// The block being written: its number in the vocabulary.
    open: Option<(usize, &'static str)>,
    /// Blocks that wait, each with what was said of it.
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    /// How many blocks were begun.
    written: usize,
    calls: usize,
    has_refused: bool,
    usage: Option<Usage>,
}

#[derive(Debug)]
struct Waiting {
    index: usize,
    block: Block,
    said: Vec<Event>,
    bytes: usize,
    is_closed: bool,
}

impl StreamEncoder {
    pub(crate) fn new(context: &Context) -> Self {
        Self {
            id: context.id.clone(),
            model: context.model.clone(),
            open: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            written: 0,
            calls: 0,
            has_refused: false,
            usage: None,
        }
    }

    /// Writes an event.
    pub(crate) fn write(&mut self, event: Event, out: &mut Vec<u8>) -> Result<(), BrokenStream> {
        match event {
            Event::Start { usage, .. } => self.start(usage, out),
            Event::Open { index, block } if self.open.is_none() => self.begin(index, &block, out),
            Event::Open { index, block } => {
                self.waiting.push_back(Waiting {
                    index,
                    block,
                    said: Vec::new(),
                    bytes: 0,
                    is_closed: false,
                });
            }
            Event::Text { index, .. } | Event::Arguments { index, .. } | Event::Signature { index, .. } => {
                self.say(index, event, out)?;
            }
            Event::Close { index } => self.close(index, out),
            Event::End { stop, usage } => self.end(&stop, usage.or(self.usage), out),
            // The matrix writes faults.
            Event::Fault(_) => {}
        }
        Ok(())
    }

    fn start(&mut self, usage: Option<Usage>, out: &mut Vec<u8>) {
        self.usage = usage;
        event(out, "message_start", |o| {
            o.object("message", |o| {
                o.text("id", &format!("msg_{}", self.id));
                o.text("type", "message");
                o.text("role", "assistant");
                o.text("model", &self.model);
                o.array("content", |_| {});
                o.null("stop_reason");
                o.null("stop_sequence");
                o.object("usage", |o| usage::write(&usage.unwrap_or_default(), o));
            });
        });
    }

    fn begin(&mut self, index: usize, block: &Block, out: &mut Vec<u8>) {
        let number = self.written;
        self.written += 1;
        let calls = self.calls;
        let mut delta = "";
        event(out, "content_block_start", |o| {
            o.number("index", number as u64);
            o.object("content_block", |o| match block {
                Block::Text | Block::Refusal => {
                    delta = "text_delta";
                    o.text("type", "text");
                    o.text("text", "");
                }
                Block::Reasoning => {
                    delta = "thinking_delta";
                    o.text("type", "thinking");
                    o.text("thinking", "");
                    o.text("signature", "");
                }
                Block::RedactedReasoning(data) => {
                    o.text("type", "redacted_thinking");
                    o.text("data", data);
                }
                Block::ToolCall { id, name } => {
                    delta = "input_json_delta";
                    o.text("type", "tool_use");
                    o.text("id", &crate::matrix::call_id(&self.id, id, calls));
                    o.text("name", name);
                    o.object("input", |_| {});
                }
            });
        });
        self.has_refused |= matches!(block, Block::Refusal);
        self.calls += usize::from(matches!(block, Block::ToolCall { .. }));
        self.open = Some((index, delta));
    }

    fn say(&mut self, index: usize, said: Event, out: &mut Vec<u8>) -> Result<(), BrokenStream> {
        if let Some((_, delta)) = self.open.filter(|(open, _)| *open == index) {
            self.delta(&said, delta, out);
            return Ok(());
        }
        let Some(block) = self.waiting.iter_mut().find(|block| block.index == index) else { return Ok(()) };
        // What an event takes beside its text.
        let bytes = 64
            + match &said {
                Event::Text { text, .. } => text.len(),
                Event::Arguments { json, .. } => json.len(),
                _ => 0,
            };
        block.bytes += bytes;
        self.waiting_bytes += bytes;
        if self.waiting_bytes > EVENT_BYTES_MAX {
            return Err(BrokenStream::Oversized);
        }
        block.said.push(said);
        Ok(())
    }

    fn delta(&self, said: &Event, kind: &str, out: &mut Vec<u8>) {
        let (kind, key, text) = match said {
            Event::Text { text, .. } if kind == "thinking_delta" => (kind, "thinking", text),
            Event::Text { text, .. } => (kind, "text", text),
            Event::Arguments { json, .. } => (kind, "partial_json", json),
            Event::Signature { signature, .. } => ("signature_delta", "signature", signature),
            _ => return,
        };
        out.extend_from_slice(
            b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":",
        );
        json::number(out, self.written.saturating_sub(1) as u64);
        out.extend_from_slice(b",\"delta\":");
        json::object(out, |o| {
            o.text("type", kind);
            o.text(key, text);
        });
        out.extend_from_slice(b"}\n\n");
    }

    fn close(&mut self, index: usize, out: &mut Vec<u8>) {
        if self.open.is_some_and(|(open, _)| open == index) {
            self.stop_block(out);
            self.next_waiting(out);
        } else if let Some(block) = self.waiting.iter_mut().find(|block| block.index == index) {
            block.is_closed = true;
        }
    }

    /// Writes the blocks that waited, up to the first that has not ended.
    fn next_waiting(&mut self, out: &mut Vec<u8>) {
        while let Some(block) = self.waiting.pop_front() {
            self.waiting_bytes -= block.bytes;
            self.begin(block.index, &block.block, out);
            let delta = self.open.map_or("", |(_, delta)| delta);
            block.said.iter().for_each(|said| self.delta(said, delta, out));
            if !block.is_closed {
                return;
            }
            self.stop_block(out);
        }
    }

    fn stop_block(&mut self, out: &mut Vec<u8>) {
        self.open = None;
        event(out, "content_block_stop", |o| o.number("index", self.written.saturating_sub(1) as u64));
    }

    fn end(&mut self, stop: &Stop, usage: Option<Usage>, out: &mut Vec<u8>) {
        event(out, "message_delta", |o| {
            o.object("delta", |o| usage::write_stop(stop, self.has_refused, o));
            o.object("usage", |o| usage::write(&usage.unwrap_or_default(), o));
        });
        event(out, "message_stop", |_| {});
    }
}

fn event(out: &mut Vec<u8>, kind: &str, write: impl FnOnce(&mut Object<'_>)) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    json::object(out, |o| {
        o.text("type", kind);
        write(o);
    });
    out.extend_from_slice(b"\n\n");
}
