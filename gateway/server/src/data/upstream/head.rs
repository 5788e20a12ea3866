//! What stands before the body: a request's head as it is written, and an answer's as it is read (RFC 9112).

use std::mem::MaybeUninit;

use bytes::{Buf as _, BytesMut};
use http::StatusCode;
use http::request::Parts as Head;
use httparse::Status;

use super::ExchangeError;
use super::body::Framing;
use super::lines::{Lines, Place};
use crate::digits::Digits;

/// The largest head of an answer.
pub(super) const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Header lines of an answer.
const HEADERS_MAX: usize = 100;

/// The head of an answer.
#[derive(Debug)]
pub(in crate::data) struct Answered {
    /// Its status.
    pub(in crate::data) status: StatusCode,
    /// Its headers.
    pub(in crate::data) headers: Lines,
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
    out.extend_from_slice(b"content-length: ");
    out.extend_from_slice(Digits::of(length, 1).as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
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
        let start = buffer.as_ptr() as usize;
        let place = |part: &[u8]| {
            let from = part.as_ptr() as usize - start;
            from..from + part.len()
        };
        let parts = |header: &httparse::Header<'_>| Place {
            name: place(header.name.as_bytes()),
            value: place(header.value),
        };
        let places = parsed.headers.iter().map(parts).collect();
        let headers = Lines::new(buffer.split_to(length).freeze(), places);
        let framing = framing(status, &headers, is_newer)?;
        let keeps_open = is_newer && !says_close(&headers);
        return Ok(Some(Answered { status, headers, framing, keeps_open }));
    }
    Ok(None)
}

fn says_close(headers: &Lines) -> bool {
    headers.all("connection").any(|value| {
        let words = value.split(|byte| *byte == b',');
        words.map(<[u8]>::trim_ascii).any(|word| word.eq_ignore_ascii_case(b"close"))
    })
}

/// Where the body of an answer ends (RFC 9112, 6.3), where that can be told in one way only.
fn framing(status: StatusCode, headers: &Lines, is_newer: bool) -> Result<Framing, ExchangeError> {
    let mut encodings = headers.all("transfer-encoding");
    let mut lengths = headers.all("content-length");
    if status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
        return Ok(Framing::Ended);
    }
    if let Some(encoding) = encodings.next() {
        let is_plain = encoding.trim_ascii().eq_ignore_ascii_case(b"chunked");
        let is_only = encodings.next().is_none() && lengths.next().is_none() && is_newer;
        return if is_plain && is_only { Ok(Framing::chunked()) } else { Err(ExchangeError::Framing) };
    }
    let Some(digits) = lengths.next() else { return Ok(Framing::UntilClose) };
    if lengths.any(|other| other != digits) {
        return Err(ExchangeError::Framing);
    }
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(digits).ok().filter(|_| is_number);
    let length = text.and_then(|text| text.parse().ok());
    Ok(Framing::length(length.ok_or(ExchangeError::Framing)?))
}
