//! Packet lines: four hex digits of length, then that many bytes.

use crate::fetch::{FetchError, Limit};

/// Bytes that arrive from a server.
pub(crate) trait ByteSource {
    /// Fills some of the buffer; 0 means that the server is done.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FetchError>;
}

/// The longest packet Git sends.
const PACKET_MAX: usize = 65_520;

/// One packet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Packet<'a> {
    /// The end of a section.
    Flush,
    /// A line, or a piece of a stream.
    Data(&'a [u8]),
}

/// Cuts bytes into packets.
pub(crate) struct PacketReader<'s> {
    source: Box<dyn ByteSource + 's>,
    remote: String,
    buffer: Vec<u8>,
    /// Bytes that may still be read, and the error once there are none.
    left: u64,
    limit: Limit,
}

impl<'s> PacketReader<'s> {
    /// Reads at most `bytes` from `source`; past them the error names `limit`.
    pub(crate) fn new(source: Box<dyn ByteSource + 's>, remote: String, bytes: u64, limit: Limit) -> Self {
        Self { source, remote, buffer: vec![0; PACKET_MAX], left: bytes, limit }
    }

    /// Sets a new bound for what follows on the same connection.
    pub(crate) fn allow(&mut self, bytes: u64, limit: Limit) {
        self.left = bytes;
        self.limit = limit;
    }

    /// The address, for messages.
    pub(crate) fn remote(&self) -> &str {
        &self.remote
    }

    /// The next packet.
    pub(crate) fn next(&mut self) -> Result<Packet<'_>, FetchError> {
        self.fill(4)?;
        let length = std::str::from_utf8(&self.buffer[..4])
            .ok()
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|digits| usize::from_str_radix(digits, 16).ok());
        match length {
            Some(0) => Ok(Packet::Flush),
            Some(length @ 4..=PACKET_MAX) => {
                self.fill(length - 4)?;
                Ok(Packet::Data(&self.buffer[..length - 4]))
            }
            _ => Err(self.protocol("a packet without a length")),
        }
    }

    /// An error about what the server sent.
    pub(crate) fn protocol(&self, problem: impl Into<String>) -> FetchError {
        FetchError::Protocol { remote: self.remote.clone(), problem: problem.into() }
    }

    fn fill(&mut self, wanted: usize) -> Result<(), FetchError> {
        let mut filled = 0;
        while filled < wanted {
            let read = self.source.read(&mut self.buffer[filled..wanted])?;
            if read == 0 {
                return Err(self.protocol("the answer ended early"));
            }
            self.left = self
                .left
                .checked_sub(u64::try_from(read).unwrap_or(u64::MAX))
                .ok_or(FetchError::TooLarge { limit: self.limit })?;
            filled += read;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes that arrive a few at a time.
    pub(crate) struct Slowly(pub(crate) Vec<u8>, pub(crate) usize);

    impl ByteSource for Slowly {
        fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FetchError> {
            let count = buffer.len().min(self.1).min(self.0.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0.drain(..count);
            Ok(count)
        }
    }

    pub(crate) fn reader(bytes: &[u8], step: usize) -> PacketReader<'static> {
        let limit = Limit::AdvertisementBytes(10_000);
        PacketReader::new(Box::new(Slowly(bytes.to_vec(), step)), "test".to_owned(), 10_000, limit)
    }

    #[test]
    fn packets_are_cut_where_their_length_says() {
        let mut packets = reader(b"0006a\n00000005b0004", 3);
        assert_eq!(packets.next().unwrap(), Packet::Data(b"a\n"));
        assert_eq!(packets.next().unwrap(), Packet::Flush);
        assert_eq!(packets.next().unwrap(), Packet::Data(b"b"));
        assert_eq!(packets.next().unwrap(), Packet::Data(b""));
        assert!(packets.next().unwrap_err().to_string().contains("ended early"));
    }

    #[test]
    fn a_length_that_is_none_is_refused() {
        for bytes in [b"0003".as_slice(), b"+006ab", b"zzzz", b"ffff", b"\xff\xff\xff\xff"] {
            assert!(matches!(reader(bytes, 9).next(), Err(FetchError::Protocol { .. })), "{bytes:?}");
        }
    }

    #[test]
    fn more_bytes_than_allowed_are_refused() {
        let mut packets =
            reader(&b"0104".iter().copied().chain([b'x'; 256]).cycle().take(20_000).collect::<Vec<_>>(), 999);
        let error = std::iter::repeat_with(|| packets.next().map(|_| ())).find_map(Result::err).unwrap();
        assert!(matches!(error, FetchError::TooLarge { limit: Limit::AdvertisementBytes(10_000) }));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_fail_otherwise_than_with_an_error(
            bytes in proptest::collection::vec(any::<u8>(), 0..500), step in 1..50_usize
        ) {
            let mut packets = reader(&bytes, step);
            while packets.next().is_ok() {}
        }
    }
}
