//! An answer that flows to the caller as it comes.
//!
//! `[DONE]` reaches the caller only when the upstream said it. A stream that ends in any other way, or falls silent,
//! ends for the caller with an error event and without `[DONE]`; a JSON answer that breaks off breaks off for the
//! caller too.
//!
//! While a stream of events is silent its caller is sent heartbeats, so that nothing in between takes the connection
//! for dead: a comment, which readers of events pass over, or what Anthropic's clients know as `ping`.

mod lag;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use moorline_admin::ErrorKind;
use moorline_translate::chat::BrokenStream;
use moorline_translate::error::{self, ErrorBody};
use moorline_translate::{Caller as Dialect, Parts};
use tokio::time::{Instant, Sleep};

use super::account::Account;
use super::answer::{Flow, Source, Watch, output_estimate};
use crate::cache::Recording;
use crate::guardrails::StreamGuard;

pub(super) use lag::Lag;

/// How long a stream that said `[DONE]` may take to end, before its connection is closed.
const LINGER: Duration = Duration::from_secs(1);

/// A heartbeat for readers of events.
const COMMENT: &[u8] = b":\n\n";
/// A heartbeat as Anthropic sends it (<https://docs.anthropic.com/en/api/messages-streaming>).
const PING: &[u8] = b"event: ping\ndata: {\"type\": \"ping\"}\n\n";

/// An answer on its way.
pub(super) struct Relay {
    status: u16,
    ready: Parts,
    /// Gone when the upstream has nothing more to say to this caller.
    source: Option<Source>,
    watch: Watch,
    account: Account,
    /// The cache's copy, while it may become whole.
    recording: Option<Box<Recording>>,
    idle: Duration,
    idle_by: Instant,
    total_by: Instant,
    timer: Pin<Box<Sleep>>,
    guard: Option<Box<StreamGuard>>,
    heart: Heart,
    /// How fast it comes, where that matters.
    lag: Option<Box<Lag>>,
}

/// When an answer must last, and when its caller must hear that it does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// The longest silence of the upstream's.
    pub(super) idle: Duration,
    /// When it must have ended.
    pub(super) total_by: Instant,
    /// How often a silent stream is looked at: its caller hears something within twice that time.
    pub(super) heartbeat: Duration,
}

/// What keeps a silent stream alive.
struct Heart {
    every: Duration,
    by: Instant,
    /// Whether anything was said since the last look.
    has_spoken: bool,
}

/// What the clock says.
enum Tick {
    /// A stream was silent for as long as it may be without a sign of life.
    Beat,
    /// The idle or the total time is over.
    Over,
    /// The upstream sends, but too slowly.
    Lagging,
}

/// Why an answer ends.
enum Ending {
    Clean,
    Broken,
    Slow,
    Lagging,
    Unreadable(BrokenStream),
}

impl Ending {
    const fn kind(&self) -> ErrorKind {
        match self {
            Self::Slow | Self::Lagging => ErrorKind::UpstreamTimeout,
            Self::Clean | Self::Broken | Self::Unreadable(_) => ErrorKind::UpstreamFailed,
        }
    }

    const fn message(&self) -> &'static str {
        match self {
            Self::Clean | Self::Broken => "The upstream's stream broke off before its end.",
            Self::Slow => "The upstream's stream fell silent before its end.",
            Self::Lagging => "The upstream's stream came more slowly than it may.",
            Self::Unreadable(BrokenStream::Oversized) => {
                "The upstream's stream holds an event that is too large."
            }
            Self::Unreadable(BrokenStream::Malformed(_)) => "The upstream's stream cannot be read.",
        }
    }
}

impl Relay {
    pub(super) fn new(
        status: u16,
        flow: Flow,
        account: Account,
        Times { idle, total_by, heartbeat }: Times,
        guard: Option<Box<StreamGuard>>,
    ) -> Self {
        let now = Instant::now();
        let (idle_by, beat_by) = (now + idle, now + heartbeat);
        let timer = Box::pin(tokio::time::sleep_until(idle_by.min(total_by).min(beat_by)));
        let Flow { ready, source, watch } = flow;
        let mut relay = Self {
            status,
            ready,
            source: Some(source),
            watch,
            account,
            recording: None,
            guard,
            idle,
            idle_by,
            total_by,
            timer,
            heart: Heart { every: heartbeat, by: beat_by, has_spoken: true },
            lag: None,
        };
        if relay.pass_guard(false) {
            relay.note();
        }
        relay
    }

