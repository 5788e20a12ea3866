//! The load: callers that know what each answer has to be, byte for byte.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::answers::{self, BAD_EVENT, Dialect, Fault, KINDS, Kind};
use crate::http1;

/// The longest that a caller waits: well beyond every clock of the document's.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two questions of one caller.
const PAUSE: Duration = Duration::from_millis(10);

/// What a question came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Came {
    /// The right answer, whole.
    Right,
    /// The right beginning of a stream that went wrong midway, and an error at its end.
    Broken,
    /// The caller went away.
    Left,
    Wrong(String),
}

/// What a right answer is: of what passes through, the provider's own bytes; of what is translated, those that number 0
/// was answered with, which were read and found right.
pub(super) struct Lessons([String; KINDS.len()]);

impl Lessons {
    /// Learns them from a gateway.
    pub(super) async fn learn(address: SocketAddr) -> Self {
        let mut lessons = [const { String::new() }; KINDS.len()];
        for (kind, lesson) in KINDS.iter().zip(&mut lessons) {
            let mut connection = Connection::open(address).await;
            let (status, body) = connection.ask(&kind.request(0)).await.unwrap();
            assert_eq!(status, 200, "{}: {body}", kind.title);
            assert_eq!(words(kind, &body), answers::text(0), "{}: {body}", kind.title);
            let ends_well = match kind.caller {
                _ if !kind.is_stream => true,
                Dialect::OpenAi => body.ends_with("data: [DONE]\n\n"),
                Dialect::Anthropic => body.contains("event: message_stop\n"),
            };
            assert!(ends_well, "{}: {body}", kind.title);
            *lesson = body;
            if !kind.is_translated() {
                assert_eq!(*lesson, passed(kind, 0, Fault::None), "{}", kind.title);
            }
        }
        Self(lessons)
    }

    /// The right answer to this question.
    fn right(&self, index: usize, number: u32, fault: Fault) -> String {
        let kind = &KINDS[index];
        if kind.is_translated() {
            self.0[index].replace("00000000", &format!("{number:08x}"))
        } else {
            passed(kind, number, fault)
        }
    }
}

/// What a caller of a provider of its own dialect has to get.
fn passed(kind: &Kind, number: u32, fault: Fault) -> String {
    if !kind.is_stream {
        return answers::whole(kind.provider, number);
    }
    let (mut words, end) = answers::streamed(kind.provider, number, false);
    if let Fault::BadEvent(after) = fault {
        // The provider's own word, passed on as it came.
        words.insert(after, BAD_EVENT.to_owned());
    }
    words.concat() + &end
}

/// What an answer says, read as its clients do.
fn words(kind: &Kind, body: &str) -> String {
    let text = |value: serde_json::Value| {
        let places = match (kind.caller, kind.is_stream) {
            (Dialect::OpenAi, false) => "/choices/0/message/content",
            (Dialect::OpenAi, true) => "/choices/0/delta/content",
            (Dialect::Anthropic, false) => "/content/0/text",
            (Dialect::Anthropic, true) => "/delta/text",
        };
        value.pointer(places).and_then(|text| text.as_str()).map(str::to_owned)
    };
    if !kind.is_stream {
        return serde_json::from_str(body).ok().and_then(text).unwrap_or_default();
    }
    let data = body.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter_map(|data| serde_json::from_str(data).ok().and_then(text)).collect()
}

