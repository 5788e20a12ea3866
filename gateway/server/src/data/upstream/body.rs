//! Where an answer ends: after so many bytes, after the last chunk, or where the connection closes (RFC 9112, 6 and 7).

use bytes::{Buf as _, Bytes, BytesMut};
use memchr::memchr;

use super::ExchangeError;

/// The longest line that tells a chunk's size.
const SIZE_LINE_BYTES_MAX: usize = 256;
/// The longest trailer line.
const TRAILER_LINE_BYTES_MAX: usize = 8 * 1024;
/// Trailer lines of an answer.
const TRAILERS_MAX: u8 = 32;

/// Where the rest of an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// Nothing is left of it.
    Ended,
    /// After so many bytes.
    Length(u64),
    /// After the last chunk.
    Chunked(Chunk),
    /// Where the connection closes.
    UntilClose,
}

/// A place in a chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunk {
    /// Before a chunk's size.
    Size,
    /// In a chunk, before so many bytes of it.
    Data(u64),
    /// Before the line end after a chunk.
    End,
    /// After the last chunk, before so many trailer lines at most.
    Trailers(u8),
}

impl Framing {
    pub(super) const fn length(length: u64) -> Self {
        if length == 0 { Self::Ended } else { Self::Length(length) }
    }

    pub(super) const fn chunked() -> Self {
        Self::Chunked(Chunk::Size)
    }

    /// Whether nothing is left.
    pub(super) const fn has_ended(self) -> bool {
        matches!(self, Self::Ended)
    }

    /// Whether the end is told by something else than the connection's.
    pub(super) const fn is_delimited(self) -> bool {
        !matches!(self, Self::UntilClose)
    }

    /// How many bytes are expected, as far as one can tell.
    pub(super) fn expects(self) -> usize {
        match self {
            Self::Length(left) | Self::Chunked(Chunk::Data(left)) => {
                usize::try_from(left).unwrap_or(usize::MAX)
            }
            _ => 0,
        }
    }

    /// The connection has closed; says whether that is the answer's end.
    pub(super) const fn end_of_file(&mut self) -> bool {
        let is_end = matches!(self, Self::UntilClose | Self::Ended);
        if is_end {
            *self = Self::Ended;
        }
        is_end
    }

    /// Takes what of the body stands in `buffer`; nothing when more must be read first, or nothing is left.
    pub(super) fn take(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, ExchangeError> {
        match self {
            Self::Ended => Ok(None),
            _ if buffer.is_empty() => Ok(None),
            Self::UntilClose => Ok(Some(buffer.split().freeze())),
            Self::Length(left) => {
                let data = split(buffer, left);
                *self = Self::length(*left);
                Ok(Some(data))
            }
            Self::Chunked(_) => self.take_chunks(buffer),
        }
    }

    /// Takes the data of all chunks that are here, as one piece.
    fn take_chunks(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, ExchangeError> {
        let mut taken = Taken::default();
        while let Self::Chunked(chunk) = self {
            match chunk {
                Chunk::Size => {
                    let Some(size) = size(buffer)? else { break };
                    *chunk = if size == 0 { Chunk::Trailers(TRAILERS_MAX) } else { Chunk::Data(size) };
                }
                Chunk::Data(left) => {
                    if buffer.is_empty() {
                        break;
                    }
                    taken.push(split(buffer, left));
                    if *left == 0 {
                        *chunk = Chunk::End;
                    }
                }
                Chunk::End => {
                    if buffer.len() < 2 {
                        break;
                    }
                    if !buffer.starts_with(b"\r\n") {
                        return Err(ExchangeError::Framing);
                    }
                    buffer.advance(2);
                    *chunk = Chunk::Size;
                }
                Chunk::Trailers(left) => match line(buffer, TRAILER_LINE_BYTES_MAX)? {
                    None => break,
                    Some(0) => *self = Self::Ended,
                    Some(_) => *left = left.checked_sub(1).ok_or(ExchangeError::Framing)?,
                },
            }
        }
        Ok(taken.into_bytes())
    }
}

/// Splits off what belongs to the body, and counts it.
fn split(buffer: &mut BytesMut, left: &mut u64) -> Bytes {
    let here = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
    *left -= here as u64;
    buffer.split_to(here).freeze()
}

/// Takes a line that tells a chunk's size. What follows the size (an extension) means nothing to us.
fn size(buffer: &mut BytesMut) -> Result<Option<u64>, ExchangeError> {
    let mut size: u64 = 0;
    let mut digits = 0;
    for byte in buffer.iter() {
        let Some(digit) = char::from(*byte).to_digit(16) else { break };
        // 15 digits cannot overflow.
        digits += 1;
        if digits > 15 {
            return Err(ExchangeError::Framing);
        }
        size = size << 4 | u64::from(digit);
    }
    let after = buffer.get(digits).copied();
    if after.is_some_and(|byte| digits == 0 || !matches!(byte, b'\r' | b';' | b' ' | b'\t')) {
        return Err(ExchangeError::Framing);
    }
    Ok(line(buffer, SIZE_LINE_BYTES_MAX)?.map(|_| size))
}

/// Takes a line, and tells its length without its end.
fn line(buffer: &mut BytesMut, bytes_max: usize) -> Result<Option<usize>, ExchangeError> {
    let window = buffer.get(..bytes_max.min(buffer.len())).unwrap_or_default();
    let Some(end) = memchr(b'\n', window) else {
        return if window.len() == bytes_max { Err(ExchangeError::Framing) } else { Ok(None) };
    };
    let length = end.checked_sub(1).filter(|before| window.get(*before) == Some(&b'\r'));
    let length = length.ok_or(ExchangeError::Framing)?;
    buffer.advance(end + 1);
    Ok(Some(length))
}

/// One piece without a copy, several as one.
#[derive(Default)]
struct Taken {
    first: Bytes,
    all: BytesMut,
}

impl Taken {
    fn push(&mut self, data: Bytes) {
        if self.all.is_empty() {
            if self.first.is_empty() {
                self.first = data;
                return;
            }
            self.all.extend_from_slice(&self.first);
        }
        self.all.extend_from_slice(&data);
    }

    fn into_bytes(self) -> Option<Bytes> {
        if !self.all.is_empty() {
            return Some(self.all.freeze());
        }
        Some(self.first).filter(|first| !first.is_empty())
    }
}
