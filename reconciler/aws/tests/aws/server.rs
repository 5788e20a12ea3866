//! A small server in the place of AWS, which gives every request the same kind of answer.

use std::future::Future;
use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// What is answered.
#[derive(Clone)]
pub(crate) enum Answer {
    /// An error with this status and code, in the words of the service that is called.
    Error(u16, &'static str),
    /// A success with this body.
    Body(&'static str),
    /// A success with the body that this makes of the request's.
    Made(fn(&str) -> String),
    /// The connection ends.
    Hangup,
    /// Nothing, ever.
    Silence,
}

/// A request that was received.
pub(crate) struct Request {
    /// The region that it was signed for.
    pub(crate) region: String,
    pub(crate) body: String,
}

/// Runs `asking` against a server with that answer.
pub(crate) async fn answering<F: Future>(
    answer: Answer,
    asking: impl FnOnce(SocketAddr) -> F,
) -> (F::Output, Vec<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (received, mut requests) = unbounded_channel();
    let output = tokio::select! {
        output = asking(address) => output,
        () = serve(listener, answer, received) => unreachable!("the server has no end"),
    };
    let requests = std::iter::from_fn(|| requests.try_recv().ok()).collect();
    (output, requests)
}

async fn serve(listener: TcpListener, answer: Answer, received: UnboundedSender<Request>) {
    let tracker = tokio_util::task::TaskTracker::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (answer, received) = (answer.clone(), received.clone());
        tracker.spawn(async move {
            // A caller that gave up is no failure of the server.
            exchange(stream, answer, received).await.ok();
        });
    }
}

async fn exchange(
    stream: TcpStream,
    answer: Answer,
    received: UnboundedSender<Request>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut head, mut length, mut region) = (String::new(), 0, String::new());
    while stream.read_line(&mut head).await? > 2 {}
    for line in head.lines() {
        let line = line.to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if let Some((_, scope)) = line.split_once("credential=") {
            scope.split('/').nth(2).unwrap_or_default().clone_into(&mut region);
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let requested = String::from_utf8(body).unwrap();
    received.send(Request { region, body: requested.clone() }).unwrap();
    let is_json = head.to_ascii_lowercase().contains("x-amz-target:");
    let (status, body) = match answer {
        Answer::Hangup => return Ok(()),
        Answer::Silence => std::future::pending().await,
        Answer::Body(body) => (200, body.to_owned()),
        Answer::Made(make) => (200, make(&requested)),
        Answer::Error(status, code) if is_json => {
            (status, format!(r#"{{"__type": "{code}", "message": "why"}}"#))
        }
        Answer::Error(status, code) => {
            let error =
                format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>why</Message></Error>");
            (status, format!("<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>"))
        }
    };
    let head =
        format!("HTTP/1.1 {status} Answer\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.flush().await
}
