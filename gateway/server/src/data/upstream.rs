//! HTTP/1.1 as it is spoken to upstreams: one request at a time on a connection, by the task that asks.
//!
//! In: a request's head and body. Out: the answer's head, and its body as it comes. A general HTTP client runs a task
//! for each connection and hands every piece over a channel; here the task that waits for the answer reads the socket
//! itself, which halves the work of a request and of each event of a stream. What is read is judged strictly: an
//! answer whose end can be told in two ways is none.
//!
//! Reading order: [`head`] (what is written and read before the body), [`lines`] (what an answer's head says), [`body`]
//! (where an answer ends), [`stream`] (TCP or TLS).

mod body;
mod head;
mod lines;
mod stream;

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use http::request::Parts as Head;
use moorline_translate::Parts;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use super::turn::Gathered;
use body::Framing;
pub(super) use head::Answered;
pub(super) use lines::Lines;
pub(super) use stream::Stream;

/// The most of a body that is copied behind the head, so that both leave in one piece.
const COPIED_BYTES_MAX: u64 = 16 * 1024;
/// What is read at once while nobody knows how much there is.
const PIECE_BYTES: usize = 4 * 1024;
/// What is read at once at most.
const READ_BYTES_MAX: usize = 64 * 1024;

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExchangeError {
    /// The upstream closed before it said anything, or in the midst of its answer's head.
    #[error("the upstream closed the connection before its answer")]
    Closed,
    /// The answer broke off.
    #[error("the upstream closed the connection before its answer's end")]
    Truncated,
    /// The connection failed.
    #[error("the connection failed")]
    Io(#[from] io::Error),
    /// The answer's head is none of HTTP/1.1.
    #[error("the answer's head is not HTTP/1.1")]
    Head(#[source] httparse::Error),
    /// The answer's head is too large.
    #[error("the answer's head is larger than {} bytes", head::HEAD_BYTES_MAX)]
    HeadTooLarge,
    /// Where the answer ends can be told in two ways, or not at all.
    #[error("the answer's framing is not valid")]
    Framing,
}

/// A connection to an upstream.
pub(super) struct Connection {
    stream: Gathered<Stream>,
    read: BytesMut,
    written: Vec<u8>,
    framing: Framing,
    /// Whether the upstream has said anything since the present request was begun.
    heard: bool,
    /// Whether another request may follow on this connection.
    reusable: bool,
}

impl Connection {
    pub(super) fn new(stream: Gathered<Stream>) -> Self {
        Self {
            stream,
            read: BytesMut::new(),
            written: Vec::new(),
            framing: Framing::Ended,
            heard: false,
            reusable: true,
        }
    }

    /// Whether the upstream has said anything in answer.
    pub(super) const fn was_heard(&self) -> bool {
        self.heard
    }

    /// Whether another request can be sent: the last answer was read to its end, and nothing came since.
    pub(super) fn is_idle(&mut self) -> bool {
        if !self.reusable || !self.framing.has_ended() || !self.read.is_empty() || !self.stream.is_clear() {
            return false;
        }
        // Costs no system call while nothing has come. An end or a word out of turn makes it ready.
        let mut byte = [0; 1];
        let mut buffer = ReadBuf::new(&mut byte);
        Pin::new(&mut self.stream)
            .poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer)
            .is_pending()
    }

    /// Sends a request and reads the head of its answer. Cancelled half way, the connection must be dropped.
    pub(super) async fn exchange(&mut self, head: &Head, body: &Parts) -> Result<Answered, ExchangeError> {
        self.heard = false;
        self.reusable = false;
        self.written.clear();
        head::write(&mut self.written, head, body.length());
        let copied = body.length() <= COPIED_BYTES_MAX;
        if copied {
            body.iter().for_each(|part| self.written.extend_from_slice(part));
        }
        let mut sending = Sending { sent: 0, body: if copied { None } else { Some(body) }, failed: None };
        let answered = poll_fn(|cx| self.poll_exchange(cx, &mut sending)).await?;
        let is_sent = sending.is_done(&self.written);
        self.framing = answered.framing;
        self.reusable = answered.keeps_open && is_sent && self.framing.is_delimited();
        Ok(answered)
    }

    fn poll_exchange(
        &mut self,
        cx: &mut Context<'_>,
        sending: &mut Sending<'_>,
    ) -> Poll<Result<Answered, ExchangeError>> {
        // An upstream may answer before it has read all, and then close: its answer counts, not the failed writing.
        if sending.failed.is_none()
            && let Poll::Ready(Err(error)) = sending.poll(&mut self.stream, &self.written, cx)
        {
            sending.failed = Some(error);
        }
        loop {
            if let Some(answered) = head::read(&mut self.read)? {
                return Poll::Ready(Ok(answered));
            }
            match ready!(self.poll_fill(cx)) {
                Ok(0) => {
                    return Poll::Ready(Err(sending.failed.take().map_or(ExchangeError::Closed, Into::into)));
                }
                Ok(_) => self.heard = true,
                Err(error) => return Poll::Ready(Err(sending.failed.take().unwrap_or(error).into())),
            }
        }
    }

    /// The next bytes of the answer's body; `None` after its clean end.
    pub(super) fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ExchangeError>>> {
        loop {
            match self.framing.take(&mut self.read) {
                Ok(Some(data)) => return Poll::Ready(Some(Ok(data))),
                Ok(None) if self.framing.has_ended() => return Poll::Ready(None),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
            match ready!(self.poll_fill(cx)) {
                Ok(0) if self.framing.end_of_file() => return Poll::Ready(None),
                Ok(0) => return Poll::Ready(Some(Err(ExchangeError::Truncated))),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            }
        }
    }

    /// Reads more, if there is more.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let expected = self.framing.expects();
        if expected > PIECE_BYTES {
            self.read.reserve(expected.min(READ_BYTES_MAX));
            let filled = tokio_util::io::poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.read);
            if filled.is_pending() && self.read.is_empty() {
                self.read = BytesMut::new();
            }
            return filled;
        }
        // On the stack first: an upstream is silent most of the time, and thousands of connections would hold room for
        // nothing, or take it and give it back each time there is nothing yet.
        let mut room = [const { MaybeUninit::uninit() }; PIECE_BYTES];
        let mut piece = ReadBuf::uninit(&mut room);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut piece))?;
        self.read.extend_from_slice(piece.filled());
        Poll::Ready(Ok(piece.filled().len()))
    }
}

