//! A stream: frames with an event each. It ends with `metadata`, which comes after `messageStop` and says the usage.

use aws_smithy_types::event_stream::Message;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::frames::Frames;
use super::stop;
use super::usage::Counts;
use crate::chat::{Block, BrokenStream, Decoder, Event, Stop, StreamFault, Usage};

/// The most blocks that may be open at the same time. Models close one before they open the next.
const OPEN_MAX: usize = 64;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Started {
    content_block_index: u64,
    start: Start,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start {
    tool_use: Option<ToolUse>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolUse {
    tool_use_id: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    content_block_index: u64,
    delta: Delta,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delta {
    text: Option<String>,
    tool_use: Option<Input>,
    reasoning_content: Option<Reasoning>,
}

#[derive(Deserialize)]
struct Input {
    #[serde(default)]
    input: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reasoning {
    text: Option<String>,
    signature: Option<String>,
    redacted_content: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stopped {
    content_block_index: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ended {
    stop_reason: String,
}

#[derive(Deserialize)]
struct Metadata {
    usage: Option<Counts>,
}

#[derive(Deserialize, Default)]
struct Words {
    #[serde(alias = "Message", default)]
    message: String,
}

/// Reads a stream.
#[derive(Debug, Default)]
pub struct StreamDecoder {
    frames: Frames,
    state: State,
}

impl Decoder for StreamDecoder {
    fn feed(&mut self, chunk: &[u8], events: &mut Vec<Event>) -> Result<(), BrokenStream> {
        let state = &mut self.state;
        self.frames.feed(chunk, |message| state.take(message, events))
    }

    /// A stream that said why it ends is whole, with or without its counts.
    fn end(&mut self, events: &mut Vec<Event>) {
        self.state.finish(events);
    }
}

#[derive(Debug, Default)]
struct State {
    /// Open blocks: the provider's number, ours, and whether it is one of thoughts.
    open: Vec<Open>,
    /// How many blocks there were.
    blocks: usize,
    stop: Option<Stop>,
    usage: Option<Usage>,
    has_begun: bool,
    has_ended: bool,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    theirs: u64,
    ours: usize,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Reasoning,
    Redacted,
    ToolCall,
}

fn read<T: DeserializeOwned>(message: &Message) -> Result<T, BrokenStream> {
    serde_json::from_slice(message.payload())
        .map_err(|_| BrokenStream::Malformed("an event is not what its kind says"))
}

fn header<'a>(message: &'a Message, name: &str) -> &'a str {
    let found = message.headers().iter().find(|header| header.name().as_str() == name);
    found.and_then(|header| header.value().as_string().ok()).map_or("", |text| text.as_str())
}

impl State {
    fn take(&mut self, message: &Message, events: &mut Vec<Event>) -> Result<(), BrokenStream> {
        if self.has_ended {
            return Ok(());
        }
        match header(message, ":message-type") {
            "event" => self.event(header(message, ":event-type"), message, events),
            "exception" => {
                let words = serde_json::from_slice(message.payload()).unwrap_or_default();
                self.fail(header(message, ":exception-type"), words, events);
                Ok(())
            }
            "error" => {
                let words = Words { message: header(message, ":error-message").to_owned() };
                self.fail(header(message, ":error-code"), words, events);
                Ok(())
            }
            _ => Err(BrokenStream::Malformed("a frame is neither an event nor a failure")),
        }
    }

    fn event(&mut self, kind: &str, message: &Message, events: &mut Vec<Event>) -> Result<(), BrokenStream> {
        // What comes first begins the answer; its id and its model are not said.
        if !std::mem::replace(&mut self.has_begun, true) {
            events.push(Event::Start { id: String::new(), model: String::new(), usage: None });
        }
        match kind {
            "contentBlockStart" => {
                let started: Started = read(message)?;
                if let Some(ToolUse { tool_use_id: id, name }) = started.start.tool_use {
                    let block = Block::ToolCall { id, name };
                    self.open(started.content_block_index, Kind::ToolCall, block, events)?;
                }
            }
            "contentBlockDelta" => self.delta(read(message)?, events)?,
            "contentBlockStop" => {
                let stopped: Stopped = read(message)?;
                self.close(|open| open.theirs == stopped.content_block_index, events);
            }
            "messageStop" => {
                let ended: Ended = read(message)?;
                match stop::read(&ended.stop_reason) {
                    Ok(stop) => self.stop = Some(stop),
                    Err(stop::Malformed) => self.fail(&ended.stop_reason, Words::default(), events),
                }
            }
            "metadata" => {
                let metadata: Metadata = read(message)?;
                self.usage = metadata.usage.map(Into::into);
                self.finish(events);
            }
            // `messageStart` says that a model answers. Kinds to come say nothing that we know.
            _ => {}
        }
        Ok(())
    }

    fn delta(&mut self, said: Said, events: &mut Vec<Event>) -> Result<(), BrokenStream> {
        let theirs = said.content_block_index;
        if let Some(text) = said.delta.text.filter(|text| !text.is_empty()) {
            let index = self.reach(theirs, Kind::Text, events)?;
            events.push(Event::Text { index, text });
        }
        if let Some(Input { input: json }) = said.delta.tool_use {
            let is_call = |open: &&Open| open.theirs == theirs && open.kind == Kind::ToolCall;
            let Some(open) = self.open.iter().find(is_call) else {
                return Err(BrokenStream::Malformed("arguments of a call that was not begun"));
            };
            if !json.is_empty() {
                events.push(Event::Arguments { index: open.ours, json });
            }
        }
        let Some(reasoning) = said.delta.reasoning_content else { return Ok(()) };
        if let Some(text) = reasoning.text.filter(|text| !text.is_empty()) {
            let index = self.reach(theirs, Kind::Reasoning, events)?;
            events.push(Event::Text { index, text });
        }
        if let Some(signature) = reasoning.signature {
            let index = self.reach(theirs, Kind::Reasoning, events)?;
            events.push(Event::Signature { index, signature });
        }
        if let Some(data) = reasoning.redacted_content {
            self.open(theirs, Kind::Redacted, Block::RedactedReasoning(data), events)?;
        }
        Ok(())
    }

    /// Our number of an open block, which is opened if it is not: only tool calls say when they begin.
    fn reach(&mut self, theirs: u64, kind: Kind, events: &mut Vec<Event>) -> Result<usize, BrokenStream> {
        match self.open.iter().find(|open| open.theirs == theirs) {
            Some(open) if open.kind == kind => Ok(open.ours),
            Some(_) => Err(BrokenStream::Malformed("a block changes its kind")),
            None => {
                let block = if kind == Kind::Text { Block::Text } else { Block::Reasoning };
                self.open(theirs, kind, block, events)
            }
        }
    }

    fn open(
        &mut self,
        theirs: u64,
        kind: Kind,
        block: Block,
        events: &mut Vec<Event>,
    ) -> Result<usize, BrokenStream> {
        if self.open.iter().any(|open| open.theirs == theirs) {
            return Err(BrokenStream::Malformed("a block begins twice"));
        }
        if self.open.len() == OPEN_MAX {
            return Err(BrokenStream::Oversized);
        }
        let ours = self.blocks;
        self.blocks += 1;
        self.open.push(Open { theirs, ours, kind });
        events.push(Event::Open { index: ours, block });
        Ok(ours)
    }

    fn close(&mut self, which: impl Fn(&Open) -> bool, events: &mut Vec<Event>) {
        self.open.retain(|open| {
            let is_closed = which(open);
            if is_closed {
                events.push(Event::Close { index: open.ours });
            }
            !is_closed
        });
    }

    fn finish(&mut self, events: &mut Vec<Event>) {
        let Some(stop) = self.stop.take().filter(|_| !self.has_ended) else { return };
        self.has_ended = true;
        self.close(|_| true, events);
        events.push(Event::End { stop, usage: self.usage });
    }

    fn fail(&mut self, kind: &str, words: Words, events: &mut Vec<Event>) {
        self.has_ended = true;
        events.push(Event::Fault(StreamFault { kind: kind.to_owned(), message: words.message }));
    }
}
