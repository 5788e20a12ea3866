//! The frames of `application/vnd.amazon.eventstream`.
//!
//! In: bytes as they come, cut anywhere. Out: whole messages whose checksums are right. What a frame is, Amazon's own
//! crate knows; here is only how much of it must be there, and how much is held back at most.

use aws_smithy_eventstream::frame::read_message_from;
use aws_smithy_types::event_stream::Message;

use crate::chat::BrokenStream;
use crate::sse::EVENT_BYTES_MAX;

/// The length of a frame stands first.
const LENGTH_BYTES: usize = 4;

/// The least that a frame can be: two lengths, their checksum, and the checksum of it all.
const FRAME_BYTES_MIN: usize = 16;

/// Takes a stream in as it comes, and hands whole messages on.
#[derive(Debug, Default)]
pub(super) struct Frames {
    held: Vec<u8>,
}

impl Frames {
    /// Takes bytes in, and calls `take` with each message that is whole now.
    pub(super) fn feed(
        &mut self,
        chunk: &[u8],
        mut take: impl FnMut(&Message) -> Result<(), BrokenStream>,
    ) -> Result<(), BrokenStream> {
        // Chunks that hold whole frames, which is nearly all, are not copied.
        let mut held = std::mem::take(&mut self.held);
        let buffer = if held.is_empty() {
            chunk
        } else {
            held.extend_from_slice(chunk);
            &held
        };
        let mut at = 0;
        while let Some(frame) = whole(buffer.get(at..).unwrap_or_default())? {
            let message = read_message_from(frame)
                .map_err(|_| BrokenStream::Malformed("a frame or its checksum is wrong"))?;
            take(&message)?;
            at += frame.len();
        }
        if held.is_empty() {
            self.held.extend_from_slice(chunk.get(at..).unwrap_or_default());
        } else {
            held.drain(..at);
            self.held = held;
        }
        Ok(())
    }
}

/// The first frame, if all of it is there.
fn whole(buffer: &[u8]) -> Result<Option<&[u8]>, BrokenStream> {
    let Some(length) = buffer.first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if length > EVENT_BYTES_MAX {
        return Err(BrokenStream::Oversized);
    }
    if length < FRAME_BYTES_MIN {
        return Err(BrokenStream::Malformed("a frame is shorter than any can be"));
    }
    Ok(buffer.get(..length))
}

#[cfg(test)]
mod tests {
    use aws_smithy_eventstream::frame::write_message_to;
    use aws_smithy_types::event_stream::{Header, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    fn frame(payload: &'static str) -> Vec<u8> {
        let header = Header::new(":event-type", HeaderValue::String("messageStart".into()));
        let mut bytes = Vec::new();
        write_message_to(&Message::new(payload.as_bytes()).add_header(header), &mut bytes).unwrap();
        bytes
    }

    fn payloads(pieces: &[&[u8]]) -> Result<Vec<Vec<u8>>, BrokenStream> {
        let (mut frames, mut found) = (Frames::default(), Vec::new());
        for piece in pieces {
            frames.feed(piece, |message| {
                found.push(message.payload().to_vec());
                Ok(())
            })?;
        }
        Ok(found)
    }

    #[test]
    fn messages_are_the_same_however_the_stream_is_cut() {
        let bytes = [frame("one"), frame(""), frame("three")].concat();
        let expected = vec![b"one".to_vec(), Vec::new(), b"three".to_vec()];
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                assert_eq!(payloads(&pieces).unwrap(), expected, "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn a_frame_with_any_bit_turned_is_not_handed_on() {
        let bytes = frame("payload");
        for at in 0..bytes.len() * 8 {
            let mut turned = bytes.clone();
            turned[at / 8] ^= 1 << (at % 8);
            // One that says to be longer waits for the rest; no other is waited for.
            match payloads(&[&turned]) {
                Ok(found) => assert!(found.is_empty() && at < 32, "bit {at}: {found:?}"),
                Err(BrokenStream::Oversized) => assert!(at < 32, "bit {at}"),
                Err(BrokenStream::Malformed(_)) => {}
            }
        }
    }

    #[test]
    fn a_frame_that_is_too_large_is_given_up_at_its_head() {
        let length = u32::try_from(EVENT_BYTES_MAX + 1).unwrap().to_be_bytes();
        assert_eq!(payloads(&[&length]), Err(BrokenStream::Oversized));
        assert!(matches!(payloads(&[&15u32.to_be_bytes()]), Err(BrokenStream::Malformed(_))));
    }

    proptest! {
        /// Checksums that are right protect from accidents and not from a provider that means harm.
        #[test]
        fn any_frame_is_read_or_refused(
            headers_length in 0u32..80,
            rest in prop::collection::vec(prop_oneof![0u8..16, any::<u8>()], 0..80),
        ) {
            let length = u32::try_from(rest.len() + FRAME_BYTES_MIN).unwrap();
            let mut bytes = [length.to_be_bytes(), headers_length.to_be_bytes()].concat();
            bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
            bytes.extend_from_slice(&rest);
            bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
            drop(payloads(&[&bytes]));
        }
    }
}
