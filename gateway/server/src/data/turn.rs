//! Writing at the end of the turn: what the tasks of a worker have to say while it goes through what woke it is sent in
//! one go, after all of them.
//!
//! In: bytes that a caller's or an upstream's connection writes. Out: the same bytes on its stream, as soon as every
//! task that could run has run ([`Turn::flush_for_ever`] is a task itself, and the runtime's queue is first in, first
//! out). A send is the dearest thing that a request does, mostly because it wakes whoever waits at the other end: a
//! peer on this machine is woken once for all that a turn has for it, and sends that follow each other find their code
//! and data at hand. When nothing else is to be done the turn is over at once.
//!
//! What is too much to hold is written straight away. What does not go out at once is the writing task's again: its
//! flush waits until the stream takes it, as it would without this module, so that the deadlines of writing hold.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

/// Bytes that a connection may hold back. More is written at once.
const HELD_BYTES_MAX: usize = 16 * 1024;

/// Emptied buffers that are kept for the next turn.
const SPARE_MAX: usize = 64;

/// The turn of one worker.
#[derive(Default)]
pub(super) struct Turn {
    held: Mutex<Held>,
    bell: Notify,
}

#[derive(Default)]
struct Held {
    /// Connections that hold something back, each at most once.
    late: Vec<Arc<dyn Late>>,
    /// Room for what they hold: a connection has none of its own while it is silent.
    spare: Vec<Vec<u8>>,
}

/// A connection that holds something back.
trait Late: Send + Sync {
    /// Sends it. The room it took, when it has gone.
    fn send(&self) -> Option<Vec<u8>>;
}

impl Turn {
    /// Sends at the end of each turn, until it is cancelled.
    pub(super) async fn flush_for_ever(&self) {
        loop {
            self.bell.notified().await;
            self.flush();
        }
    }

    /// Sends what is held back.
    pub(super) fn flush(&self) {
        let mut late = std::mem::take(&mut lock(&self.held).late);
        for connection in late.drain(..) {
            let room = connection.send();
            let mut held = lock(&self.held);
            if held.spare.len() < SPARE_MAX {
                held.spare.extend(room);
            }
        }
        // The list's own room is used again, unless somebody has put something there meanwhile.
        let mut held = lock(&self.held);
        if held.late.is_empty() {
            held.late = late;
        }
    }

    /// Sends what a connection holds back at the end of the turn. Room for that.
    fn add(&self, connection: Arc<dyn Late>) -> Vec<u8> {
        let mut held = lock(&self.held);
        if held.late.is_empty() {
            self.bell.notify_one();
        }
        held.late.push(connection);
        held.spare.pop().unwrap_or_default()
    }
}

/// A stream that is written at the end of the turn.
pub(super) struct Gathered<S> {
    shared: Arc<Mutex<Shared<S>>>,
    turn: Arc<Turn>,
}

struct Shared<S> {
    stream: S,
    held: Vec<u8>,
    state: State,
    /// Who is told when what was held back did not go out.
    writer: Option<Waker>,
}

enum State {
    /// What is written may be held back, or is.
    Open,
    /// The stream did not take everything yet: its writer waits for that.
    Blocked,
    /// Sending what was held back failed, which its writer hears next.
    Failed(io::Error),
}

impl<S> Gathered<S> {
    pub(super) fn new(stream: S, turn: Arc<Turn>) -> Self {
        let shared = Shared { stream, held: Vec::new(), state: State::Open, writer: None };
        Self { shared: Arc::new(Mutex::new(shared)), turn }
    }

    /// Whether everything that was written has gone.
    pub(super) fn is_clear(&self) -> bool {
        lock(&self.shared).held.is_empty()
    }
}

