//! Server-sent events: where they end, and what they carry.
//!
//! In: bytes as they come, cut anywhere. Out: whole events as they stood, bytes untouched. [`Framer`] finds ends,
//! [`data`] reads an event's data, and [`Events`] does both for a stream that is read and not passed on. An event ends at a blank line; lines end in `\n`, `\r\n` or `\r`, in any mix.

use std::borrow::Cow;

use memchr::{memchr2, memmem};

use crate::chat::BrokenStream;

/// The largest event that is held back.
pub const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// Takes a stream in as it comes, and hands whole events on.
#[derive(Debug, Default)]
pub struct Events {
    framer: Framer,
    held: Vec<u8>,
}

impl Events {
    /// Takes bytes in, and calls `take` with the data of each event that is whole now and has data.
    ///
    /// # Errors
    /// When an event is larger than [`EVENT_BYTES_MAX`], or `take` fails.
    pub fn feed(
        &mut self,
        chunk: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<(), BrokenStream>,
    ) -> Result<(), BrokenStream> {
        // Chunks that hold whole events, which is nearly all, are not copied.
        let mut held = std::mem::take(&mut self.held);
        let buffer = if held.is_empty() {
            chunk
        } else {
            held.extend_from_slice(chunk);
            &held
        };
        let mut at = 0;
        while let Some(length) = self.framer.next_end(buffer.get(at..).unwrap_or_default()) {
            let event = buffer.get(at..at + length).unwrap_or_default();
            if event.len() > EVENT_BYTES_MAX {
                return Err(BrokenStream::Oversized);
            }
            if let Some(data) = data(event) {
                take(&data)?;
            }
            at += length;
        }
        let rest = buffer.get(at..).unwrap_or_default();
        if rest.len() > EVENT_BYTES_MAX {
            return Err(BrokenStream::Oversized);
        }
        if held.is_empty() {
            self.held.extend_from_slice(rest);
        } else {
            held.drain(..at);
            self.held = held;
        }
        Ok(())
    }
}

/// Finds the ends of events in a buffer that grows at its end and is cut at its front.
#[derive(Debug, Clone, Default)]
pub struct Framer {
    /// How much of the buffer was looked at.
    looked: usize,
    /// Whether the line being looked at has something on it.
    line_has_text: bool,
    /// Whether the last byte looked at was `\r`: a `\n` right after it ends no other line.
    after_return: bool,
    /// Whether the event has a line with something on it. Blank lines before it end nothing.
    event_has_text: bool,
}

impl Framer {
    /// The length of the first whole event in `buffer`, terminator included. Once it says a length, the caller takes
    /// that much off the front before it asks again; otherwise it asks again when the buffer has grown.
    pub fn next_end(&mut self, buffer: &[u8]) -> Option<usize> {
        let mut at = self.looked;
        while at < buffer.len() {
            let rest = buffer.get(at..)?;
            let Some(distance) = memchr2(b'\n', b'\r', rest) else {
                self.line_has_text = true;
                self.after_return = false;
                break;
            };
            if distance > 0 {
                self.line_has_text = true;
                self.after_return = false;
            }
            let byte = rest.get(distance).copied()?;
            at += distance + 1;
            if byte == b'\n' && std::mem::take(&mut self.after_return) {
                continue;
            }
            self.after_return = byte == b'\r';
            if std::mem::take(&mut self.line_has_text) {
                self.event_has_text = true;
            } else if std::mem::take(&mut self.event_has_text) {
                self.looked = 0;
                return Some(at);
            }
        }
        self.looked = buffer.len();
        None
    }
}

/// The lines of an event.
fn lines(event: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = event.strip_prefix("\u{feff}".as_bytes()).unwrap_or(event);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        rest = after.strip_prefix(b"\r\n").unwrap_or_else(|| after.get(1..).unwrap_or_default());
        Some(line)
    })
}

/// The value of `field` on a line, if the line is one of it.
fn value<'a>(line: &'a [u8], field: &str) -> Option<&'a [u8]> {
    let rest = line.strip_prefix(field.as_bytes())?;
    match rest.strip_prefix(b":") {
        Some(value) => Some(value.strip_prefix(b" ").unwrap_or(value)),
        None if rest.is_empty() => Some(rest),
        None => None,
    }
}

/// An event's data: its `data` lines, joined by `\n`. `None` when it has none (a comment, a heartbeat).
#[must_use]
pub fn data(event: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut values = lines(event).filter_map(|line| value(line, "data"));
    let first = values.next()?;
    let Some(second) = values.next() else { return Some(Cow::Borrowed(first)) };
    let mut joined = first.to_vec();
    for next in std::iter::once(second).chain(values) {
        joined.push(b'\n');
        joined.extend_from_slice(next);
    }
    Some(Cow::Owned(joined))
}

