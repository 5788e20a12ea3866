//! The tool calls of a stream, which come in fragments that may interleave.
//!
//! A fragment says by `index` to which call it belongs. Servers differ: some leave the index out, some give all calls
//! the same one, some send a call whole in one fragment, some give no ids. So a call begins with a fragment whose id is
//! another than that of the call at its index, or that names a function where none is known.

use serde::Deserialize;

use crate::chat::{Block, BrokenStream, Event};

/// The most calls that one answer may hold.
const CALLS_MAX: usize = 1_024;

/// A piece of a call.
#[derive(Debug, Deserialize)]
pub(super) struct Fragment {
    index: Option<u64>,
    id: Option<String>,
    function: Option<Function>,
}

#[derive(Debug, Default, Deserialize)]
struct Function {
    name: Option<String>,
    arguments: Option<String>,
}

impl Fragment {
    fn id(&self) -> Option<&str> {
        self.id.as_deref().filter(|id| !id.is_empty())
    }

    fn name(&self) -> Option<&str> {
        self.function.as_ref()?.name.as_deref().filter(|name| !name.is_empty())
    }
}

/// All calls so far.
#[derive(Debug, Default)]
pub(super) struct Calls {
    all: Vec<Call>,
}

#[derive(Debug)]
struct Call {
    index: Option<u64>,
    id: String,
    block: usize,
    is_open: bool,
    arguments: Balance,
}

impl Calls {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether a fragment begins a call.
    pub(super) fn is_new(&self, fragment: &Fragment) -> bool {
        self.of(fragment).is_none()
    }

    /// The call that a fragment belongs to.
    fn of(&self, fragment: &Fragment) -> Option<usize> {
        let at = match fragment.index {
            Some(index) => self.all.iter().rposition(|call| call.index == Some(index))?,
            None => match fragment.id() {
                Some(id) => return self.all.iter().rposition(|call| call.id == id),
                None if fragment.name().is_some() => return None,
                None => self.all.len().checked_sub(1)?,
            },
        };
        let call = self.all.get(at)?;
        let is_another = fragment.id().is_some_and(|id| !call.id.is_empty() && id != call.id);
        // A second whole call under the same index and without an id.
        let begins_again = fragment.id().is_none() && fragment.name().is_some() && call.arguments.is_whole();
        (!is_another && !begins_again).then_some(at)
    }

    /// Says what a fragment adds.
    pub(super) fn take(
        &mut self,
        fragment: Fragment,
        next: &mut usize,
        events: &mut Vec<Event>,
    ) -> Result<(), BrokenStream> {
        let at = match self.of(&fragment) {
            Some(at) => at,
            None => self.begin(&fragment, next, events)?,
        };
        let arguments = fragment.function.and_then(|function| function.arguments).unwrap_or_default();
        if let Some(call) = self.all.get_mut(at).filter(|call| call.is_open && !arguments.is_empty()) {
            call.arguments.feed(&arguments);
            events.push(Event::Arguments { index: call.block, json: arguments });
        }
        Ok(())
    }

    fn begin(
        &mut self,
        fragment: &Fragment,
        next: &mut usize,
        events: &mut Vec<Event>,
    ) -> Result<usize, BrokenStream> {
        let Some(name) = fragment.name() else {
            return Err(BrokenStream::Malformed("a tool call begins without a name"));
        };
        if self.all.len() >= CALLS_MAX {
            return Err(BrokenStream::Malformed("an answer calls too many tools"));
        }
        self.close_whole(events);
        let id = fragment.id().unwrap_or_default().to_owned();
        let block = Block::ToolCall { id: id.clone(), name: name.to_owned() };
        events.push(Event::Open { index: *next, block });
        let call =
            Call { index: fragment.index, id, block: *next, is_open: true, arguments: Balance::default() };
        *next += 1;
        self.all.push(call);
        Ok(self.all.len() - 1)
    }

    /// Ends the calls whose arguments are whole: nothing can come after them.
    pub(super) fn close_whole(&mut self, events: &mut Vec<Event>) {
        self.close(Balance::is_whole, events);
    }

    /// Ends all calls.
    pub(super) fn close_all(&mut self, events: &mut Vec<Event>) {
        self.close(|_| true, events);
    }

    fn close(&mut self, which: impl Fn(&Balance) -> bool, events: &mut Vec<Event>) {
        for call in self.all.iter_mut().filter(|call| call.is_open && which(&call.arguments)) {
            call.is_open = false;
            events.push(Event::Close { index: call.block });
        }
    }
}

/// Whether pieces of JSON text are an object as a whole.
#[derive(Debug, Default)]
struct Balance {
    depth: u32,
    has_begun: bool,
    in_string: bool,
    is_escaped: bool,
}

impl Balance {
    const fn is_whole(&self) -> bool {
        self.has_begun && self.depth == 0
    }

    fn feed(&mut self, json: &str) {
        for byte in json.bytes() {
            if self.in_string {
                let ends = byte == b'"' && !self.is_escaped;
                self.is_escaped = byte == b'\\' && !self.is_escaped;
                self.in_string = !ends;
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => {
                    self.depth = self.depth.saturating_add(1);
                    self.has_begun = true;
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_whole_when_their_braces_are() {
        for (pieces, expected) in [
            (&[""][..], false),
            (&["{}"], true),
            (&["{\"a\":\"}", "\"", "}"], true),
            (&["{\"a\":\"\\", "\"}\"}"], true),
            (&["{\"a\":\"\\\\\"}"], true),
            (&["{\"a\":{}"], false),
        ] {
            let mut balance = Balance::default();
            pieces.iter().for_each(|piece| balance.feed(piece));
            assert_eq!(balance.is_whole(), expected, "{pieces:?}");
        }
    }
}
