//! A stream: server-sent events, whose data says what kind they are.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::stop;
use super::usage::Usage;
use crate::chat::{Block, BrokenStream, Decoder, Event, StreamFault};
use crate::sse;

/// The most blocks that may be open at the same time.
const OPEN_MAX: usize = 64;

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: Option<String>,
    // What a failure says that is no event.
    message: Option<String>,
}

#[derive(Deserialize)]
struct Begun {
    #[serde(default)]
    id: String,
}

/// Most kinds: what is said of which block.
#[derive(Deserialize)]
struct Said<T> {
    #[serde(default)]
    index: u64,
    delta: Option<Delta<T>>,
}

#[derive(Deserialize)]
struct Delta<T> {
    message: T,
}

#[derive(Deserialize)]
struct WithContent {
    content: Content,
}

#[derive(Deserialize, Default)]
struct Content {
    text: Option<String>,
    thinking: Option<String>,
}

#[derive(Deserialize)]
struct WithPlan {
    tool_plan: String,
}

#[derive(Deserialize)]
struct WithCall {
    tool_calls: Call,
}

#[derive(Deserialize)]
struct Call {
    #[serde(default)]
    id: String,
    function: Function,
}

#[derive(Deserialize)]
struct Function {
    #[serde(default)]
    name: String,
    #[serde(default)]
    arguments: String,
}

#[derive(Deserialize)]
struct Ended {
    delta: End,
}

#[derive(Deserialize)]
struct End {
    #[serde(default)]
    finish_reason: String,
    error: Option<String>,
    usage: Option<Usage>,
}

/// Reads a stream.
#[derive(Debug, Default)]
pub struct StreamDecoder {
    events: sse::Events,
    state: State,
}

impl Decoder for StreamDecoder {
    fn feed(&mut self, chunk: &[u8], events: &mut Vec<Event>) -> Result<(), BrokenStream> {
        let state = &mut self.state;
        self.events.feed(chunk, |data| state.take(data, events))
    }
}

/// What a block of the provider is known by: contents and calls are numbered apart, and a plan has no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Text(u64),
    Thinking(u64),
    Call(u64),
    Plan,
}

impl Name {
    /// Whether it is a content of that number.
    const fn is_content(self, number: u64) -> bool {
        matches!(self, Self::Text(index) | Self::Thinking(index) if index == number)
    }
}

#[derive(Debug, Default)]
struct State {
    open: Vec<(Name, usize)>,
    /// How many blocks there were.
    blocks: usize,
    has_begun: bool,
    has_ended: bool,
}

fn read<T: DeserializeOwned>(data: &[u8]) -> Result<T, BrokenStream> {
    serde_json::from_slice(data).map_err(|_| BrokenStream::Malformed("an event is not what its kind says"))
}

impl State {
    fn take(&mut self, data: &[u8], events: &mut Vec<Event>) -> Result<(), BrokenStream> {
        if self.has_ended || data == b"[DONE]" {
            return Ok(());
        }
        let Kind { kind, message } = read(data)?;
        let Some(kind) = kind else {
            self.fail(String::new(), message.unwrap_or_default(), events);
            return Ok(());
        };
        if !self.has_begun {
            self.has_begun = true;
            let id = if kind == "message-start" { read::<Begun>(data)?.id } else { String::new() };
            events.push(Event::Start { id, model: String::new(), usage: None });
        }
        match kind.as_str() {
            "content-start" | "content-delta" => self.content(read(data)?, events)?,
            "content-end" => {
                let said: Said<serde::de::IgnoredAny> = read(data)?;
                self.close(|name| name.is_content(said.index), events);
            }
            "tool-plan-delta" => self.plan(read(data)?, events)?,
            "tool-call-start" => self.call_start(read(data)?, events)?,
            "tool-call-delta" => self.call_delta(read(data)?, events)?,
            "tool-call-end" => {
                let said: Said<serde::de::IgnoredAny> = read(data)?;
                self.close(|name| name == Name::Call(said.index), events);
            }
            "message-end" => self.end(read(data)?, events),
            // `message-start`, citations, and kinds to come: nothing that is passed on.
            _ => {}
        }
        Ok(())
    }

