//! A provider's event stream on its way to the caller: watched, and passed on byte for byte.
//!
//! In: chunks as they come. Out: the bytes of whole events, uncopied where chunks hold whole events, which is nearly
//! always. An event that has not ended yet is held back, so that a stream that breaks off never leaves half an event
//! with the caller.

use bytes::{Bytes, BytesMut};
use moorline_translate::error::is_error;
use moorline_translate::passthrough::{self, Counted, Kind};
use moorline_translate::splice::UsageEvent;
use moorline_translate::sse::{self, Framer};
use moorline_translate::{Caller as Dialect, Opening, Parts, Tokens, usage};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The largest event that is held back.
const EVENT_BYTES_MAX: usize = 1024 * 1024;
/// Events that are held back while none says anything: some providers send a few before they say that they failed.
const SILENT_EVENTS_MAX: u64 = 64;

/// Bytes of them.
const SILENT_BYTES_MAX: usize = 256 * 1024;

/// Says that an event is larger than [`EVENT_BYTES_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::data) struct Oversized;

/// Whose events they are, and so what begins and ends them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::data) enum Protocol {
    /// A chat's, in one of the callers' protocols.
    Chat(Dialect),
    /// Of the older completions: every event says something, and `[DONE]` ends them.
    Completions,
    /// Of something else, such as images or transcriptions: they end with the answer.
    Other,
}

/// Watches a stream.
pub(in crate::data) struct EventFilter {
    protocol: Protocol,
    framer: Framer,
    held: BytesMut,
    usage_event: UsageEvent,
    opening: Opening,
    done: bool,
    failed: bool,
    counted: Option<Counted>,
    data_events: u64,
    silent_bytes: usize,
}

impl EventFilter {
    pub(super) fn new(protocol: Protocol, usage_event: UsageEvent) -> Self {
        Self {
            protocol,
            framer: Framer::default(),
            held: BytesMut::new(),
            usage_event,
            opening: Opening::Awaited,
            done: false,
            failed: false,
            counted: None,
            data_events: 0,
            silent_bytes: 0,
        }
    }

    /// The provider has closed its stream in order, which ends those that have no end of their own.
    pub(super) fn end(&mut self) -> Bytes {
        if self.protocol == Protocol::Other && !self.failed {
            self.done = true;
        }
        // What follows the last event, such as one more line end: the caller gets all that was sent.
        if self.done { self.held.split().freeze() } else { Bytes::new() }
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
    pub(super) fn tokens(&self) -> Option<Tokens> {
        self.counted.map(Counted::tokens)
    }

    /// Tokens out, when the stream does not say: providers send about one an event.
    pub(super) const fn output_estimate(&self) -> u64 {
        self.data_events
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
        self.data_events += 1;
        let (kind, counted) = self.look(&data);
        match kind {
            Kind::Done => {
                self.done = true;
                self.data_events -= 1;
            }
            Kind::Error => self.failed = true,
            Kind::Content | Kind::Empty | Kind::Other => {}
        }
        if self.opening == Opening::Awaited {
            self.silent_bytes += event.len();
            let may_wait = self.data_events < SILENT_EVENTS_MAX && self.silent_bytes < SILENT_BYTES_MAX;
            self.opening = match kind {
                Kind::Error => Opening::Error,
                Kind::Empty if may_wait => Opening::Awaited,
                _ => Opening::Good,
            };
        }
        let Some(counted) = counted else { return true };
        self.counted.get_or_insert_default().absorb(counted);
        !(self.usage_event == UsageEvent::Ours && is_usage_alone(&data))
    }

    fn look(&self, data: &[u8]) -> (Kind, Option<Counted>) {
        match self.protocol {
            // Once a chat has begun, all that matters of most of its events is that they are no end.
            Protocol::Chat(dialect) if dialect != Dialect::OpenAiChat || self.opening == Opening::Awaited => {
                let seen = passthrough::look(dialect, data);
                (seen.kind, seen.tokens)
            }
            Protocol::Chat(_) | Protocol::Completions | Protocol::Other => {
                if data.trim_ascii() == b"[DONE]" {
                    return (Kind::Done, None);
                }
                let kind = if is_error(data) { Kind::Error } else { Kind::Content };
                let tokens = sse::may_hold_usage(data).then(|| usage::tokens_of(data)).flatten();
                (kind, tokens.map(Counted::from))
            }
        }
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
        let mut filter = EventFilter::new(Protocol::Chat(Dialect::OpenAiChat), usage_event);
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
    fn an_annotation_without_choices_is_not_the_usage_event_we_asked_for() {
        let azure = "data: {\"choices\":[],\"prompt_filter_results\":[{\"prompt_index\":0}]}\n\n";
        let stream = format!("{azure}{ONE}{azure}{USAGE}{DONE}");
        let (out, filter) = passed(UsageEvent::Ours, &[stream.as_bytes()]);
        assert_eq!(out, format!("{azure}{ONE}{azure}{DONE}"));
        assert_eq!(filter.tokens().unwrap().output, 5);
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
    fn a_stream_that_says_nothing_for_too_long_is_passed_on_all_the_same() {
        let role = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
        let (_, filter) = passed(UsageEvent::Asked, &[role.repeat(63).as_bytes()]);
        assert_eq!(filter.opening(), Opening::Awaited);
        let (_, filter) = passed(UsageEvent::Asked, &[role.repeat(64).as_bytes()]);
        assert_eq!(filter.opening(), Opening::Good);
        let long = format!("data: {{\"x\":\"{}\"}}\n\n", "x".repeat(SILENT_BYTES_MAX));
        assert_eq!(passed(UsageEvent::Asked, &[long.as_bytes()]).1.opening(), Opening::Good);
        let error = format!("{role}data: {{\"error\":{{\"message\":\"overloaded\"}}}}\n\n");
        assert_eq!(passed(UsageEvent::Asked, &[error.as_bytes()]).1.opening(), Opening::Error);
    }

    #[test]
    fn an_event_that_never_ends_is_given_up() {
        let mut filter = EventFilter::new(Protocol::Chat(Dialect::OpenAiChat), UsageEvent::Asked);
        let mut out = Parts::default();
        let chunk = Bytes::from(vec![b'a'; 64 * 1024]);
        let fed = (0..17).try_for_each(|_| filter.feed(chunk.clone(), &mut out));
        assert_eq!(fed, Err(Oversized));
    }
}
