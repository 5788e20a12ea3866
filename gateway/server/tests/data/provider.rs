//! A provider that does as it is told: each request is answered by the steps of a script.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

/// How long a test waits for what must come.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// One step of an answer.
#[derive(Clone)]
pub(crate) enum Step {
    /// Sends bytes.
    Send(Vec<u8>),
    /// Waits until the test says go.
    Wait(Arc<Notify>),
    /// Waits until the other side has read all that was sent, and reports it.
    UntilTaken,
    /// Waits until the other side closes, and reports it.
    UntilClosed,
    /// Ends the connection in good order.
    Close,
    /// Ends the connection with a reset.
    Reset,
}

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// Which connection it came on.
    pub(crate) connection: usize,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub(crate) struct Provider {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    requests: tokio::sync::Mutex<mpsc::UnboundedReceiver<Seen>>,
    taken: tokio::sync::Mutex<mpsc::UnboundedReceiver<()>>,
    closed: tokio::sync::Mutex<mpsc::UnboundedReceiver<()>>,
    task: JoinHandle<()>,
}

struct Shared {
    scripts: Mutex<VecDeque<Vec<Step>>>,
    usual: Mutex<Vec<Step>>,
    requests: mpsc::UnboundedSender<Seen>,
    taken: mpsc::UnboundedSender<()>,
    closed: mpsc::UnboundedSender<()>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, seen) = mpsc::unbounded_channel();
        let (taken, takings) = mpsc::unbounded_channel();
        let (closed, closings) = mpsc::unbounded_channel();
        let usual = Mutex::new(ok_json());
        let shared = Arc::new(Shared { scripts: Mutex::default(), usual, requests, taken, closed });
        let serving = Arc::clone(&shared);
        let task = spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                connections.spawn(converse(stream, number, Arc::clone(&serving)));
            }
        });
        let (taken, closed) = (takings.into(), closings.into());
        Self { address, shared, requests: seen.into(), taken, closed, task }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The answer when no script is left.
    pub(crate) fn usually(&self, script: Vec<Step>) {
        *self.shared.usual.lock().unwrap() = script;
    }

    /// The answer to the next request that has none yet.
    pub(crate) fn then(&self, script: Vec<Step>) -> &Self {
        self.shared.scripts.lock().unwrap().push_back(script);
        self
    }

    /// The next request that came in.
    pub(crate) async fn request(&self) -> Seen {
        soon(async { self.requests.lock().await.recv().await.unwrap() }).await
    }

    /// How many requests came in that nobody has looked at.
    pub(crate) async fn requests_left(&self) -> usize {
        self.requests.lock().await.len()
    }

    /// Waits until a connection has passed [`Step::UntilTaken`].
    pub(crate) async fn is_taken(&self) {
        soon(async { self.taken.lock().await.recv().await.unwrap() }).await;
    }

    /// Waits until a connection in [`Step::UntilClosed`] was closed by the other side.
    pub(crate) async fn notices_closing(&self) {
        soon(async { self.closed.lock().await.recv().await.unwrap() }).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "a test's task ends with the test")]
pub(crate) fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(future)
}

/// Waits for what must come soon.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, future).await.expect("what must come soon did not come")
}

async fn converse(mut stream: TcpStream, connection: usize, shared: Arc<Shared>) {
    let mut buffer = Vec::new();
    while let Some(seen) = read_request(&mut stream, &mut buffer, connection).await {
        let scripted = shared.scripts.lock().unwrap().pop_front();
        let script = scripted.unwrap_or_else(|| shared.usual.lock().unwrap().clone());
        drop(shared.requests.send(seen));
        for step in script {
            match step {
                Step::Send(bytes) => {
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                Step::Wait(go) => go.notified().await,
                Step::UntilTaken => {
                    while unread(&stream) {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    shared.taken.send(()).unwrap_or_default();
                }
                Step::UntilClosed => {
                    // Ended or reset: both say that nobody listens any more.
                    let mut left = [0; 1024];
                    while !matches!(stream.read(&mut left).await, Ok(0) | Err(_)) {}
                    shared.closed.send(()).unwrap_or_default();
                    return;
                }
                Step::Close => return,
                Step::Reset => {
                    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
                    return;
                }
            }
        }
    }
}

/// Whether the other side, in this process too, has something left to read: the kernel's own table says so.
fn unread(stream: &TcpStream) -> bool {
    let port = |address: SocketAddr| format!(":{:04X}", address.port());
    let (here, there) = (port(stream.local_addr().unwrap()), port(stream.peer_addr().unwrap()));
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    // `sl local_address rem_address st tx_queue:rx_queue …`, seen from the other side.
    table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).any(|socket| {
        let is_theirs = socket[1].ends_with(&there) && socket[2].ends_with(&here);
        is_theirs && !socket[4].ends_with(":00000000")
    })
}

async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>, connection: usize) -> Option<Seen> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(buffer.drain(..end).collect()).unwrap();
    let mut seen = Seen { head, body: Vec::new(), connection };
    let length: usize = seen.header("content-length").map_or(0, |length| length.parse().unwrap());
    while buffer.len() < length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    seen.body = buffer.drain(..length).collect();
    Some(seen)
}

/// An answer with a length.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<Step> {
    let mut head = format!("HTTP/1.1 {status} Status\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    vec![Step::Send([head.as_bytes(), body].concat())]
}

pub(crate) fn json_answer(status: u16, body: &serde_json::Value) -> Vec<Step> {
    answer(status, &[("content-type", "application/json")], body.to_string().as_bytes())
}

pub(crate) fn completion() -> serde_json::Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "pong"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30},
    })
}

pub(crate) fn ok_json() -> Vec<Step> {
    json_answer(200, &completion())
}

pub(crate) fn failing(status: u16) -> Vec<Step> {
    json_answer(status, &json!({"error": {"message": "upstream words"}}))
}

/// The head of a stream.
pub(crate) fn stream_head() -> Step {
    Step::Send(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
    )
}

pub(crate) fn chunk(bytes: &[u8]) -> Step {
    Step::Send([format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat())
}

pub(crate) fn last_chunk() -> Step {
    Step::Send(b"0\r\n\r\n".to_vec())
}

pub(crate) const EVENT: &[u8] = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n";
pub(crate) const USAGE_EVENT: &[u8] =
    b"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":20,\"total_tokens\":30}}\n\n";
pub(crate) const DONE: &[u8] = b"data: [DONE]\n\n";

/// A stream of chunks that ends well.
pub(crate) fn stream(chunks: &[&[u8]]) -> Vec<Step> {
    let mut steps = vec![stream_head()];
    steps.extend(chunks.iter().map(|bytes| chunk(bytes)));
    steps.push(last_chunk());
    steps
}