/// Whether an event's data may hold a `usage` that is not null: a cheap look before a careful one.
#[must_use]
pub fn may_hold_usage(data: &[u8]) -> bool {
    memmem::find_iter(data, b"\"usage\"").any(|at| {
        let rest = data.get(at + 7..).unwrap_or_default().trim_ascii_start();
        rest.strip_prefix(b":").is_none_or(|value| !value.trim_ascii_start().starts_with(b"null"))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Cuts `bytes` at the given places, and takes whole events off as a relay does.
    fn framed(bytes: &[u8], cuts: &[usize]) -> (Vec<Vec<u8>>, Vec<u8>) {
        let mut framer = Framer::default();
        let (mut buffer, mut events, mut from) = (Vec::new(), Vec::new(), 0);
        for cut in cuts.iter().copied().chain([bytes.len()]) {
            buffer.extend_from_slice(&bytes[from..cut]);
            from = cut;
            while let Some(end) = framer.next_end(&buffer) {
                events.push(buffer.drain(..end).collect());
            }
        }
        (events, buffer)
    }

    fn datas(events: &[Vec<u8>]) -> Vec<Option<String>> {
        events.iter().map(|event| data(event).map(|d| String::from_utf8(d.into_owned()).unwrap())).collect()
    }

    const STREAM: &str = ": hello\n\ndata: {\"a\":\"é\"}\n\ndata: one\r\ndata: two\r\n\r\nevent: x\rdata:three\r\rid: 4\n\n\n\ndata\n\ndata: [DONE]\n\n";

    fn expected() -> Vec<Option<String>> {
        [None, Some("{\"a\":\"é\"}"), Some("one\ntwo"), Some("three"), None, Some(""), Some("[DONE]")]
            .into_iter()
            .map(|data| data.map(str::to_owned))
            .collect()
    }

    #[test]
    fn events_are_the_same_however_the_stream_is_cut() {
        let bytes = STREAM.as_bytes();
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let (events, left) = framed(bytes, &[first, second]);
                assert_eq!(datas(&events), expected(), "cut at {first} and {second}");
                assert_eq!([events.concat(), left].concat(), bytes);
            }
        }
        let every: Vec<usize> = (0..bytes.len()).collect();
        assert_eq!(datas(&framed(bytes, &every).0), expected());
    }

    #[test]
    fn any_two_line_ends_in_any_mix_end_an_event() {
        // A carriage return and a line feed together are one end and no two.
        for ends in ["\n\n", "\r\r", "\r\n\r\n", "\n\r", "\n\r\n", "\r\r\n", "\r\n\n", "\r\n\r"] {
            let stream = format!("data: a{ends}event: x\ndata: b\rdata: c\r\n:{ends}data: d\n\n");
            for at in 0..=stream.len() {
                let (events, left) = framed(stream.as_bytes(), &[at]);
                let found: Vec<_> = datas(&events).into_iter().flatten().collect();
                assert_eq!(
                    (found, left.len()),
                    (vec!["a".into(), "b\nc".into(), "d".into()], 0),
                    "{stream:?} cut at {at}"
                );
            }
        }
    }

    #[test]
    fn an_event_without_its_blank_line_is_not_whole() {
        for text in ["data: x", "data: x\n", "data: x\r\n", "\n\n", "data: x\ndata: y\n"] {
            let (events, left) = framed(text.as_bytes(), &[]);
            assert_eq!((events.len(), left.as_slice()), (0, text.as_bytes()), "{text:?}");
        }
    }

    #[test]
    fn data_is_the_same_however_the_stream_is_cut() {
        let bytes = STREAM.as_bytes();
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let (mut events, mut datas) = (Events::default(), Vec::new());
                for piece in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
                    let take = |data: &[u8]| {
                        datas.push(String::from_utf8(data.to_vec()).unwrap());
                        Ok(())
                    };
                    events.feed(piece, take).unwrap();
                }
                assert_eq!(datas, expected().into_iter().flatten().collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn an_event_that_never_ends_is_given_up() {
        let mut events = Events::default();
        let fed = (0..17).try_for_each(|_| events.feed(&[b'a'; 64 * 1024], |_| Ok(())));
        assert_eq!(fed, Err(BrokenStream::Oversized));
        let whole = [&[b'a'; EVENT_BYTES_MAX][..], b"\n\n"].concat();
        assert_eq!(Events::default().feed(&whole, |_| Ok(())), Err(BrokenStream::Oversized));
    }

    #[test]
    fn a_byte_order_mark_hides_no_data() {
        assert_eq!(data("\u{feff}data: x\n\n".as_bytes()).as_deref(), Some(b"x".as_slice()));
    }

    #[test]
    fn usage_that_is_null_is_not_worth_a_careful_look() {
        assert!(!may_hold_usage(br#"{"choices":[],"usage":null}"#));
        assert!(!may_hold_usage(br#"{"choices":[],"usage" : null}"#));
        assert!(!may_hold_usage(br#"{"choices":[]}"#));
        assert!(may_hold_usage(br#"{"choices":[],"usage":{"prompt_tokens":1}}"#));
        assert!(may_hold_usage(br#"{"x":{"usage":null},"usage": {"prompt_tokens":1}}"#));
    }

    proptest! {
        #[test]
        fn bytes_come_out_as_they_went_in(
            bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'd'), Just(b':'), any::<u8>()], 0..120),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.sort_unstable();
            let (events, left) = framed(&bytes, &cuts);
            let (whole, whole_left) = framed(&bytes, &[]);
            prop_assert_eq!(datas_lossy(&events), datas_lossy(&whole));
            prop_assert_eq!([events.concat(), left].concat(), [whole.concat(), whole_left].concat());
        }
    }

    fn datas_lossy(events: &[Vec<u8>]) -> Vec<Option<Vec<u8>>> {
        events.iter().map(|event| data(event).map(Cow::into_owned)).collect()
    }
}
