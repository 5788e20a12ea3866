//! A provider's stream.
//!
//! Blocks are numbered again: those that only Anthropic's own tools give are not read, and leave no gap.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::usage::{self, Usage};
use crate::chat::{Block, BrokenStream, Decoder, Event, Stop, StreamFault};
use crate::read::Word;
use crate::sse;

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(rename = "type", borrow)]
    kind: Word<'a>,
    #[serde(borrow)]
    message: Option<Message<'a>>,
    index: Option<u64>,
    #[serde(borrow)]
    content_block: Option<ContentBlock<'a>>,
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
    usage: Option<Usage>,
    error: Option<Error>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<Word<'a>>,
    #[serde(borrow)]
    model: Option<Word<'a>>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct ContentBlock<'a> {
    #[serde(rename = "type", borrow)]
    kind: Word<'a>,
    text: Option<String>,
    thinking: Option<String>,
    data: Option<String>,
    id: Option<String>,
    name: Option<String>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

/// A piece of a block, or what the end says: both stand under `delta`.
#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Word<'a>>,
    text: Option<String>,
    thinking: Option<String>,
    partial_json: Option<String>,
    signature: Option<String>,
    #[serde(borrow)]
    stop_reason: Option<Word<'a>>,
    stop_sequence: Option<String>,
}

#[derive(Deserialize)]
struct Error {
    #[serde(rename = "type")]
    kind: Option<String>,
    message: Option<String>,
}

/// Reads a stream.
#[derive(Debug, Default)]
pub(crate) struct StreamDecoder {
    events: sse::Events,
    state: State,
}

impl Decoder for StreamDecoder {
    fn feed(&mut self, chunk: &[u8], events: &mut Vec<Event>) -> Result<(), BrokenStream> {
        let state = &mut self.state;
        self.events.feed(chunk, |data| state.take(data, events))
    }
}

/// The block that is open. The provider opens one after the other.
#[derive(Debug)]
struct OpenBlock {
    theirs: u64,
    /// Absent: a block that is not read.
    ours: Option<usize>,
    /// The arguments that came with the opening, for servers that send no pieces.
    input: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    has_started: bool,
    is_done: bool,
    next: usize,
    block: Option<OpenBlock>,
    stop: Option<Stop>,
    usage: Option<Usage>,
}

impl State {
    fn take(&mut self, data: &[u8], events: &mut Vec<Event>) -> Result<(), BrokenStream> {
        if self.is_done {
            return Ok(());
        }
        let data: Data<'_> = serde_json::from_slice(data)
            .map_err(|_| BrokenStream::Malformed("an event is no message event"))?;
        match data.kind.as_str() {
            "message_start" => self.start(data.message, events),
            "content_block_start" => {
                let missing = BrokenStream::Malformed("a block begins without a block");
                let (block, index) = data.content_block.zip(data.index).ok_or(missing)?;
                self.open(block, index, events);
            }
            "content_block_delta" => self.delta(data.index, data.delta, events),
            "content_block_stop" => self.close(events),
            "message_delta" => self.message_delta(data.delta, data.usage),
            "message_stop" => self.end(events),
            "error" => self.fail(data.error, events),
            // `ping`, and what newer versions add.
            _ => {}
        }
        Ok(())
    }

    fn start(&mut self, message: Option<Message<'_>>, events: &mut Vec<Event>) {
        if std::mem::replace(&mut self.has_started, true) {
            return;
        }
        let word = |word: Option<Word<'_>>| word.map(|w| w.as_str().to_owned()).unwrap_or_default();
        let (id, model) = match message {
            Some(message) => {
                self.usage = message.usage;
                (word(message.id), word(message.model))
            }
            None => Default::default(),
        };
        events.push(Event::Start { id, model, usage: self.usage.map(Usage::read) });
    }

    fn open(&mut self, block: ContentBlock<'_>, theirs: u64, events: &mut Vec<Event>) {
        self.start(None, events);
        self.close(events);
        let (opened, text) = match block.kind.as_str() {
            "text" => (Some(Block::Text), block.text),
            "thinking" => (Some(Block::Reasoning), block.thinking),
            "redacted_thinking" => (Some(Block::RedactedReasoning(block.data.unwrap_or_default())), None),
            "tool_use" => {
                let (id, name) = (block.id.unwrap_or_default(), block.name.unwrap_or_default());
                (Some(Block::ToolCall { id, name }), None)
            }
            _ => (None, None),
        };
        let input = block.input.map(|input| input.get().to_owned()).filter(|input| input != "{}");
        let Some(opened) = opened else {
            self.block = Some(OpenBlock { theirs, ours: None, input: None });
            return;
        };
        let index = self.next;
        self.next += 1;
        self.block = Some(OpenBlock { theirs, ours: Some(index), input });
        events.push(Event::Open { index, block: opened });
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            events.push(Event::Text { index, text });
        }
    }

    fn delta(&mut self, theirs: Option<u64>, delta: Option<Delta<'_>>, events: &mut Vec<Event>) {
        let Some((block, delta)) = self.block.as_mut().zip(delta) else { return };
        let Some(index) = block.ours.filter(|_| theirs == Some(block.theirs)) else { return };
        let kind = delta.kind.as_ref().map_or("", Word::as_str);
        let said = match kind {
            "text_delta" => delta.text.map(|text| Event::Text { index, text }),
            "thinking_delta" => delta.thinking.map(|text| Event::Text { index, text }),
            "signature_delta" => delta.signature.map(|signature| Event::Signature { index, signature }),
            "input_json_delta" => {
                let json = delta.partial_json.filter(|json| !json.is_empty());
                if json.is_some() {
                    block.input = None;
                }
                json.map(|json| Event::Arguments { index, json })
            }
            // Citations and what newer versions add.
            _ => None,
        };
        events.extend(said);
    }

    fn close(&mut self, events: &mut Vec<Event>) {
        let Some(block) = self.block.take() else { return };
        let Some(index) = block.ours else { return };
        events.extend(block.input.map(|json| Event::Arguments { index, json }));
        events.push(Event::Close { index });
    }

    fn message_delta(&mut self, delta: Option<Delta<'_>>, usage: Option<Usage>) {
        if let Some(newer) = usage {
            self.usage = Some(self.usage.unwrap_or_default().overtaken_by(newer));
        }
        let Some(delta) = delta else { return };
        let sequence = delta.stop_sequence;
        if let Some(reason) = delta.stop_reason {
            self.stop = Some(usage::stop(reason.as_str(), sequence));
        }
    }

    fn end(&mut self, events: &mut Vec<Event>) {
        self.start(None, events);
        self.close(events);
        self.is_done = true;
        let stop = self.stop.take().unwrap_or(Stop::End);
        events.push(Event::End { stop, usage: self.usage.map(Usage::read) });
    }

    fn fail(&mut self, error: Option<Error>, events: &mut Vec<Event>) {
        self.is_done = true;
        let (kind, message) = error.map(|error| (error.kind, error.message)).unwrap_or_default();
        events.push(Event::Fault(StreamFault {
            kind: kind.unwrap_or_else(|| "api_error".to_owned()),
            message: message.unwrap_or_else(|| "the provider failed".to_owned()),
        }));
    }
}