/// A request on its way out.
struct Sending<'a> {
    sent: usize,
    /// What follows the bytes that were gathered.
    body: Option<&'a Parts>,
    failed: Option<io::Error>,
}

impl Sending<'_> {
    fn total(&self, gathered: &[u8]) -> usize {
        let body = self.body.map_or(0, Parts::length);
        gathered.len().saturating_add(usize::try_from(body).unwrap_or(usize::MAX))
    }

    fn is_done(&self, gathered: &[u8]) -> bool {
        self.failed.is_none() && self.sent == self.total(gathered)
    }

    fn poll(
        &mut self,
        stream: &mut Gathered<Stream>,
        gathered: &[u8],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let total = self.total(gathered);
        if self.sent == total {
            return Pin::new(stream).poll_flush(cx);
        }
        while self.sent < total {
            let sent = match self.body {
                None => {
                    let rest = gathered.get(self.sent..).unwrap_or_default();
                    ready!(Pin::new(&mut *stream).poll_write(cx, rest))?
                }
                Some(body) => {
                    let slices = rest_of(gathered, body, self.sent);
                    ready!(Pin::new(&mut *stream).poll_write_vectored(cx, &slices))?
                }
            };
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += sent;
        }
        Pin::new(stream).poll_flush(cx)
    }
}

/// What is left of a request of which so many bytes have gone.
fn rest_of<'a>(gathered: &'a [u8], body: &'a Parts, mut sent: usize) -> Vec<IoSlice<'a>> {
    let mut slices = Vec::with_capacity(8);
    for part in std::iter::once(gathered).chain(body.iter().map(|part| &**part)) {
        let gone = sent.min(part.len());
        sent -= gone;
        let rest = part.get(gone..).unwrap_or_default();
        if !rest.is_empty() {
            slices.push(IoSlice::new(rest));
        }
    }
    slices
}

#[cfg(test)]
mod tests;
