//! A provider's event stream on its way to the caller: watched, and passed on byte for byte.
//!
//! In: chunks as they come. Out: the bytes of whole events, uncopied where chunks hold whole events, which is nearly
//! always. An event that has not ended yet is held back, so that a stream that breaks off never leaves half an event
//! with the caller.

use bytes::{Bytes, BytesMut};
use moorline_translate::error::is_error;
use moorline_translate::splice::UsageEvent;
use moorline_translate::sse::{self, Framer};
use moorline_translate::{Parts, Tokens, usage};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The largest event that is held back.
const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// Says that an event is larger than [`EVENT_BYTES_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Oversized;

/// How a stream began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// Nothing was said yet.
    Awaited,
    /// With an event of an answer.
    Good,
    /// With an error in place of an answer.
    Error,
}

/// Watches a stream.
pub(super) struct EventFilter {
    framer: Framer,
    held: BytesMut,
    usage_event: UsageEvent,
    opening: Opening,
    done: bool,
    failed: bool,
    tokens: Option<Tokens>,
    data_events: u64,
}

impl EventFilter {
    pub(super) fn new(usage_event: UsageEvent) -> Self {
        Self {
            framer: Framer::default(),
            held: BytesMut::new(),
            usage_event,
            opening: Opening::Awaited,
            done: false,
            failed: false,
            tokens: None,
            data_events: 0,
        }
    }

    /// How the stream began.
    pub(super) const fn opening(&self) -> Opening {
        self.opening
    }

    /// Whether the stream said `[DONE]`.
    pub(super) const fn is_done(&self) -> bool {
        self.done
    }

    /// Whether the stream said that it failed.
    pub(super) const fn has_failed(&self) -> bool {
        self.failed
    }

    /// What the stream says was used; the last word counts.
    pub(super) const fn tokens(&self) -> Option<Tokens> {
        self.tokens
    }

    /// Tokens out, when the stream does not say: providers send about one an event.
    pub(super) const fn output_estimate(&self) -> u64 {
        self.data_events
    }

    /// What is held back of an event that has not ended.
    pub(super) fn take_held(&mut self) -> Bytes {
        self.held.split().freeze()
    }

    /// Takes a chunk in, and puts what may go to the caller at the end of `out`.
    pub(super) fn feed(&mut self, chunk: Bytes, out: &mut Parts) -> Result<(), Oversized> {
        let buffer = if self.held.is_empty() {
            chunk
        } else {
            self.held.extend_from_slice(&chunk);
            self.held.split().freeze()
        };
        let (mut run, mut at) = (0, 0);
        while let Some(length) = self.framer.next_end(buffer.get(at..).unwrap_or_default()) {
            let end = at + length;
            if !self.passes(buffer.get(at..end).unwrap_or_default()) {
                out.push(buffer.slice(run..at));
                run = end;
            }
            at = end;
        }
        out.push(buffer.slice(run..at));
        self.held.extend_from_slice(buffer.get(at..).unwrap_or_default());
        if self.held.len() > EVENT_BYTES_MAX { Err(Oversized) } else { Ok(()) }
    }

    /// Looks at a whole event, and says whether it goes to the caller.
    fn passes(&mut self, event: &[u8]) -> bool {
        let Some(data) = sse::data(event) else { return true };
        if data.trim_ascii() == b"[DONE]" {
            self.done = true;
            if self.opening == Opening::Awaited {
                self.opening = Opening::Good;
            }
            return true;
        }
        self.data_events += 1;
        if is_error(&data) {
            self.failed = true;
        }
        if self.opening == Opening::Awaited {
            self.opening = if self.failed { Opening::Error } else { Opening::Good };
        }
        if !sse::may_hold_usage(&data) {
            return true;
        }
        let Some(tokens) = usage::tokens_of(&data) else { return true };
        self.tokens = Some(tokens);
        !(self.usage_event == UsageEvent::Ours && is_usage_alone(&data))
    }
}

/// Whether an event was sent for its usage only: its `choices` are empty.
fn is_usage_alone(data: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Chunk {
        choices: Option<Vec<IgnoredAny>>,
    }
    serde_json::from_slice::<Chunk>(data)
        .is_ok_and(|chunk| chunk.choices.is_some_and(|choices| choices.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"é\"}}],\"usage\":null}\n\n";
    const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5}}\n\n";
    const DONE: &str = "data: [DONE]\n\n";

    fn passed(usage_event: UsageEvent, chunks: &[&[u8]]) -> (String, EventFilter) {
        let mut filter = EventFilter::new(usage_event);
        let mut out = Parts::default();
        for chunk in chunks {
            filter.feed(Bytes::copy_from_slice(chunk), &mut out).unwrap();
        }
        let mut all = Vec::new();
        while let Some(part) = out.next_part() {
            all.extend_from_slice(&part);
        }
        (String::from_utf8(all).unwrap(), filter)
    }

    #[test]
    fn a_stream_passes_unchanged_however_it_is_cut() {
        let stream = format!(": ping\n\n{ONE}{ONE}{USAGE}{DONE}");
        for at in 0..=stream.len() {
            let (left, right) = stream.as_bytes().split_at(at);
            let (out, filter) = passed(UsageEvent::Asked, &[left, right]);
            assert_eq!(out, stream, "cut at {at}");
            assert!(filter.is_done());
            assert_eq!(filter.tokens(), Some(Tokens { input: 3, cached_input: 0, output: 5 }));
        }
    }

    #[test]
    fn the_usage_event_we_asked_for_is_taken_out_however_it_is_cut() {
        let stream = format!("{ONE}{USAGE}{DONE}");
        for at in 0..=stream.len() {
            let (left, right) = stream.as_bytes().split_at(at);
            let (out, filter) = passed(UsageEvent::Ours, &[left, right]);
            assert_eq!(out, format!("{ONE}{DONE}"), "cut at {at}");
            assert!(filter.tokens().is_some());
        }
    }

    #[test]
    fn usage_beside_content_is_read_and_its_content_kept() {
        let with_content = "data: {\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n";
        let (out, filter) = passed(UsageEvent::Ours, &[with_content.as_bytes(), USAGE.as_bytes()]);
        assert_eq!(out, with_content);
        assert_eq!(filter.tokens().unwrap().output, 5, "the last word counts");
    }

    #[test]
    fn half_an_event_is_held_back() {
        let (out, filter) = passed(UsageEvent::Asked, &[ONE.as_bytes(), b"data: {\"cho"]);
        assert_eq!(out, ONE);
        assert!(!filter.is_done());
    }

    #[test]
    fn an_error_in_place_of_the_first_event_is_told_from_one_later() {
        let error = b"data: {\"error\":{\"message\":\"overloaded\"}}\n\n";
        let (_, filter) = passed(UsageEvent::Asked, &[b": ping\n\n", error]);
        assert_eq!(filter.opening(), Opening::Error);
        let (_, filter) = passed(UsageEvent::Asked, &[ONE.as_bytes(), error]);
        assert_eq!((filter.opening(), filter.has_failed()), (Opening::Good, true));
        assert_eq!(passed(UsageEvent::Asked, &[b": ping\n\n"]).1.opening(), Opening::Awaited);
    }

    #[test]
    fn an_event_that_never_ends_is_given_up() {
        let mut filter = EventFilter::new(UsageEvent::Asked);
        let mut out = Parts::default();
        let chunk = Bytes::from(vec![b'a'; 64 * 1024]);
        let fed = (0..17).try_for_each(|_| filter.feed(chunk.clone(), &mut out));
        assert_eq!(fed, Err(Oversized));
    }
}
