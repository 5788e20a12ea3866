//! What stands before the body: a request's head as it is written, and an answer's as it is read (RFC 9112).

use std::io::Write as _;
use std::mem::MaybeUninit;

use bytes::{Buf as _, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::request::Parts as Head;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use httparse::Status;
use smallvec::SmallVec;

use super::ExchangeError;
use super::body::Framing;

/// The largest head of an answer.
pub(super) const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Header lines of an answer.
const HEADERS_MAX: usize = 100;
/// Those of the usual answer: so many take no allocation of their own.
const HEADERS_USUAL: usize = 16;

/// The head of an answer.
#[derive(Debug)]
pub(in crate::data) struct Answered {
    /// Its status.
    pub(in crate::data) status: StatusCode,
    /// Its headers.
    pub(in crate::data) headers: HeaderMap,
    /// Where its body ends.
    pub(super) framing: Framing,
    /// Whether the upstream leaves the connection open after it.
    pub(super) keeps_open: bool,
}

/// Writes a request's head for a body of known length.
pub(super) fn write(out: &mut Vec<u8>, head: &Head, length: u64) {
    out.extend_from_slice(head.method.as_str().as_bytes());
    out.push(b' ');
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    out.extend_from_slice(path.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in &head.headers {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    // Writing to a vector cannot fail.
    write!(out, "content-length: {length}\r\n\r\n").unwrap_or_default();
}

/// Takes an answer's head from what was read; nothing as long as it is not complete. Interim answers (1xx) are passed
/// over: we ask for none.
pub(super) fn read(buffer: &mut BytesMut) -> Result<Option<Answered>, ExchangeError> {
    while !buffer.is_empty() {
        let mut room = [const { MaybeUninit::uninit() }; HEADERS_MAX];
        let mut parsed = httparse::Response::new(&mut []);
        let parser = httparse::ParserConfig::default();
        let length = parser.parse_response_with_uninit_headers(&mut parsed, buffer, &mut room);
        let length = match length.map_err(ExchangeError::Head)? {
            Status::Complete(length) if length <= HEAD_BYTES_MAX => length,
            Status::Partial if buffer.len() < HEAD_BYTES_MAX => return Ok(None),
            Status::Complete(_) | Status::Partial => return Err(ExchangeError::HeadTooLarge),
        };
        let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
        let status = status.ok_or(ExchangeError::Head(httparse::Error::Status))?;
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(ExchangeError::Framing);
        }
        if status.is_informational() {
            buffer.advance(length);
            continue;
        }
        let is_newer = parsed.version == Some(1);
        // Names and places of the values; the values themselves are parts of the buffer, not copies.
        let mut places = SmallVec::<[(HeaderName, usize, usize); HEADERS_USUAL]>::new();
        let start = buffer.as_ptr() as usize;
        for header in &*parsed.headers {
            let name = HeaderName::from_bytes(header.name.as_bytes());
            let name = name.map_err(|_| ExchangeError::Head(httparse::Error::HeaderName))?;
            let from = header.value.as_ptr() as usize - start;
            places.push((name, from, from + header.value.len()));
        }
        let whole = buffer.split_to(length).freeze();
        let mut headers = HeaderMap::with_capacity(places.len());
        for (name, from, to) in places {
            let value = HeaderValue::from_maybe_shared(whole.slice(from..to));
            headers.append(name, value.map_err(|_| ExchangeError::Head(httparse::Error::HeaderValue))?);
        }
        let framing = framing(status, &headers, is_newer)?;
        let keeps_open = is_newer && !says_close(&headers);
        return Ok(Some(Answered { status, headers, framing, keeps_open }));
    }
    Ok(None)
}

fn says_close(headers: &HeaderMap) -> bool {
    headers.get_all(CONNECTION).iter().any(|value| {
        let words = value.as_bytes().split(|byte| *byte == b',');
        words.map(<[u8]>::trim_ascii).any(|word| word.eq_ignore_ascii_case(b"close"))
    })
}

/// Where the body of an answer ends (RFC 9112, 6.3), where that can be told in one way only.
fn framing(status: StatusCode, headers: &HeaderMap, is_newer: bool) -> Result<Framing, ExchangeError> {
    let encodings = headers.get_all(TRANSFER_ENCODING).iter();
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    if status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
        return Ok(Framing::Ended);
    }
    let mut encodings = encodings.peekable();
    if let Some(encoding) = encodings.next() {
        let is_plain = encoding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
        let is_only = encodings.next().is_none() && lengths.next().is_none() && is_newer;
        return if is_plain && is_only { Ok(Framing::chunked()) } else { Err(ExchangeError::Framing) };
    }
    let Some(first) = lengths.next() else { return Ok(Framing::UntilClose) };
    if lengths.any(|other| other != first) {
        return Err(ExchangeError::Framing);
    }
    let digits = first.as_bytes();
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let length = first.to_str().ok().filter(|_| is_number).and_then(|text| text.parse().ok());
    Ok(Framing::length(length.ok_or(ExchangeError::Framing)?))
}