/// Asks until the end, and hands over what each question came to.
pub(super) async fn ask(
    address: SocketAddr,
    lessons: &Lessons,
    numbers: &AtomicU32,
    end: Instant,
    note: impl Fn(usize, Came),
) {
    let mut connection = None;
    while Instant::now() < end {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let index = number as usize % KINDS.len();
        let request = KINDS[index].request(number);
        let mut own = match connection.take() {
            Some(own) => own,
            None => Connection::open(address).await,
        };
        if answers::leaves(number) {
            own.leave(&request).await;
            note(index, Came::Left);
        } else {
            let answer = tokio::time::timeout(PATIENCE, own.ask(&request)).await;
            let came = match answer {
                Ok(Ok((status, body))) => {
                    connection = Some(own);
                    judge(lessons, index, number, status, &body)
                }
                Ok(Err(cut)) => Came::Wrong(format!("cut off: {cut}")),
                Err(_) => Came::Wrong("no end within a minute".to_owned()),
            };
            let fault = Fault::of(number, KINDS[index].is_stream);
            note(
                index,
                match came {
                    Came::Wrong(how) => Came::Wrong(format!("question {number}, {fault:?}: {how}")),
                    came => came,
                },
            );
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn judge(lessons: &Lessons, index: usize, number: u32, status: u16, body: &str) -> Came {
    let kind = &KINDS[index];
    let fault = Fault::of(number, kind.is_stream);
    let (right, got) = (dateless(&lessons.right(index, number, fault)), dateless(body));
    // An event that is no JSON breaks only what must be translated.
    let is_passed_on = matches!(fault, Fault::BadEvent(_)) && !kind.is_translated();
    let breaks = kind.is_stream && fault.is_midway() && !is_passed_on;
    if status == 200 && got == right {
        // What came in one piece with the fault was not passed on yet: then the sound provider answered. Only silence is
        // sure to come after the first event.
        let may_be_whole = !breaks || !matches!(fault, Fault::SilentAfter(_));
        return if may_be_whole { Came::Right } else { Came::Wrong("whole, although it broke".to_owned()) };
    }
    if breaks && status == 200 && breaks_well(&right, &got) {
        return Came::Broken;
    }
    Came::Wrong(format!("status {status}, {}", differs(&right, &got)))
}

/// Whether an answer is the right one up to the end of one of its events, at least one, and then one error event.
fn breaks_well(right: &str, got: &str) -> bool {
    let Some(last) = got.strip_suffix("\n\n").and_then(|rest| rest.rfind("\n\n")) else { return false };
    let (beginning, error) = got.split_at(last + 2);
    right.starts_with(beginning)
        && right.len() > beginning.len()
        && error.contains("\"error\":")
        && !got.contains("[DONE]")
}

/// Where two answers part.
fn differs(right: &str, got: &str) -> String {
    let same = right.bytes().zip(got.bytes()).take_while(|(one, other)| one == other).count();
    let show = |text: &str| {
        let shown = text.as_bytes().get(same.saturating_sub(40)..).unwrap_or_default();
        String::from_utf8_lossy(&shown[..shown.len().min(400)]).into_owned()
    };
    format!(
        "{} bytes instead of {}, other from byte {same}: expected {:?}, got {:?}",
        got.len(),
        right.len(),
        show(right),
        show(got)
    )
}

/// Without the second at which something was translated.
fn dateless(body: &str) -> String {
    const CREATED: &str = "\"created\":";
    let mut out = String::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = memmem::find(rest.as_bytes(), CREATED.as_bytes()) {
        let (before, after) = rest.split_at(at + CREATED.len());
        out.push_str(before);
        rest = after.trim_start_matches(|letter: char| letter.is_ascii_digit());
    }
    out.push_str(rest);
    out
}

/// A connection that is kept.
struct Connection {
    socket: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> Self {
        Self { socket: http1::connect(address).await, buffer: Vec::with_capacity(16 * 1024) }
    }

    /// Asks, and reads the whole answer: its status, and its body without frames. What does not end as HTTP wants it is
    /// an error.
    async fn ask(&mut self, request: &[u8]) -> Result<(u16, String), String> {
        self.buffer.clear();
        self.socket.write_all(request).await.map_err(|error| error.to_string())?;
        loop {
            if let Some(end) = http1::head_end(&self.buffer) {
                let (head, body) = self.buffer.split_at(end);
                if http1::is_whole(body, http1::content_length(head)) {
                    let status =
                        std::str::from_utf8(&head[9..12]).ok().and_then(|status| status.parse().ok());
                    let body =
                        String::from_utf8(http1::decoded(head, body)).map_err(|error| error.to_string())?;
                    return Ok((status.unwrap_or(0), body));
                }
            }
            match self.socket.read_buf(&mut self.buffer).await {
                Ok(0) => return Err(String::from_utf8_lossy(&self.buffer).into_owned()),
                Ok(_) => {}
                Err(error) => return Err(format!("{error}: {}", String::from_utf8_lossy(&self.buffer))),
            }
        }
    }

    /// Asks, hears the answer's first bytes, and goes away.
    async fn leave(mut self, request: &[u8]) {
        if self.socket.write_all(request).await.is_ok() {
            let mut few = [0; 64];
            let first = self.socket.read(&mut few);
            drop(tokio::time::timeout(Duration::from_millis(200), first).await);
        }
    }
}
