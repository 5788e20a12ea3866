//! A stream: server-sent events, a response each. It ends by being closed.

use super::state::{State, Unsaid};
use crate::chat::{BrokenStream, Decoder, Event};
use crate::sse;

/// Reads a stream.
#[derive(Debug, Default)]
pub struct StreamDecoder {
    events: sse::Events,
    state: State,
}

impl Decoder for StreamDecoder {
    fn feed(&mut self, chunk: &[u8], events: &mut Vec<Event>) -> Result<(), BrokenStream> {
        let state = &mut self.state;
        self.events.feed(chunk, |data| {
            let response = serde_json::from_slice(data)
                .map_err(|_| BrokenStream::Malformed("an event is no response"))?;
            state.take(response, events).map_err(|Unsaid(what)| BrokenStream::Malformed(what))
        })
    }

    fn end(&mut self, events: &mut Vec<Event>) {
        self.state.end(events);
    }
}
