//! The load: each connection a task that sends the same bytes and waits for the whole answer.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::task::TaskTracker;

use crate::http1;
use crate::provider::WORDS;
use crate::workload::{Pace, Workload};

/// What one request took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    /// Until the answer's first byte after its head.
    pub(crate) first: Duration,
    pub(crate) whole: Duration,
}

/// Lets every connection ask for so long. Answers with what each request took, in no order.
pub(crate) async fn load(address: SocketAddr, workload: &Workload, time: Duration) -> Vec<Taken> {
    let tasks = TaskTracker::new();
    let end = Instant::now() + time;
    let beats: Vec<Option<Beats>> = match workload.pace {
        Pace::Closed => (0..workload.connections).map(|_| None).collect(),
        Pace::Open { per_second } => beat(workload.connections, per_second, end).map(Some).collect(),
    };
    let callers: Vec<_> = beats
        .into_iter()
        .map(|mut beats| {
            let request = workload.request();
            tasks.spawn(async move {
                let mut connection = Connection::open(address).await;
                let mut taken = Vec::with_capacity(1 << 14);
                loop {
                    let due = match &mut beats {
                        None => Some(Instant::now()).filter(|now| *now < end),
                        Some(beats) => beats.recv().await,
                    };
                    let Some(due) = due else { return taken };
                    taken.push(connection.ask(&request, due).await);
                }
            })
        })
        .collect();
    let mut all = Vec::new();
    for caller in callers {
        all.extend(caller.await.unwrap());
    }
    all
}

/// Asks once, and makes sure that the answer is the provider's, whole and right.
pub(crate) async fn check(address: SocketAddr, workload: &Workload) -> Result<(), String> {
    let mut connection = Connection::open(address).await;
    connection.send(&workload.request(), Instant::now()).await;
    let answer = &connection.buffer;
    let (head, body) = answer.split_at(http1::head_end(answer).unwrap());
    let body = String::from_utf8(http1::decoded(head, body)).unwrap();
    let text: String = if workload.is_stream {
        let data =
            body.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
        let chunks = data.map(|data| serde_json::from_str::<Value>(data).unwrap());
        chunks
            .filter_map(|chunk| Some(chunk["choices"][0]["delta"]["content"].as_str()?.to_owned()))
            .collect()
    } else {
        let answer: Value = serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?;
        answer["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned()
    };
    let is_ended = !workload.is_stream || body.ends_with("data: [DONE]\n\n");
    if head.starts_with(b"HTTP/1.1 200") && text == WORDS.concat() && is_ended {
        return Ok(());
    }
    Err(format!("{}: not what the provider says: {}{body}", workload.name, String::from_utf8_lossy(head)))
}

/// A connection that is kept.
struct Connection {
    socket: TcpStream,
    /// The last answer, head and body as they came.
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> Self {
        Self { socket: http1::connect(address).await, buffer: Vec::with_capacity(64 * 1024) }
    }

    /// Asks, and insists on a 200.
    async fn ask(&mut self, request: &[u8], due: Instant) -> Taken {
        let taken = self.send(request, due).await;
        if !self.buffer.starts_with(b"HTTP/1.1 200") {
            panic!("refused under load: {}", String::from_utf8_lossy(&self.buffer));
        }
        taken
    }

    /// Sends a request and reads its answer. Times count from when it was due, so that a caller who is kept waiting
    /// does not make the next request look fast.
    async fn send(&mut self, request: &[u8], due: Instant) -> Taken {
        self.socket.write_all(request).await.unwrap();
        self.buffer.clear();
        let mut head: Option<(usize, Option<usize>)> = None;
        let mut first = None;
        loop {
            let read = self.socket.read_buf(&mut self.buffer).await.unwrap();
            assert!(read > 0, "cut off: {}", String::from_utf8_lossy(&self.buffer));
            if head.is_none() {
                let end = http1::head_end(&self.buffer);
                head = end.map(|end| (end, http1::content_length(&self.buffer[..end])));
            }
            let Some((end, length)) = head else { continue };
            if self.buffer.len() > end && first.is_none() {
                first = Some(due.elapsed());
            }
            if http1::is_whole(&self.buffer[end..], length) {
                let whole = due.elapsed();
                return Taken { first: first.unwrap_or(whole), whole };
            }
        }
    }
}

/// When one connection is to ask. Ends when the load does.
type Beats = UnboundedReceiver<Instant>;

/// Beats for several connections in turn, so many a second in all. From a thread that sleeps until each: the runtime's
/// own timer counts in whole milliseconds.
fn beat(connections: usize, per_second: u32, end: Instant) -> impl Iterator<Item = Beats> {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..connections).map(|_| unbounded_channel()).unzip();
    std::thread::spawn(move || {
        let period = Duration::from_secs(1) / per_second;
        let mut due = Instant::now() + period;
        for sender in senders.iter().cycle() {
            while Instant::now() < due {
                std::thread::park_timeout(due.saturating_duration_since(Instant::now()));
            }
            if due >= end || sender.send(due).is_err() {
                return;
            }
            due += period;
        }
    });
    receivers.into_iter()
}
