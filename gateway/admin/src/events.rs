//! The gateway's events, as a client follows them.
//!
//! In: the open answer to `GET /admin/v1/events`. Out: one [`Event`] after the other. A stream tells nothing of what happened
//! before it was opened: whoever opens one reads the status after that.

use std::time::Duration;

use reqwest::{Method, Response};
use url::Url;

use crate::{AdminError, Event};

/// While nothing happens the gateway sends a comment this often: below the minute after which load balancers close a silent
/// connection.
pub const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// The longest silence of a stream: a connection that misses two comments is dead.
pub const SILENCE_MAX: Duration = Duration::from_secs(75);
/// The longest time that a stream is followed before it is opened again: no call is without an end.
pub const FOLLOWED_MAX: Duration = Duration::from_secs(24 * 3600);
/// Most bytes of one line; an event is far below that.
const LINE_BYTES_MAX: usize = 64 << 10;

/// An open stream of events.
#[derive(Debug)]
pub struct Events {
    answer: Response,
    unread: Unread,
    url: Box<Url>,
}

impl Events {
    pub(crate) const fn new(answer: Response, url: Box<Url>) -> Self {
        Self { answer, unread: Unread(Vec::new()), url }
    }

    /// The next event. Kinds that this release does not know are passed over. `None` when the gateway ended the stream, or said
    /// nothing for [`SILENCE_MAX`].
    ///
    /// # Errors
    /// [`AdminError::Unreachable`] when the connection broke, [`AdminError::Unreadable`] when a line is too long.
    pub async fn next(&mut self) -> Result<Option<Event>, AdminError> {
        loop {
            if let Some(event) = self.unread.event() {
                return Ok(Some(event));
            }
            let chunk = match tokio::time::timeout(SILENCE_MAX, self.answer.chunk()).await {
                Err(_) | Ok(Ok(None)) => return Ok(None),
                Ok(Ok(Some(chunk))) => chunk,
                Ok(Err(source)) => {
                    let source = source.without_url();
                    return Err(AdminError::Unreachable {
                        method: Method::GET,
                        url: self.url.clone(),
                        source,
                    });
                }
            };
            if !self.unread.take(&chunk) {
                let detail = format!("a line is longer than {LINE_BYTES_MAX} bytes");
                return Err(AdminError::Unreadable { method: Method::GET, url: self.url.clone(), detail });
            }
        }
    }
}

/// Bytes that came and are not read yet.
#[derive(Debug)]
struct Unread(Vec<u8>);

impl Unread {
    /// Takes bytes in; false when a line would become too long.
    fn take(&mut self, chunk: &[u8]) -> bool {
        self.0.extend_from_slice(chunk);
        self.0.split(|byte| *byte == b'\n').all(|line| line.len() <= LINE_BYTES_MAX)
    }

    /// The first event of the whole lines; what is none goes with it.
    fn event(&mut self) -> Option<Event> {
        let mut read = 0;
        let mut event = None;
        while event.is_none()
            && let Some(length) = self.0[read..].iter().position(|byte| *byte == b'\n')
        {
            event = parse(&self.0[read..read + length]);
            read += length + 1;
        }
        self.0.drain(..read);
        event
    }
}

/// The event of a line. The gateway writes each on one line of `data`; other lines are comments and ends of events.
fn parse(line: &[u8]) -> Option<Event> {
    let data = line.strip_prefix(b"data:")?;
    serde_json::from_slice(data).ok()
}

#[cfg(test)]
mod tests {
    use crate::Generation;

    use super::*;

    fn changed(stable: u64) -> Event {
        Event::ConfigChanged { stable: Some(Generation(stable)), candidate: None }
    }

    #[test]
    fn events_come_whole_wherever_the_bytes_are_cut() {
        let text = ":\n\ndata: {\"event\":\"config_changed\",\"stable\":1,\"candidate\":null}\n\ndata: {\"event\":\"of a later \
            release\"}\n\ndata: {\"event\":\"config_changed\",\"stable\":2,\"candidate\":null}\r\n\n";
        for size in [1, 7, 64, text.len()] {
            let (mut unread, mut events) = (Unread(Vec::new()), Vec::new());
            for chunk in text.as_bytes().chunks(size) {
                assert!(unread.take(chunk));
                events.extend(std::iter::from_fn(|| unread.event()));
            }
            assert_eq!(events, [changed(1), changed(2)], "cut every {size} bytes");
            assert!(unread.0.is_empty());
        }
    }

    #[test]
    fn a_line_without_an_end_is_not_read_for_ever() {
        let mut unread = Unread(Vec::new());
        assert!(unread.take(&vec![b'x'; LINE_BYTES_MAX]));
        assert_eq!(unread.event(), None);
        assert!(!unread.take(b"x"));
    }
}