impl<S: AsyncWrite + Unpin> Shared<S> {
    /// Writes what is held back until all of it has gone. Gives the room it took: a silent connection keeps none.
    fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        if let State::Failed(error) = std::mem::replace(&mut self.state, State::Blocked) {
            self.held = Vec::new();
            return Poll::Ready(Err(error));
        }
        while !self.held.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.held))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.held.drain(..written);
        }
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.state = State::Open;
        Poll::Ready(Ok(std::mem::take(&mut self.held)))
    }

    fn can_hold(&self, more: usize) -> bool {
        matches!(self.state, State::Open) && self.held.len().saturating_add(more) <= HELD_BYTES_MAX
    }
}

impl<S: AsyncWrite + Unpin + Send> Late for Mutex<Shared<S>> {
    fn send(&self) -> Option<Vec<u8>> {
        let mut shared = lock(self);
        // Kept no longer than needed: it keeps its whole task in memory.
        let writer = shared.writer.take();
        match shared.poll_held(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(room)) => return Some(room),
            Poll::Ready(Err(error)) => shared.state = State::Failed(error),
            Poll::Pending => {}
        }
        drop(shared);
        if let Some(writer) = writer {
            writer.wake();
        }
        None
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut lock(&self.shared).stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin + Send + 'static> AsyncWrite for Gathered<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut shared = lock(&self.shared);
        let length = slices.iter().map(|slice| slice.len()).fold(0, usize::saturating_add);
        if !shared.can_hold(length) {
            ready!(shared.poll_held(cx))?;
            let written = Pin::new(&mut shared.stream).poll_write_vectored(cx, slices);
            // TLS holds back bytes of its own until it is flushed.
            shared.state = State::Blocked;
            return written;
        }
        if shared.writer.is_none() && length > 0 {
            shared.writer = Some(cx.waker().clone());
            shared.held = self.turn.add(Arc::clone(&self.shared) as Arc<dyn Late>);
        }
        slices.iter().for_each(|slice| shared.held.extend_from_slice(slice));
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut shared = lock(&self.shared);
        if matches!(shared.state, State::Open) {
            // The turn's end is as good as now.
            return Poll::Ready(Ok(()));
        }
        shared.poll_held(cx).map_ok(drop)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut shared = lock(&self.shared);
        ready!(shared.poll_held(cx))?;
        Pin::new(&mut shared.stream).poll_shutdown(cx)
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufWriter, DuplexStream, duplex};

    use super::*;

    /// A connection that holds `room` bytes, its other end, and the turn.
    fn gathered(room: usize) -> (Gathered<DuplexStream>, DuplexStream, Arc<Turn>) {
        let (near, far) = duplex(room);
        let turn = Arc::new(Turn::default());
        (Gathered::new(near, Arc::clone(&turn)), far, turn)
    }

    /// What has come to the other end by now.
    fn come(far: &mut DuplexStream) -> Vec<u8> {
        let mut room = [0; 256];
        let mut buffer = ReadBuf::new(&mut room);
        let mut cx = Context::from_waker(Waker::noop());
        if let Poll::Ready(read) = Pin::new(far).poll_read(&mut cx, &mut buffer) {
            read.unwrap();
        }
        buffer.filled().to_vec()
    }

    #[tokio::test]
    async fn what_is_written_goes_out_together_when_the_turn_ends() {
        let (mut near, mut far, turn) = gathered(1024);
        near.write_all(b"one ").await.unwrap();
        near.flush().await.unwrap();
        near.write_all(b"two").await.unwrap();
        assert!(!near.is_clear());
        assert_eq!(come(&mut far), b"");
        turn.flush();
        assert_eq!(come(&mut far), b"one two");
        assert!(near.is_clear());
        assert_eq!(Arc::strong_count(&near.shared), 1);
    }

    #[tokio::test]
    async fn the_turn_ends_when_every_task_that_could_has_run() {
        let (mut near, mut far, turn) = gathered(1024);
        let tasks = tokio_util::task::TaskTracker::new();
        let flusher = tasks.spawn(async move { turn.flush_for_ever().await });
        tasks.spawn(async move {
            for word in [b"a", b"b", b"c"] {
                near.write_all(word).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        let mut said = [0; 3];
        tokio::time::timeout(Duration::from_secs(60), far.read_exact(&mut said)).await.unwrap().unwrap();
        assert_eq!(&said, b"abc");
        flusher.abort();
    }

    #[tokio::test]
    async fn what_the_other_end_does_not_take_holds_up_the_writer_and_keeps_its_order() {
        let (mut near, mut far, turn) = gathered(4);
        near.write_all(b"0123456789").await.unwrap();
        turn.flush();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut near).poll_flush(&mut cx).is_pending());
        assert!(Pin::new(&mut near).poll_write(&mut cx, b"later").is_pending());
        let mut said = Vec::new();
        let write = async {
            near.flush().await.unwrap();
            near.write_all(b"abc").await.unwrap();
            turn.flush();
            near.shutdown().await.unwrap();
        };
        let (read, ()) = tokio::join!(far.read_to_end(&mut said), write);
        read.unwrap();
        assert_eq!(said, b"0123456789abc");
    }

    #[tokio::test]
    async fn the_writer_is_woken_when_its_bytes_did_not_go_out() {
        let (mut near, mut far, turn) = gathered(4);
        let write = async {
            near.write_all(b"0123456789").await.unwrap();
            // As hyper does: flushed at first, it waits for something else, and flushes whenever it is woken.
            poll_fn(|cx| Pin::new(&mut near).poll_flush(cx)).await.unwrap();
            let mut polls = 0;
            poll_fn(|cx| {
                polls += 1;
                if polls == 1 { Poll::Pending } else { Pin::new(&mut near).poll_flush(cx) }
            })
            .await
            .unwrap();
        };
        let other = async {
            turn.flush();
            let mut said = [0; 10];
            far.read_exact(&mut said).await.unwrap();
            assert_eq!(&said, b"0123456789");
        };
        let both = async { tokio::join!(write, other) };
        tokio::time::timeout(Duration::from_secs(60), both).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_too_much_to_hold_goes_out_at_once_behind_what_was_held() {
        let (mut near, mut far, _turn) = gathered(64 * 1024);
        near.write_all(b"first").await.unwrap();
        near.write_all(&[b'x'; HELD_BYTES_MAX]).await.unwrap();
        near.flush().await.unwrap();
        let mut said = vec![0; 5 + HELD_BYTES_MAX];
        far.read_exact(&mut said).await.unwrap();
        assert!(said.starts_with(b"firstx") && near.is_clear());
        assert_eq!(lock(&near.shared).held.capacity(), 0, "it keeps the room while it is silent");
    }

    #[tokio::test]
    async fn what_the_stream_itself_holds_back_is_flushed_however_it_was_written() {
        let (near, mut far) = duplex(64 * 1024);
        let turn = Arc::new(Turn::default());
        let mut near = Gathered::new(BufWriter::with_capacity(64 * 1024, near), Arc::clone(&turn));
        near.write_all(b"held").await.unwrap();
        turn.flush();
        assert_eq!(come(&mut far), b"held");
        near.write_all(&[b'x'; HELD_BYTES_MAX + 1]).await.unwrap();
        assert_eq!(come(&mut far), b"");
        near.flush().await.unwrap();
        let mut said = vec![0; HELD_BYTES_MAX + 1];
        let read = tokio::time::timeout(Duration::from_secs(60), far.read_exact(&mut said));
        assert!(matches!(read.await, Ok(Ok(_))), "it stays in the stream");
    }

    #[tokio::test]
    async fn an_end_that_is_gone_fails_the_next_write_or_flush() {
        let (mut near, far, turn) = gathered(64);
        drop(far);
        near.write_all(b"lost").await.unwrap();
        turn.flush();
        assert_eq!(near.flush().await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn a_connection_that_is_dropped_still_says_what_it_held() {
        let (mut near, mut far, turn) = gathered(64);
        near.write_all(b"last words").await.unwrap();
        drop(near);
        turn.flush();
        let mut said = Vec::new();
        far.read_to_end(&mut said).await.unwrap();
        assert_eq!(said, b"last words");
    }
}
