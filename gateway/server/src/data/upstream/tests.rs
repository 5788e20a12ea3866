use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use super::super::turn::Turn;
use super::body::Chunk;
use super::*;

/// A connection and its other end.
async fn pair() -> (Connection, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (far, _) = listener.accept().await.unwrap();
    let turn = Arc::new(Turn::default());
    let near = Gathered::new(Stream::Plain(near), Arc::clone(&turn));
    TaskTracker::new().spawn(async move { turn.flush_for_ever().await });
    (Connection::new(near), far)
}

fn head() -> Head {
    let request = http::Request::post("/v1/x?y=1").header("host", "there").header("x-a", "b");
    request.body(()).unwrap().into_parts().0
}

async fn read_body(connection: &mut Connection) -> Result<Vec<u8>, ExchangeError> {
    let mut all = Vec::new();
    while let Some(data) = poll_fn(|cx| connection.poll_body(cx)).await {
        all.extend_from_slice(&data?);
    }
    Ok(all)
}

/// What an upstream's answer is read as, sent in two pieces.
async fn answered(answer: &[u8], cut: usize) -> Result<(u16, Vec<u8>, bool), ExchangeError> {
    let (mut connection, mut far) = pair().await;
    let (first, second) = answer.split_at(cut);
    let speak = async {
        // A connection that is closed with a request unread is reset, not ended.
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            far.read_buf(&mut request).await.unwrap();
        }
        far.write_all(first).await.unwrap();
        tokio::task::yield_now().await;
        far.write_all(second).await.unwrap();
        far.shutdown().await.unwrap();
    };
    let listen = async {
        let answered = connection.exchange(&head(), &Parts::default()).await?;
        let body = read_body(&mut connection).await?;
        Ok::<_, ExchangeError>((answered.status.as_u16(), body, connection.reusable))
    };
    let ((), heard) = tokio::join!(speak, listen);
    heard
}

#[tokio::test]
async fn a_request_is_written_as_http_1_1_and_its_body_in_any_number_of_parts() {
    for size in [0_usize, 5, 20_000, 300_000] {
        let (mut connection, mut far) = pair().await;
        let mut body = Parts::default();
        let all: Vec<u8> = (0..size).map(|byte| (byte % 251) as u8).collect();
        all.chunks(size / 3 + 1).for_each(|part| body.push(Bytes::copy_from_slice(part)));
        let serve = async {
            let mut seen = vec![
                0;
                format!(
                    "POST /v1/x?y=1 HTTP/1.1\r\nhost: there\r\nx-a: b\r\ncontent-length: {size}\r\n\r\n"
                )
                .len()
                    + size
            ];
            far.read_exact(&mut seen).await.unwrap();
            far.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            seen
        };
        let (head_of, seen) = (head(), serve);
        let (answered, seen) = tokio::join!(connection.exchange(&head_of, &body), seen);
        assert_eq!(answered.unwrap().status.as_u16(), 204);
        assert!(seen.starts_with(b"POST /v1/x?y=1 HTTP/1.1\r\nhost: there\r\nx-a: b\r\ncontent-length: "));
        assert!(seen.ends_with(&all));
        assert!(connection.is_idle());
        drop(far);
    }
}

#[tokio::test]
async fn an_answer_ends_where_its_head_says_however_it_is_cut() {
    let cases: [(&[u8], &[u8], bool); 6] = [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello", true),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: x, Close\r\n\r\nhello", b"hello", false),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n3;x=y\r\nhel\r\n02\r\nlo\r\n0\r\nt: 1\r\n\r\n", b"hello", true),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", b"hello", false),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello", b"hello", false),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello", b"hello", true),
    ];
    for (answer, body, reusable) in cases {
        for cut in 0..answer.len() {
            let heard = answered(answer, cut).await.unwrap();
            assert_eq!(heard, (200, body.to_vec(), reusable), "{} cut at {cut}", answer.escape_ascii());
        }
    }
}

#[tokio::test]
async fn an_answer_that_can_be_read_in_two_ways_is_none() {
    for answer in [
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".as_slice(),
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
        b"nonsense\r\n\r\n",
    ] {
        let heard = answered(answer, answer.len()).await;
        assert!(
            matches!(heard, Err(ExchangeError::Framing | ExchangeError::Head(_))),
            "{}: {heard:?}",
            answer.escape_ascii()
        );
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_told_from_one_that_ends() {
    for answer in [
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell".as_slice(),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ] {
        let heard = answered(answer, answer.len()).await;
        assert!(matches!(heard, Err(ExchangeError::Truncated)), "{}: {heard:?}", answer.escape_ascii());
    }
    let heard = answered(b"HTTP/1.1 200 OK\r\ncontent-", 10).await;
    assert!(matches!(heard, Err(ExchangeError::Closed)), "{heard:?}");
}

#[tokio::test]
async fn heads_are_bounded() {
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(101));
    assert!(matches!(answered(many.as_bytes(), 3).await, Err(ExchangeError::Head(_))));
    let long = format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "b".repeat(head::HEAD_BYTES_MAX));
    assert!(matches!(answered(long.as_bytes(), 3).await, Err(ExchangeError::HeadTooLarge)));
}

#[tokio::test]
async fn a_connection_that_was_closed_or_spoke_out_of_turn_is_not_idle() {
    for word in [b"".as_slice(), b"HTTP/1.1 408 Timeout\r\n\r\n"] {
        let (mut connection, mut far) = pair().await;
        assert!(connection.is_idle());
        far.write_all(word).await.unwrap();
        if word.is_empty() {
            drop(far);
        }
        let turned = tokio::time::timeout(std::time::Duration::from_secs(10), async {
            while connection.is_idle() {
                tokio::task::yield_now().await;
            }
        });
        turned.await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_before_the_request_s_end_counts_and_ends_the_connection() {
    let (mut connection, mut far) = pair().await;
    let body = Parts::from(Bytes::from(vec![b'x'; 64 << 20]));
    let serve = async {
        let mut some = [0; 100];
        far.read_exact(&mut some).await.unwrap();
        far.write_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno").await.unwrap();
    };
    let head = head();
    let (answered, ()) = tokio::join!(connection.exchange(&head, &body), serve);
    assert_eq!(answered.unwrap().status.as_u16(), 413);
    assert_eq!(read_body(&mut connection).await.unwrap(), b"no");
    assert!(!connection.is_idle());
}

proptest! {
    /// Whatever an upstream sends as chunks: it is read or refused, never beyond what it holds, and the same in pieces.
    #[test]
    fn any_chunks_are_read_alike_in_one_piece_and_in_many(bytes in prop::collection::vec(prop::sample::select(b"0123afg\r\n; x".to_vec()), 0..64)) {
        let read = |pieces: &mut dyn Iterator<Item = &[u8]>| {
            let (mut framing, mut buffer, mut out) = (Framing::Chunked(Chunk::Size), BytesMut::new(), Vec::new());
            for piece in pieces {
                buffer.extend_from_slice(piece);
                match framing.take(&mut buffer) {
                    Ok(Some(data)) => out.extend_from_slice(&data),
                    Ok(None) => {}
                    Err(_) => return None,
                }
            }
            Some((out, framing.has_ended()))
        };
        let whole = read(&mut std::iter::once(bytes.as_slice()));
        let pieces = read(&mut bytes.chunks(1));
        prop_assert_eq!(whole, pieces);
    }
}
