//! As much of HTTP/1.1 as loads and providers need. Both must cost far less than who is measured between them, and both
//! ends are ours: so this reads heads by looking for the two fields that matter, and checks nothing.

use std::net::SocketAddr;

use memchr::memmem;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

/// Serves every connection to a new address of this machine, each in a task of this runtime.
pub(crate) async fn listen<F>(
    tasks: &TaskTracker,
    serve: impl Fn(TcpStream) -> F + Send + 'static,
) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let spawner = tasks.clone();
    tasks.spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            socket.set_nodelay(true).unwrap();
            spawner.spawn(serve(socket));
        }
    });
    address
}

/// A connection that sends at once.
pub(crate) async fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

/// Reads on until a whole request stands at the buffer's beginning, and says where its head and its body end; nothing
/// when the caller went away.
pub(crate) async fn next_request(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(usize, usize)> {
    loop {
        if let Some(head) = head_end(buffer) {
            let length = content_length(&buffer[..head]).unwrap_or(0);
            if buffer.len() >= head + length {
                return Some((head, head + length));
            }
        }
        if socket.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

/// Whether an answer's body is all here, of the declared length or in chunks.
pub(crate) fn is_whole(body: &[u8], length: Option<usize>) -> bool {
    length.map_or_else(|| body.ends_with(b"\r\n0\r\n\r\n"), |length| body.len() >= length)
}

/// Where the head ends, the empty line included.
pub(crate) fn head_end(bytes: &[u8]) -> Option<usize> {
    memmem::find(bytes, b"\r\n\r\n").map(|at| at + 4)
}

/// The value of a field, when the head has it.
fn field<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let (field, rest) = line.split_at_checked(name.len())?;
        (field.eq_ignore_ascii_case(name) && rest.first() == Some(&b':')).then(|| rest[1..].trim_ascii())
    })
}

/// The length that the head declares.
pub(crate) fn content_length(head: &[u8]) -> Option<usize> {
    std::str::from_utf8(field(head, b"content-length")?).ok()?.parse().ok()
}

/// The body without its chunks' frames, for the check before a measurement.
pub(crate) fn decoded(head: &[u8], body: &[u8]) -> Vec<u8> {
    if content_length(head).is_some() {
        return body.to_vec();
    }
    let (mut rest, mut whole) = (body, Vec::new());
    while let Some(at) = memmem::find(rest, b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..at]).unwrap(), 16).unwrap();
        if length == 0 {
            break;
        }
        whole.extend_from_slice(&rest[at + 2..at + 2 + length]);
        rest = &rest[at + 2 + length + 2..];
    }
    whole
}
