//! The socket of a caller, guarded: how slow it may be, and how much of what it sends is let through at a time.
//!
//! The HTTP parser sees one request at a time. Bytes of the next are kept back until the present one is answered, so
//! that it can never disagree with [`super::framing`] about where a request begins, and so that while it waits for an
//! answer it reads nothing but the news that the caller went away. That news is what cancels a request.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf, Take};
use tokio::time::{Instant, Sleep};

use crate::tls::HANDSHAKE_TIMEOUT;

use super::framing::{Framing, HeadReader};

/// Bytes of following requests that are kept back. A caller that sends more ahead is not read until it is answered.
const AHEAD_BYTES_MAX: usize = 64 * 1024;

/// How slow a client may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// From the connection's start to the end of the TLS handshake, where there is one.
    pub handshake: Duration,
    /// From a request's first byte (or the connection's start) to the end of its head.
    pub head: Duration,
    /// From the end of the head to the end of the body.
    pub body: Duration,
    /// Between two pieces of a body.
    pub body_idle: Duration,
    /// Between two requests. Longer than the 60 s of the usual load balancer in front, so that it is never we who
    /// close a connection on which the next request is already on its way.
    pub idle: Duration,
    /// While the client takes nothing of an answer.
    pub write: Duration,
    /// How often a stream that is silent is looked at: within twice this time its caller is sent a sign of life.
    pub heartbeat: Duration,
}

impl Deadlines {
    /// The safe defaults.
    pub const DEFAULT: Self = Self {
        handshake: HANDSHAKE_TIMEOUT,
        head: Duration::from_secs(10),
        body: Duration::from_secs(60),
        body_idle: Duration::from_secs(10),
        idle: Duration::from_secs(75),
        write: Duration::from_secs(60),
        heartbeat: Duration::from_secs(10),
    };
}

/// What a connection's guard and its requests tell each other.
#[derive(Debug)]
pub(super) struct Mark {
    /// Who is at the other end.
    peer: IpAddr,
    opened: Instant,
    /// When the present request was answered, in milliseconds since `opened`, and one more. 0: not yet.
    answered: AtomicU64,
    doubtful: AtomicBool,
    last: AtomicBool,
    /// Set while bytes of a following request are kept back: hyper, which last heard that nothing is there to read,
    /// must be told to ask again.
    reader: Mutex<Option<Waker>>,
}

impl Mark {
    /// Of a connection that was just accepted.
    pub(super) fn new(peer: IpAddr) -> Self {
        Self {
            peer,
            opened: Instant::now(),
            answered: AtomicU64::new(0),
            doubtful: AtomicBool::new(false),
            last: AtomicBool::new(false),
            reader: Mutex::new(None),
        }
    }

    /// The address at the other end, as the kernel knows it.
    pub(super) const fn peer(&self) -> IpAddr {
        self.peer
    }

    /// When the present request was answered, said once.
    fn take_answered(&self) -> Option<Instant> {
        let after = self.answered.swap(0, Ordering::AcqRel).checked_sub(1)?;
        Some(self.opened + Duration::from_millis(after))
    }

