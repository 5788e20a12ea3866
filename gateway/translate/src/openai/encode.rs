//! A stream for a caller.
//!
//! One chunk an event, `[DONE]` at a clean end. Tool calls are numbered among themselves, in the order in which they
//! were opened, and may interleave. The thoughts of a block are kept until it ends when they may be signed: the signed
//! block goes out whole, so that a caller keeps it by appending.

use super::usage;
use super::write_answer::{redacted_block, thinking_block};
use crate::chat::{Block, BrokenStream, Event, Usage};
use crate::json::{self, Object};
use crate::matrix::Context;
use crate::splice::UsageEvent;
use crate::sse::EVENT_BYTES_MAX;

/// Writes a stream.
#[derive(Debug)]
pub(crate) struct StreamEncoder {
    /// What every chunk begins with.
    head: Vec<u8>,
    id: String,
    usage_asked: bool,
    /// The blocks by their number.
    blocks: Vec<Kind>,
    calls: usize,
    /// How many whole blocks of thoughts were written.
    thinking_blocks: u64,
    /// What was thought in the open reasoning block.
    thoughts: String,
    signature: Option<String>,
    usage: Option<Usage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Reasoning,
    Refusal,
    Call { number: usize, has_arguments: bool },
    Other,
}

impl StreamEncoder {
    pub(crate) fn new(context: &Context) -> Self {
        let mut head = Vec::with_capacity(128);
        head.extend_from_slice(b"data: {\"id\":");
        json::string(&mut head, &format!("chatcmpl-{}", context.id));
        head.extend_from_slice(b",\"object\":\"chat.completion.chunk\",\"created\":");
        json::number(&mut head, context.created.max(0).unsigned_abs());
        head.extend_from_slice(b",\"model\":");
        json::string(&mut head, &context.model);
        Self {
            head,
            id: context.id.clone(),
            usage_asked: context.usage_event == UsageEvent::Asked,
            blocks: Vec::new(),
            calls: 0,
            thinking_blocks: 0,
            thoughts: String::new(),
            signature: None,
            usage: None,
        }
    }

    /// Writes an event.
    pub(crate) fn write(&mut self, event: Event, out: &mut Vec<u8>) -> Result<(), BrokenStream> {
        match event {
            Event::Start { usage, .. } => {
                self.usage = usage;
                self.chunk(out, None, |delta| {
                    delta.text("role", "assistant");
                    delta.text("content", "");
                    delta.null("refusal");
                });
            }
            Event::Open { block, .. } => self.open(block, out),
            Event::Text { index, text } => self.text(index, &text, out)?,
            Event::Arguments { index, json } => self.arguments(index, &json, out),
            Event::Signature { signature, .. } => self.signature = Some(signature),
            Event::Close { index } => self.close(index, out),
            Event::End { stop, usage } => {
                let reason = usage::finish_reason(&stop);
                self.chunk(out, Some(reason), |_| {});
                self.end(usage.or(self.usage), out);
            }
            // The matrix writes faults.
            Event::Fault(_) => {}
        }
        Ok(())
    }

    fn open(&mut self, block: Block, out: &mut Vec<u8>) {
        let kind = match block {
            Block::Text => Kind::Text,
            Block::Reasoning => Kind::Reasoning,
            Block::Refusal => Kind::Refusal,
            Block::RedactedReasoning(data) => {
                self.thinking_block(out, |block| redacted_block(&data, block));
                Kind::Other
            }
            Block::ToolCall { id, name } => {
                let number = self.calls;
                self.calls += 1;
                let id = crate::matrix::call_id(&self.id, &id, number);
                self.call(out, number, |call| {
                    call.text("id", &id);
                    call.text("type", "function");
                    call.object("function", |function| {
                        function.text("name", &name);
                        function.text("arguments", "");
                    });
                });
                Kind::Call { number, has_arguments: false }
            }
        };
        self.blocks.push(kind);
    }

    fn text(&mut self, index: usize, text: &str, out: &mut Vec<u8>) -> Result<(), BrokenStream> {
        let key = match self.blocks.get(index) {
            Some(Kind::Reasoning) => {
                if self.thoughts.len() + text.len() > EVENT_BYTES_MAX {
                    return Err(BrokenStream::Oversized);
                }
                self.thoughts.push_str(text);
                "reasoning_content"
            }
            Some(Kind::Refusal) => "refusal",
            _ => "content",
        };
        self.chunk(out, None, |delta| delta.text(key, text));
        Ok(())
    }

    fn arguments(&mut self, index: usize, json: &str, out: &mut Vec<u8>) {
        let Some(Kind::Call { number, has_arguments }) = self.blocks.get_mut(index) else { return };
        *has_arguments = true;
        let number = *number;
        self.call(out, number, |call| call.object("function", |function| function.text("arguments", json)));
    }

    fn close(&mut self, index: usize, out: &mut Vec<u8>) {
        match self.blocks.get(index) {
            // Clients parse the arguments; nothing is no JSON.
            Some(Kind::Call { has_arguments: false, .. }) => self.arguments(index, "{}", out),
            Some(Kind::Reasoning) => {
                let thoughts = std::mem::take(&mut self.thoughts);
                let Some(signature) = self.signature.take() else { return };
                self.thinking_block(out, |block| thinking_block(&thoughts, Some(&signature), block));
            }
            _ => {}
        }
    }

    fn end(&self, usage: Option<Usage>, out: &mut Vec<u8>) {
        // A provider that does not say what was used is not spoken for.
        if let Some(usage) = usage.filter(|_| self.usage_asked) {
            out.extend_from_slice(&self.head);
            out.extend_from_slice(b",\"choices\":[],\"usage\":");
            json::object(out, |o| usage::write(&usage, o));
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    /// A whole block of thoughts. OpenAI's own SDK gathers what stands in lists by `index`.
    fn thinking_block(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut Object<'_>)) {
        let number = self.thinking_blocks;
        self.thinking_blocks += 1;
        self.chunk(out, None, |delta| {
            delta.array("thinking_blocks", |list| {
                list.object(|block| {
                    block.number("index", number);
                    write(block);
                });
            });
        });
    }

    fn call(&self, out: &mut Vec<u8>, number: usize, write: impl FnOnce(&mut Object<'_>)) {
        self.chunk(out, None, |delta| {
            delta.array("tool_calls", |list| {
                list.object(|call| {
                    call.number("index", number as u64);
                    write(call);
                });
            });
        });
    }

    fn chunk(&self, out: &mut Vec<u8>, finish: Option<&str>, write: impl FnOnce(&mut Object<'_>)) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b",\"choices\":[{\"index\":0,\"delta\":");
        json::object(out, write);
        out.extend_from_slice(b",\"logprobs\":null,\"finish_reason\":");
        match finish {
            Some(word) => json::string(out, word),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b"}]");
        if self.usage_asked {
            out.extend_from_slice(b",\"usage\":null");
        }
        out.extend_from_slice(b"}\n\n");
    }
}
