//! Two providers: one whose answers go wrong as [`Fault`] says, and one that is sound.

use std::net::SocketAddr;
use std::time::Duration;

use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

use super::answers::{self, BAD_EVENT, Dialect, Fault, MARK};
use crate::http1;

/// The most that a silent connection is held, should nobody close it.
const HELD: Duration = Duration::from_secs(120);

const STREAM_HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// Starts one on this runtime.
pub(super) async fn start(tasks: &TaskTracker, is_sound: bool) -> SocketAddr {
    http1::listen(tasks, move |socket| serve(socket, is_sound)).await
}

/// Answers on one connection until its caller goes away, or a fault ends it.
async fn serve(mut socket: TcpStream, is_sound: bool) {
    let mut buffer: Vec<u8> = Vec::with_capacity(16 * 1024);
    while let Some((head, end)) = http1::next_request(&mut socket, &mut buffer).await {
        let request = Request::read(&buffer[..end], head);
        let fault = if is_sound { Fault::None } else { Fault::of(request.number, request.is_stream) };
        if answer(&mut socket, &request, fault).await.is_none() {
            return;
        }
        buffer.drain(..end);
    }
}

struct Request {
    dialect: Dialect,
    number: u32,
    is_stream: bool,
    is_usage_asked: bool,
}

impl Request {
    fn read(bytes: &[u8], head: usize) -> Self {
        let (head, body) = bytes.split_at(head);
        let says = |what: &str| memmem::find(body, what.as_bytes());
        let at = says(MARK).expect("every question has its number") + MARK.len();
        let number = std::str::from_utf8(&body[at..at + 8]).unwrap();
        Self {
            dialect: if head.starts_with(b"POST /v1/messages") {
                Dialect::Anthropic
            } else {
                Dialect::OpenAi
            },
            number: u32::from_str_radix(number, 16).unwrap(),
            is_stream: says("\"stream\":true").is_some(),
            is_usage_asked: says("\"include_usage\":true").is_some(),
        }
    }
}

/// Answers, or does what is wrong. Nothing when the connection is over.
async fn answer(socket: &mut TcpStream, request: &Request, fault: Fault) -> Option<()> {
    match fault {
        Fault::Silent => return hold(socket).await,
        Fault::Status(status) => {
            let body = "{\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\"}}";
            return write(socket, &json(status, body)).await;
        }
        _ => {}
    }
    if request.is_stream { stream(socket, request, fault).await } else { whole(socket, request, fault).await }
}

async fn whole(socket: &mut TcpStream, request: &Request, fault: Fault) -> Option<()> {
    let body = match fault {
        Fault::InBand => in_band(request.dialect).to_owned(),
        _ => answers::whole(request.dialect, request.number),
    };
    let bytes = json(200, &body);
    let half = &bytes[..bytes.len() - body.len() / 2];
    match fault {
        Fault::SilentAfterHead => {
            write(socket, half).await?;
            hold(socket).await
        }
        Fault::ResetAfterHead => {
            write(socket, half).await?;
            reset(socket)
        }
        Fault::BadFrame(_) => {
            write(socket, STREAM_HEAD.replace("text/event-stream", "application/json").as_bytes()).await?;
            write(socket, b"zz\r\n{}\r\n").await?;
            None
        }
        _ => write(socket, &bytes).await,
    }
}

async fn stream(socket: &mut TcpStream, request: &Request, fault: Fault) -> Option<()> {
    write(socket, STREAM_HEAD.as_bytes()).await?;
    let (words, end) = answers::streamed(request.dialect, request.number, request.is_usage_asked);
    match fault {
        Fault::InBand => {
            write(socket, framed(&format!("data: {}\n\n", in_band(request.dialect))).as_bytes()).await?;
            return write(socket, b"0\r\n\r\n").await;
        }
        Fault::SilentAfterHead => return hold(socket).await,
        Fault::ResetAfterHead => return reset(socket),
        _ => {}
    }
    for (place, word) in words.iter().enumerate() {
        match fault {
            Fault::SilentAfter(after) if after == place => return hold(socket).await,
            Fault::ResetAfter(after) if after == place => return reset(socket),
            Fault::BadFrame(after) if after == place => {
                write(socket, b"zz\r\n").await?;
                return hold(socket).await;
            }
            Fault::BadEvent(after) if after == place => {
                write(socket, framed(BAD_EVENT).as_bytes()).await?;
            }
            _ => {}
        }
        write(socket, framed(word).as_bytes()).await?;
        // Everybody else's turn, so that the pieces do not arrive as one.
        tokio::task::yield_now().await;
    }
    write(socket, format!("{}0\r\n\r\n", framed(&end)).as_bytes()).await
}

fn framed(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

fn json(status: u16, body: &str) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status} S\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    format!("{head}{body}").into_bytes()
}

const fn in_band(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAi => "{\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\"}}",
        Dialect::Anthropic => {
            "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"overloaded\"}}"
        }
    }
}

async fn write(socket: &mut TcpStream, bytes: &[u8]) -> Option<()> {
    socket.write_all(bytes).await.ok()
}

/// Says nothing until the other side goes away.
async fn hold(socket: &mut TcpStream) -> Option<()> {
    let mut left = [0; 256];
    let gone = async { while !matches!(socket.read(&mut left).await, Ok(0) | Err(_)) {} };
    drop(tokio::time::timeout(HELD, gone).await);
    None
}

fn reset(socket: &TcpStream) -> Option<()> {
    socket.set_zero_linger().unwrap();
    None
}