    fn content(&mut self, said: Said<WithContent>, events: &mut Vec<Event>) -> Result<(), BrokenStream> {
        let content = said.delta.map(|delta| delta.message.content).unwrap_or_default();
        if let Some(text) = content.thinking.filter(|text| !text.is_empty()) {
            let index = self.reach(Name::Thinking(said.index), Block::Reasoning, events)?;
            events.push(Event::Text { index, text });
        }
        if let Some(text) = content.text.filter(|text| !text.is_empty()) {
            let index = self.reach(Name::Text(said.index), Block::Text, events)?;
            events.push(Event::Text { index, text });
        }
        Ok(())
    }

    fn plan(&mut self, said: Said<WithPlan>, events: &mut Vec<Event>) -> Result<(), BrokenStream> {
        let text = said.delta.map(|delta| delta.message.tool_plan).unwrap_or_default();
        if !text.is_empty() {
            let index = self.reach(Name::Plan, Block::Text, events)?;
            events.push(Event::Text { index, text });
        }
        Ok(())
    }

    fn call_start(&mut self, said: Said<WithCall>, events: &mut Vec<Event>) -> Result<(), BrokenStream> {
        let Some(delta) = said.delta else {
            return Err(BrokenStream::Malformed("a call begins without a name"));
        };
        let Call { id, function } = delta.message.tool_calls;
        let name = Name::Call(said.index);
        if self.open.iter().any(|(open, _)| *open == name) {
            return Err(BrokenStream::Malformed("a call begins twice"));
        }
        self.close(|name| name == Name::Plan, events);
        let index = self.reach(name, Block::ToolCall { id, name: function.name }, events)?;
        if !function.arguments.is_empty() {
            events.push(Event::Arguments { index, json: function.arguments });
        }
        Ok(())
    }

    fn call_delta(&mut self, said: Said<WithCall>, events: &mut Vec<Event>) -> Result<(), BrokenStream> {
        let json = said.delta.map(|delta| delta.message.tool_calls.function.arguments).unwrap_or_default();
        let Some((_, index)) = self.open.iter().find(|(name, _)| *name == Name::Call(said.index)) else {
            return Err(BrokenStream::Malformed("arguments of a call that was not begun"));
        };
        if !json.is_empty() {
            events.push(Event::Arguments { index: *index, json });
        }
        Ok(())
    }

    /// Our number of a block, which is opened if it is not.
    fn reach(&mut self, name: Name, block: Block, events: &mut Vec<Event>) -> Result<usize, BrokenStream> {
        if let Some((_, index)) = self.open.iter().find(|(open, _)| *open == name) {
            return Ok(*index);
        }
        if self.open.len() == OPEN_MAX {
            return Err(BrokenStream::Oversized);
        }
        let index = self.blocks;
        self.blocks += 1;
        self.open.push((name, index));
        events.push(Event::Open { index, block });
        Ok(index)
    }

    fn close(&mut self, which: impl Fn(Name) -> bool, events: &mut Vec<Event>) {
        self.open.retain(|(name, index)| {
            let is_closed = which(*name);
            if is_closed {
                events.push(Event::Close { index: *index });
            }
            !is_closed
        });
    }

    fn end(&mut self, ended: Ended, events: &mut Vec<Event>) {
        let End { finish_reason, error, usage } = ended.delta;
        match stop::read(&finish_reason) {
            Ok(stop) if error.is_none() => {
                self.has_ended = true;
                self.close(|_| true, events);
                events.push(Event::End { stop, usage: usage.and_then(Usage::read) });
            }
            Ok(_) | Err(stop::GivenUp) => self.fail(finish_reason, error.unwrap_or_default(), events),
        }
    }

    fn fail(&mut self, kind: String, message: String, events: &mut Vec<Event>) {
        self.has_ended = true;
        events.push(Event::Fault(StreamFault { kind, message }));
    }
}