    /// Keeps a copy for the cache, if it ends cleanly.
    pub(super) fn record(mut self, recording: Option<Box<Recording>>) -> Self {
        self.recording = recording;
        self
    }

    /// Ends it when it comes too slowly from now on.
    pub(super) fn paced(mut self, lag: Option<Box<Lag>>) -> Self {
        if let Some(mut lag) = lag {
            let now = Instant::now();
            lag.hears(now, self.events());
            let by = self.timer.deadline().min(lag.first_look(now));
            self.timer.as_mut().reset(by);
            self.lag = Some(lag);
        }
        self
    }

    fn note_pace(&mut self, now: Instant) {
        if self.lag.is_none() {
            return;
        }
        let events = self.events();
        self.lag.iter_mut().for_each(|lag| lag.hears(now, events));
    }

    /// Events so far, heartbeats not counted.
    fn events(&self) -> u64 {
        if let Watch::Events(events) = &self.watch { events.output_estimate() } else { 0 }
    }

    /// The next bytes for the caller.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            if let Some(part) = self.ready.next_part() {
                self.account.hears(&part);
                if let Some(recording) = &mut self.recording {
                    recording.piece(&part);
                }
                self.heart.has_spoken = true;
                return Poll::Ready(Some(Ok(part)));
            }
            let Some(source) = &mut self.source else {
                // Everything was sent, and what did not end cleanly was given up before.
                if let Some(recording) = self.recording.take() {
                    recording.keep();
                }
                return Poll::Ready(None);
            };
            let ended = match source.poll_next(cx) {
                Poll::Ready(Some(Ok(chunk))) => {
                    let now = Instant::now();
                    self.idle_by = now + self.idle;
                    let taken = self.take(chunk);
                    self.note_pace(now);
                    match taken {
                        Ok(()) => continue,
                        Err(ending) => ending,
                    }
                }
                Poll::Ready(Some(Err(_))) => Ending::Broken,
                Poll::Ready(None) => Ending::Clean,
                Poll::Pending => match self.poll_timer(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Tick::Beat) => {
                        return Poll::Ready(Some(Ok(Bytes::from_static(self.heartbeat()))));
                    }
                    Poll::Ready(Tick::Over) => Ending::Slow,
                    Poll::Ready(Tick::Lagging) => {
                        self.lag.iter().for_each(|lag| lag.tell());
                        Ending::Lagging
                    }
                },
            };
            if let Err(error) = self.finish(ended) {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }

    fn take(&mut self, chunk: Bytes) -> Result<(), Ending> {
        match &mut self.watch {
            Watch::Events(events) => {
                // After its end an upstream has nothing to say that a caller would read.
                if events.is_done() {
                    return Ok(());
                }
                events.feed(chunk, &mut self.ready).map_err(Ending::Unreadable)?;
            }
            Watch::Json(watch, seen) => {
                watch.feed(&chunk);
                *seen += chunk.len() as u64;
                self.ready.push(chunk);
            }
            Watch::Opaque => self.ready.push(chunk),
        }
        if self.pass_guard(false) {
            self.note();
        }
        Ok(())
    }

    /// Lets only that stay ready which the guardrails let pass. Whether they did: if not, the caller is told, and the
    /// upstream is left.
    fn pass_guard(&mut self, is_last: bool) -> bool {
        let Some(guard) = &mut self.guard else { return true };
        let is_last = is_last || matches!(&self.watch, Watch::Events(events) if events.is_done());
        let mut cleared = Parts::default();
        let passed = guard.pass(&mut self.ready, is_last, &mut cleared);
        let Err(blocked) = passed else {
            self.ready = cleared;
            return true;
        };
        // What the upstream said of its use so far is charged.
        self.note_use();
        self.account.end(self.status, Some(ErrorKind::BadRequest));
        let message = blocked.to_string();
        let error = ErrorBody {
            message: &message,
            kind: "invalid_request_error",
            param: None,
            code: Some("guardrail_blocked"),
        };
        let event = error::event(self.account.dialect, &error, self.account.request_id.as_str());
        self.ready = Parts::from(Bytes::from(event));
        (self.guard, self.source) = (None, None);
        self.watch = Watch::Opaque;
        false
    }

    fn note_use(&mut self) {
        if let Watch::Events(events) = &self.watch {
            self.account.tokens = events.tokens();
            self.account.output_estimate = events.output_estimate();
        }
    }

    /// Brings the account up to date, for whichever way the request ends.
    fn note(&mut self) {
        match &self.watch {
            Watch::Events(events) => {
                self.account.tokens = events.tokens();
                self.account.output_estimate = events.output_estimate();
                if events.is_done() {
                    let error = events.has_failed().then_some(ErrorKind::UpstreamFailed);
                    self.account.end(self.status, error);
                    self.idle_by = self.idle_by.min(Instant::now() + LINGER);
                    self.timer.as_mut().reset(self.idle_by.min(self.total_by));
                }
            }
            Watch::Json(watch, seen) => {
                self.account.output_estimate = output_estimate(*seen);
                // Read only once, at the end: it is a small value inside a large one.
                if self.source.is_none() {
                    self.account.tokens = watch.tokens_for(self.account.dialect);
                }
            }
            Watch::Opaque => {}
        }
    }

    /// Waits for the idle and the total clock, and for the next heartbeat. The timer is moved when it goes off, not with
    /// each chunk.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Tick> {
        let silent_by = self.idle_by.min(self.total_by);
        let is_live = self.is_live_stream();
        let lag = self.lag.as_mut().filter(|_| is_live);
        let over = lag.map_or(silent_by, |lag| silent_by.min(lag.waits(Instant::now())));
        loop {
            std::task::ready!(self.timer.as_mut().poll(cx));
            let now = self.timer.deadline();
            if now >= over {
                return Poll::Ready(if now >= silent_by { Tick::Over } else { Tick::Lagging });
            }
            let is_due = now >= self.heart.by;
            if is_due {
                self.heart.by = Instant::now() + self.heart.every;
            }
            self.timer.as_mut().reset(over.min(self.heart.by));
            if is_due && !std::mem::take(&mut self.heart.has_spoken) && is_live {
                return Poll::Ready(Tick::Beat);
            }
        }
    }

    /// Whether readers of events still wait for one. Sound and pictures take nothing but their own bytes.
    fn is_live_stream(&self) -> bool {
        matches!(&self.watch, Watch::Events(events) if !events.is_done())
    }

    /// A sign of life in the caller's protocol. It is no part of the answer: nothing is kept or logged of it.
    fn heartbeat(&self) -> &'static [u8] {
        if self.account.dialect == Dialect::AnthropicMessages { PING } else { COMMENT }
    }

    /// The upstream has ended, one way or another.
    fn finish(&mut self, mut ending: Ending) -> io::Result<()> {
        self.source = None;
        if let (Watch::Events(events), Ending::Clean) = (&mut self.watch, &ending)
            && let Err(broken) = events.end(&mut self.ready)
        {
            ending = Ending::Unreadable(broken);
        }
        if !self.pass_guard(true) {
            return Ok(());
        }
        self.note();
        match &mut self.watch {
            Watch::Events(events) if events.is_done() => {
                if events.has_failed() {
                    self.recording = None;
                }
            }
            Watch::Events(events) => {
                self.recording = None;
                let kind = ending.kind();
                self.account.end(self.status, Some(kind));
                // When the upstream said itself what went wrong, the caller has its word.
                let id = self.account.request_id.as_str();
                events.fail(self.account.dialect, id, kind.as_str(), ending.message(), &mut self.ready);
            }
            Watch::Json(..) | Watch::Opaque if matches!(ending, Ending::Clean) => {
                self.account.end(self.status, None);
            }
            Watch::Json(..) | Watch::Opaque => {
                self.recording = None;
                self.account.end(self.status, Some(ending.kind()));
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, ending.message()));
            }
        }
        Ok(())
    }
}