    /// The present request has its answer: the next one may come in.
    pub(super) fn answer(&self) {
        let after = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.answered.store(after + 1, Ordering::Release);
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Whether the present request could be read in two ways.
    pub(super) fn is_doubtful(&self) -> bool {
        self.doubtful.load(Ordering::Acquire)
    }

    /// Whether the connection must end after the present request.
    pub(super) fn is_last(&self) -> bool {
        self.last.load(Ordering::Acquire)
    }
}

/// What is being read.
#[derive(Debug)]
enum Phase {
    /// Nothing yet: between two requests.
    Between,
    /// A head.
    Head,
    /// A body of which so much is still to come; at 0, the caller waits for its answer.
    Body(u64),
    /// A body in chunks; the connection ends after it.
    Chunked,
}

/// A caller's socket.
#[derive(Debug)]
pub(super) struct Guarded<S> {
    stream: Take<S>,
    mark: Arc<Mark>,
    deadlines: Deadlines,
    phase: Phase,
    head: HeadReader,
    ahead: Vec<u8>,
    read_by: Instant,
    read_timer: Option<Pin<Box<Sleep>>>,
    write_timer: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + Unpin> Guarded<S> {
    pub(super) fn new(stream: S, mark: Arc<Mark>, deadlines: Deadlines) -> Self {
        Self {
            stream: stream.take(u64::MAX),
            mark,
            deadlines,
            phase: Phase::Head,
            head: HeadReader::default(),
            ahead: Vec::new(),
            read_by: Instant::now() + deadlines.head,
            read_timer: None,
            write_timer: None,
        }
    }

    /// Reads on in a head. Between two requests silence ends the connection quietly.
    fn poll_head(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if self.ahead.is_empty() {
            self.stream.set_limit(u64::MAX);
            match Pin::new(&mut self.stream).poll_read(cx, buffer) {
                Poll::Ready(read) => read?,
                Poll::Pending => return self.poll_read_timer(cx),
            }
        } else {
            let count = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(self.ahead.get(..count).unwrap_or_default());
            self.ahead.drain(..count);
        }
        if buffer.filled().len() > before {
            self.take_in(buffer, before);
        }
        Poll::Ready(Ok(()))
    }

    /// Looks at the bytes of a head that have just come in, and keeps back what is not of this request.
    fn take_in(&mut self, buffer: &mut ReadBuf<'_>, before: usize) {
        let fresh = buffer.filled().get(before..).unwrap_or_default();
        let end = self.head.read(fresh);
        if matches!(self.phase, Phase::Between) && self.head.has_begun() {
            self.phase = Phase::Head;
            self.read_by = Instant::now() + self.deadlines.head;
        }
        let Some((end, framing)) = end else { return };
        if std::mem::take(&mut self.head).doubt().is_some() {
            self.mark.doubtful.store(true, Ordering::Release);
            self.mark.last.store(true, Ordering::Release);
        }
        match framing {
            Framing::Chunked => {
                self.mark.last.store(true, Ordering::Release);
                self.phase = Phase::Chunked;
            }
            Framing::Length(length) => {
                let follows = (fresh.len() - end) as u64;
                if follows > length {
                    let own = end + usize::try_from(length).unwrap_or(usize::MAX);
                    self.ahead.splice(..0, fresh.get(own..).unwrap_or_default().iter().copied());
                    buffer.set_filled(before + own);
                }
                self.phase = Phase::Body(length.saturating_sub(follows));
            }
        }
    }

    /// While the caller waits for its answer: only its going away is news.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let gone = self.poll_ahead(cx);
        if gone.is_pending() {
            self.keep_awake(cx);
        }
        if gone.is_pending() && !self.ahead.is_empty() {
            *self.mark.reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        }
        gone
    }

    /// Sees to it that reading is tried again some time. Once the answer is sent hyper asks for the next request only
    /// when the socket or this timer wakes it, and a connection that stays silent must end.
    fn keep_awake(&mut self, cx: &mut Context<'_>) {
        let idle = self.deadlines.idle;
        let timer = self.read_timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
        while timer.as_mut().poll(cx).is_ready() {
            timer.as_mut().reset(Instant::now() + idle);
        }
    }

    /// Reads what is sent ahead, and keeps it.
    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.set_limit(u64::MAX);
        while self.ahead.len() < AHEAD_BYTES_MAX {
            let mut space = [0; 512];
            let mut buffer = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.ahead.extend_from_slice(buffer.filled());
        }
        Poll::Pending
    }

    /// Waits for the deadline of reading. The timer is moved only when it goes off, not with each request.
    fn poll_read_timer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let by = self.read_by;
        let timer = self.read_timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(by)));
        if timer.deadline() > by {
            timer.as_mut().reset(by);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= by {
                break;
            }
            timer.as_mut().reset(by);
        }
        // hyper reads nothing as the end of the connection.
        if matches!(self.phase, Phase::Between) {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the request's head took too long")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if matches!(this.phase, Phase::Body(0)) {
            let Some(answered) = this.mark.take_answered() else { return this.poll_gone(cx) };
            this.phase = Phase::Between;
            this.read_by = answered + this.deadlines.idle;
        }
        match this.phase {
            Phase::Between | Phase::Head => this.poll_head(cx, buffer),
            Phase::Body(left) => {
                this.stream.set_limit(left);
                let before = buffer.filled().len();
                ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
                let read = buffer.filled().len() - before;
                this.phase = Phase::Body(left.saturating_sub(read as u64));
                Poll::Ready(Ok(()))
            }
            Phase::Chunked => {
                this.stream.set_limit(u64::MAX);
                Pin::new(&mut this.stream).poll_read(cx, buffer)
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Guarded<S> {
    fn limit_write<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.write_timer = None;
            return written;
        }
        let wait = self.deadlines.write;
        let timer = self.write_timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(wait)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the caller takes nothing of its answer")))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(this.stream.get_mut()).poll_write(cx, bytes);
        this.limit_write(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(this.stream.get_mut()).poll_write_vectored(cx, slices);
        this.limit_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.get_ref().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(this.stream.get_mut()).poll_flush(cx);
        this.limit_write(cx, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // TLS says goodbye, which a caller that takes nothing holds up.
        let closed = Pin::new(this.stream.get_mut()).poll_shutdown(cx);
        this.limit_write(cx, closed)
    }
}
