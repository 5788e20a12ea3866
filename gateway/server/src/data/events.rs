//! A provider's event stream on its way to the caller: as it is, or translated.
//!
//! In: chunks as they come, then the news that there are no more. Out: whole events for the caller, and what the relay
//! must know: how the stream began, whether its end was said, what it used.

mod filter;

use bytes::Bytes;
use moorline_translate::chat::BrokenStream;
use moorline_translate::error::{self, ErrorBody};
use moorline_translate::matrix::{Caller as Dialect, Stream};
use moorline_translate::splice::UsageEvent;
use moorline_translate::{Context, Opening, Parts, Tokens};

use filter::EventFilter;
pub(super) use filter::Protocol;

/// The events of one stream.
pub(super) enum Events {
    /// In the caller's own protocol: watched, and passed on byte for byte.
    Passed(EventFilter),
    /// In another: said again in the caller's words.
    Translated(Box<Stream>),
}

impl Events {
    /// The events of a provider that speaks the caller's protocol.
    pub(super) fn passed(protocol: Protocol, usage_event: UsageEvent) -> Self {
        Self::Passed(EventFilter::new(protocol, usage_event))
    }

    /// The events of one that does not.
    pub(super) fn translated(context: Context) -> Self {
        Self::Translated(Box::new(Stream::new(context)))
    }

    /// Takes a chunk in, and puts what may go to the caller at the end of `out`.
    pub(super) fn feed(&mut self, chunk: Bytes, out: &mut Parts) -> Result<(), BrokenStream> {
        match self {
            Self::Passed(filter) => filter.feed(chunk, out).map_err(|_| BrokenStream::Oversized),
            Self::Translated(stream) => into(out, |said| stream.feed(&chunk, said)),
        }
    }

    /// The provider has closed its stream in order.
    pub(super) fn end(&mut self, out: &mut Parts) -> Result<(), BrokenStream> {
        match self {
            Self::Passed(filter) => {
                out.push(filter.end());
                Ok(())
            }
            Self::Translated(stream) => into(out, |said| stream.end(said)),
        }
    }

    /// Tells the caller that the stream cannot go on, unless it was told already.
    pub(super) fn fail(&mut self, dialect: Dialect, id: &str, kind: &str, message: &str, out: &mut Parts) {
        if self.is_done() || self.has_failed() {
            return;
        }
        match self {
            Self::Passed(_) => {
                let error = ErrorBody { message, kind: "upstream_error", param: None, code: Some(kind) };
                out.push(Bytes::from(error::event(dialect, &error, id)));
            }
            Self::Translated(stream) => {
                let mut said = Vec::new();
                stream.fail(kind, message, &mut said);
                out.push(Bytes::from(said));
            }
        }
    }

    /// How the stream began.
    pub(super) const fn opening(&self) -> Opening {
        match self {
            Self::Passed(filter) => filter.opening(),
            Self::Translated(stream) => stream.opening(),
        }
    }

    /// Whether the stream's clean end was seen.
    pub(super) const fn is_done(&self) -> bool {
        match self {
            Self::Passed(filter) => filter.is_done(),
            Self::Translated(stream) => stream.is_done(),
        }
    }

    /// Whether the stream said that it failed.
    pub(super) const fn has_failed(&self) -> bool {
        match self {
            Self::Passed(filter) => filter.has_failed(),
            Self::Translated(stream) => stream.has_failed(),
        }
    }

    /// What the stream says was used; the last word counts.
    pub(super) fn tokens(&self) -> Option<Tokens> {
        match self {
            Self::Passed(filter) => filter.tokens(),
            Self::Translated(stream) => stream.tokens(),
        }
    }

    /// Tokens out, when the stream does not say.
    pub(super) const fn output_estimate(&self) -> u64 {
        match self {
            Self::Passed(filter) => filter.output_estimate(),
            Self::Translated(stream) => stream.output_estimate(),
        }
    }
}

/// Says something to the caller in one piece, also when it broke off half way.
fn into(
    out: &mut Parts,
    say: impl FnOnce(&mut Vec<u8>) -> Result<(), BrokenStream>,
) -> Result<(), BrokenStream> {
    let mut said = Vec::new();
    let ended = say(&mut said);
    out.push(Bytes::from(said));
    ended
}
