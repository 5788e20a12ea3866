//! Streams: events are the same however the bytes are cut, and no byte is lost or made up.

use moorline_translate::sse::{Events, Framer, data};
use moorline_translate::{Caller, UsageWatch, passthrough};

/// Where to cut an input, decided by the input itself.
pub(super) fn cuts(bytes: &[u8]) -> [usize; 2] {
    let at = |byte: Option<&u8>| byte.map_or(0, |byte| usize::from(*byte)) * bytes.len() / 256;
    let mut cuts = [at(bytes.first()), at(bytes.last())];
    cuts.sort_unstable();
    cuts
}

/// The pieces that [`cuts`] cuts an input into.
pub(super) fn pieces(bytes: &[u8]) -> [&[u8]; 3] {
    let [first, second] = cuts(bytes);
    [&bytes[..first], &bytes[first..second], &bytes[second..]]
}

/// The SSE parser, as a relay uses it and as a translator does.
pub(super) fn events(bytes: &[u8]) {
    let framed = |pieces: &[&[u8]]| {
        let (mut framer, mut buffer, mut at, mut events) = (Framer::default(), Vec::new(), 0, Vec::new());
        for piece in pieces {
            buffer.extend_from_slice(piece);
            while let Some(length) = framer.next_end(&buffer[at..]) {
                events.push(buffer[at..at + length].to_vec());
                at += length;
            }
        }
        (events, buffer[at..].to_vec())
    };
    let (whole, left) = framed(&[bytes]);
    // Byte by byte, where that is not most of the work.
    let one_by_one: Vec<&[u8]> = bytes.chunks(1 + bytes.len() / 512).collect();
    assert_eq!([whole.concat(), left].concat(), bytes, "bytes were lost");

    let datas = |pieces: &[&[u8]]| {
        let (mut events, mut datas) = (Events::default(), Vec::new());
        let fed = pieces.iter().try_for_each(|piece| {
            events.feed(piece, |data| {
                datas.push(data.to_vec());
                Ok(())
            })
        });
        (fed, datas)
    };
    let expected = datas(&[bytes]);
    assert_eq!(datas(&pieces(bytes)), expected, "the cuts show");
    assert_eq!(datas(&one_by_one), expected, "the cuts show");
    // A `\r\n` that is cut belongs to the next event then; what events say is the same.
    let said = |events: &[Vec<u8>]| -> Vec<Vec<u8>> {
        events.iter().filter_map(|event| data(event).map(std::borrow::Cow::into_owned)).collect()
    };
    assert_eq!(said(&framed(&one_by_one).0), said(&whole), "the cuts show");
    // A mark in mid-stream is read more kindly than the specification does.
    if !bytes.windows(3).skip(1).any(|three| three == MARK) {
        assert_eq!(expected.1, as_specified(bytes), "not what the specification says");
    }
    for data in &expected.1 {
        for caller in [Caller::OpenAiChat, Caller::OpenAiResponses, Caller::AnthropicMessages] {
            std::hint::black_box(passthrough::look(caller, data));
        }
    }
}

/// The watch for the tokens of an answer that is passed through.
pub(super) fn usage(bytes: &[u8]) {
    let mut whole = UsageWatch::default();
    whole.feed(bytes);
    let mut cut = UsageWatch::default();
    pieces(bytes).iter().for_each(|piece| cut.feed(piece));
    for caller in [Caller::OpenAiChat, Caller::OpenAiResponses, Caller::AnthropicMessages] {
        assert_eq!(cut.tokens_for(caller), whole.tokens_for(caller), "the cuts show");
    }
}

/// U+FEFF.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// What the data of a stream is, by the letter of the HTML standard (9.2.5 and 9.2.6) and in no hurry.
fn as_specified(bytes: &[u8]) -> Vec<Vec<u8>> {
    let bytes = bytes.strip_prefix(MARK).unwrap_or(bytes);
    let (mut lines, mut line, mut after_return) = (Vec::new(), Vec::new(), false);
    for byte in bytes {
        match byte {
            b'\n' if after_return => {}
            b'\n' | b'\r' => lines.push(std::mem::take(&mut line)),
            other => line.push(*other),
        }
        after_return = *byte == b'\r';
    }
    let (mut datas, mut values) = (Vec::new(), Vec::new());
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        if line.is_empty() && !values.is_empty() {
            datas.push(std::mem::take(&mut values).join(&b'\n'));
        } else if &line[..colon] == b"data" {
            values.push(value.strip_prefix(b" ").unwrap_or(value).to_vec());
        }
    }
    datas
}
