//! A provider's stream.
//!
//! The protocol has no blocks: text, thoughts and refusals are blocks here for as long as nothing else is said, and a
//! tool call is one until its arguments are whole JSON and something else begins. The end is `[DONE]`: usage may come
//! after the reason to stop, and may come several times.

mod calls;

use serde::Deserialize;

use self::calls::Calls;
use super::read_answer::TextPart;
use super::read_request::ThinkingBlock;
use super::usage::{self, Usage};
use crate::chat::{Block, BrokenStream, Decoder, Event, Part, Stop, StreamFault, Usage as ChatUsage};
use crate::read::{Content, Word};
use crate::sse;

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    id: Option<Word<'a>>,
    #[serde(borrow)]
    model: Option<Word<'a>>,
    #[serde(borrow)]
    choices: Option<Vec<Choice<'a>>>,
    usage: Option<Usage>,
    error: Option<Error>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    index: Option<u64>,
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
    #[serde(borrow)]
    finish_reason: Option<Word<'a>>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    content: Option<Content<TextPart>>,
    reasoning_content: Option<String>,
    /// vLLM's and OpenRouter's word for it; some say both.
    reasoning: Option<String>,
    refusal: Option<String>,
    #[serde(borrow)]
    thinking_blocks: Option<Vec<ThinkingBlock<'a>>>,
    tool_calls: Option<Vec<calls::Fragment>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Error {
    Object {
        message: Option<String>,
        #[serde(rename = "type")]
        kind: Option<String>,
    },
    Text(String),
    Other(serde::de::IgnoredAny),
}

impl From<Error> for StreamFault {
    fn from(error: Error) -> Self {
        let (kind, message) = match error {
            Error::Object { message, kind } => (kind, message),
            Error::Text(message) => (None, Some(message)),
            Error::Other(_) => (None, None),
        };
        Self {
            kind: kind.unwrap_or_else(|| "server_error".to_owned()),
            message: message.unwrap_or_else(|| "the provider failed".to_owned()),
        }
    }
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

/// What is open. Of text, thoughts and refusals one at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prose {
    Text,
    Reasoning,
    Refusal,
}

#[derive(Debug, Default)]
struct State {
    has_started: bool,
    is_done: bool,
    /// The number of the next block.
    next: usize,
    prose: Option<(Prose, usize)>,
    calls: Calls,
    stop: Option<Stop>,
    usage: Option<ChatUsage>,
}

impl State {
    fn take(&mut self, data: &[u8], events: &mut Vec<Event>) -> Result<(), BrokenStream> {
        if self.is_done {
            return Ok(());
        }
        if data.trim_ascii() == b"[DONE]" {
            self.end(events);
            return Ok(());
        }
        let chunk: Chunk<'_> =
            serde_json::from_slice(data).map_err(|_| BrokenStream::Malformed("an event is no chat chunk"))?;
        if let Some(error) = chunk.error {
            self.fail(error.into(), events);
            return Ok(());
        }
        if !std::mem::replace(&mut self.has_started, true) {
            let word =
                |word: &Option<Word<'_>>| word.as_ref().map(|w| w.as_str().to_owned()).unwrap_or_default();
            events.push(Event::Start { id: word(&chunk.id), model: word(&chunk.model), usage: None });
        }
        if let Some(usage) = chunk.usage {
            self.usage = Some(usage.read());
        }
        for choice in chunk.choices.into_iter().flatten().filter(|choice| choice.index.unwrap_or(0) == 0) {
            if let Some(delta) = choice.delta {
                self.delta(delta, events)?;
            }
            if let Some(word) = choice.finish_reason.filter(|word| !word.as_str().is_empty()) {
                // OpenRouter's, when its own provider failed.
                if word.as_str() == "error" {
                    self.fail(Error::Other(serde::de::IgnoredAny).into(), events);
                    return Ok(());
                }
                self.stop = Some(usage::stop(word.as_str(), !self.calls.is_empty()));
            }
        }
        Ok(())
    }

    fn delta(&mut self, delta: Delta<'_>, events: &mut Vec<Event>) -> Result<(), BrokenStream> {
        self.prose(Prose::Reasoning, delta.reasoning_content.or(delta.reasoning), events);
        for block in delta.thinking_blocks.into_iter().flatten().filter_map(ThinkingBlock::into_part) {
            self.thinking_block(block, events);
        }
        self.prose(Prose::Text, delta.content.map(Content::into_text), events);
        self.prose(Prose::Refusal, delta.refusal, events);
        for fragment in delta.tool_calls.into_iter().flatten() {
            if self.calls.is_new(&fragment) {
                self.close_prose(events);
            }
            self.calls.take(fragment, &mut self.next, events)?;
        }
        Ok(())
    }

    fn prose(&mut self, kind: Prose, text: Option<String>, events: &mut Vec<Event>) {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return };
        let index = match self.prose {
            Some((open, index)) if open == kind => index,
            _ => {
                let block = match kind {
                    Prose::Text => Block::Text,
                    Prose::Reasoning => Block::Reasoning,
                    Prose::Refusal => Block::Refusal,
                };
                let index = self.open(block, events);
                self.prose = Some((kind, index));
                index
            }
        };
        events.push(Event::Text { index, text });
    }

    /// A block that comes whole after its text came in pieces, or without them.
    fn thinking_block(&mut self, block: Part, events: &mut Vec<Event>) {
        match block {
            Part::Reasoning { text, signature } => {
                if !matches!(self.prose, Some((Prose::Reasoning, _))) {
                    let index = self.open(Block::Reasoning, events);
                    self.prose = Some((Prose::Reasoning, index));
                    if !text.is_empty() {
                        events.push(Event::Text { index, text });
                    }
                }
                if let Some(((_, index), signature)) = self.prose.zip(signature) {
                    events.push(Event::Signature { index, signature });
                }
                self.close_prose(events);
            }
            Part::RedactedReasoning(data) => {
                let index = self.open(Block::RedactedReasoning(data), events);
                events.push(Event::Close { index });
            }
            _ => {}
        }
    }

    fn open(&mut self, block: Block, events: &mut Vec<Event>) -> usize {
        self.close_prose(events);
        self.calls.close_whole(events);
        let index = self.next;
        self.next += 1;
        events.push(Event::Open { index, block });
        index
    }

    fn close_prose(&mut self, events: &mut Vec<Event>) {
        if let Some((_, index)) = self.prose.take() {
            events.push(Event::Close { index });
        }
    }

    fn fail(&mut self, fault: StreamFault, events: &mut Vec<Event>) {
        self.is_done = true;
        events.push(Event::Fault(fault));
    }

    fn end(&mut self, events: &mut Vec<Event>) {
        if !self.has_started {
            let message = "the provider ended the stream without an answer".to_owned();
            self.fail(StreamFault { kind: "server_error".to_owned(), message }, events);
            return;
        }
        self.is_done = true;
        self.close_prose(events);
        self.calls.close_all(events);
        let stop =
            self.stop.take().unwrap_or(if self.calls.is_empty() { Stop::End } else { Stop::ToolCalls });
        events.push(Event::End { stop, usage: self.usage });
    }
}
