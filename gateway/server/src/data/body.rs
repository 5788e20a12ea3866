//! Bodies: reading a caller's, sending one upstream, and sending one back.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use moorline_translate::Parts;
use tokio::time::Instant;

use super::guard::{Deadlines, Mark};
use super::patience;
use super::relay::Relay;

/// Whether any of a head's `content-encoding` lines says that its body is encoded: then nobody here can look into it.
pub(super) fn is_encoded<'a>(mut encodings: impl Iterator<Item = &'a [u8]>) -> bool {
    encodings.any(|encoding| !encoding.eq_ignore_ascii_case(b"identity"))
}

/// Why a caller's body is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// It is larger than we accept.
    #[error("the body is larger than {0} bytes")]
    TooLarge(u64),
    /// It did not come in time.
    #[error("the body did not arrive in time")]
    Timeout,
    /// It broke off, or its framing is wrong.
    #[error("the body broke off")]
    Broken(#[source] hyper::Error),
}

/// Reads a caller's whole body.
pub(super) async fn read(
    mut body: Incoming,
    bytes_max: u64,
    deadlines: Deadlines,
) -> Result<Bytes, ReadError> {
    if body.size_hint().lower() > bytes_max {
        return Err(ReadError::TooLarge(bytes_max));
    }
    let mut body_by = None;
    // Most bodies come in one piece, which is then used as it is.
    let mut whole = Bytes::new();
    let mut pieces = BytesMut::new();
    loop {
        let by = || {
            let now = Instant::now();
            (*body_by.get_or_insert(now + deadlines.body)).min(now + deadlines.body_idle)
        };
        let frame = patience::until(by, body.frame()).await.ok_or(ReadError::Timeout)?;
        let Some(frame) = frame else { break };
        let Ok(data) = frame.map_err(ReadError::Broken)?.into_data() else { continue };
        let length = whole.len() + pieces.len() + data.len();
        if length as u64 > bytes_max {
            return Err(ReadError::TooLarge(bytes_max));
        }
        if whole.is_empty() && pieces.is_empty() {
            whole = data;
            continue;
        }
        if pieces.is_empty() {
            // What is still to come is known when the length was declared, and was bounded above.
            let announced = usize::try_from(body.size_hint().lower()).unwrap_or(0);
            pieces.reserve(length + announced);
            pieces.extend_from_slice(&std::mem::take(&mut whole));
        }
        pieces.extend_from_slice(&data);
    }
    Ok(if pieces.is_empty() { whole } else { pieces.freeze() })
}

/// An answer's body on its way to the caller.
pub(super) struct ReplyBody {
    content: Content,
    mark: Arc<Mark>,
}

enum Content {
    Whole(Parts),
    /// All here, but sent as the stream it was: without a length, piece by piece.
    Again(Parts),
    Relay(Box<Relay>),
}

impl ReplyBody {
    /// A body that is all here.
    pub(super) const fn whole(parts: Parts, mark: Arc<Mark>) -> Self {
        Self { content: Content::Whole(parts), mark }
    }

    /// A stream that is all here.
    pub(super) const fn again(parts: Parts, mark: Arc<Mark>) -> Self {
        Self { content: Content::Again(parts), mark }
    }

    /// A body that comes as the upstream sends it.
    pub(super) const fn relay(relay: Box<Relay>, mark: Arc<Mark>) -> Self {
        Self { content: Content::Relay(relay), mark }
    }
}

impl Drop for ReplyBody {
    fn drop(&mut self) {
        self.mark.answer();
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut self.get_mut().content {
            Content::Whole(parts) | Content::Again(parts) => {
                Poll::Ready(parts.next_part().map(|part| Ok(Frame::data(part))))
            }
            Content::Relay(relay) => relay.poll_next(cx).map(|next| next.map(|bytes| bytes.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(parts) | Content::Again(parts) => parts.is_empty(),
            Content::Relay(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(parts) => SizeHint::with_exact(parts.length()),
            Content::Again(_) | Content::Relay(_) => SizeHint::default(),
        }
    }
}
