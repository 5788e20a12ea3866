//! Requests that two readers could take for two things: a table of raw streams, each with its verdict.
//!
//! The judge is what reaches the provider. A stream that is refused reaches nobody, ends its connection, and nothing in
//! it is ever taken for a second request; one that is served reaches the provider exactly as often as it says.

use std::time::Duration;

use super::caller::{CHAT, Wire, chat, request};
use super::gateway::{Gateway, KEY, document};
use super::provider::Provider;

/// What becomes of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Nothing of it is served.
    Refused,
    /// So many requests are.
    Served(usize),
}
use Verdict::{Refused, Served};

/// A request of these head lines, between the request line and the body.
fn post(lines: &str, body: &str) -> Vec<u8> {
    format!("POST {CHAT} HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {KEY}\r\n{lines}\r\n{body}")
        .into_bytes()
}

fn chunked(encoding: &str, body: &str) -> Vec<u8> {
    post(&format!("{encoding}\r\n"), body)
}

fn line(request_line: &str, lines: &str) -> Vec<u8> {
    let body = chat().to_string();
    let length = body.len();
    format!("{request_line}\r\nauthorization: Bearer {KEY}\r\ncontent-length: {length}\r\n{lines}\r\n{body}")
        .into_bytes()
}

/// Lengths that disagree, or are none.
fn lengths() -> Vec<(&'static str, Vec<u8>, Verdict)> {
    let body = chat().to_string();
    let n = body.len();
    let chunks = format!("{n:x}\r\n{body}\r\n0\r\n\r\n");
    let cl = |value: String| post(&format!("content-length: {value}\r\n"), &body);
    vec![
        ("a plain length", post(&format!("content-length: {n}\r\nconnection: close\r\n"), &body), Served(1)),
        (
            "length, then chunks",
            post(&format!("content-length: {n}\r\ntransfer-encoding: chunked\r\n"), &chunks),
            Refused,
        ),
        (
            "chunks, then length",
            post("transfer-encoding: chunked\r\ncontent-length: 4\r\n", &chunks),
            Refused,
        ),
        (
            "the same length twice",
            post(&format!("content-length: {n}\r\ncontent-length: {n}\r\n"), &body),
            Refused,
        ),
        ("two lengths", post(&format!("content-length: {n}\r\ncontent-length: 0\r\n"), &body), Refused),
        (
            "two lengths in two cases",
            post(&format!("Content-Length: 0\r\ncontent-length: {n}\r\n"), &body),
            Refused,
        ),
        ("a list of lengths", cl(format!("{n}, {n}")), Refused),
        ("a sign", cl(format!("+{n}")), Refused),
        ("below zero", cl("-1".to_owned()), Refused),
        ("hexadecimal", cl("0x10".to_owned()), Refused),
        ("two numbers", cl(format!("{n} {n}")), Refused),
        ("no number", cl(String::new()), Refused),
        ("a fraction", cl(format!("{n}.0")), Refused),
        ("a power", cl("1e2".to_owned()), Refused),
        ("more than any body", cl("99999999999999999999".to_owned()), Refused),
        ("a letter behind", cl(format!("{n}a")), Refused),
        (
            "an underscore twin of the length",
            post(&format!("content-length: {n}\r\ncontent_length: 0\r\n"), &body),
            Refused,
        ),
    ]
}

/// Codings of the body.
fn codings() -> Vec<(&'static str, Vec<u8>, Verdict)> {
    let body = chat().to_string();
    let n = body.len();
    let chunks = format!("{n:x}\r\n{body}\r\n0\r\n\r\n");
    let te = |value: &str| chunked(&format!("transfer-encoding: {value}"), &chunks);
    let of = |chunks: String| chunked("transfer-encoding: chunked", &chunks);
    vec![
        ("plain chunks", te("chunked"), Served(1)),
        ("chunks in capitals", te("CHUNKED"), Served(1)),
        ("an extension of a chunk", of(format!("{n:x};a=b\r\n{body}\r\n0\r\n\r\n")), Served(1)),
        ("trailers", of(format!("{n:x}\r\n{body}\r\n0\r\nx-trailer: a\r\n\r\n")), Served(1)),
        ("a trailer that is a length", of(format!("{n:x}\r\n{body}\r\n0\r\ncontent-length: 5\r\n\r\n")), Served(1)),
        ("the coding twice", chunked("transfer-encoding: chunked\r\ntransfer-encoding: chunked", &chunks), Refused),
        ("two codings", chunked("transfer-encoding: chunked\r\ntransfer-encoding: identity", &chunks), Refused),
        ("another coding", te("gzip"), Refused),
        ("no coding", te("identity"), Refused),
        ("chunks not last", te("chunked, identity"), Refused),
        ("nearly chunks", te("xchunked"), Refused),
        ("chunks in quotes", te("\"chunked\""), Refused),
        ("a control character in front", te("\u{b}chunked"), Refused),
        ("an underscore twin of the coding", post(&format!("content-length: {n}\r\ntransfer_encoding: chunked\r\n"), &body), Refused),
        ("a space before the colon", chunked("transfer-encoding : chunked", &chunks), Refused),
        ("a size that is none", of("zz\r\n{}\r\n0\r\n\r\n".to_owned()), Refused),
        ("a size below zero", of("-1\r\n{}\r\n0\r\n\r\n".to_owned()), Refused),
        ("a size beyond 64 bits", of(format!("{}\r\n{body}\r\n0\r\n\r\n", "f".repeat(17))), Refused),
        ("a size with 0x", of(format!("0x{n:x}\r\n{body}\r\n0\r\n\r\n")), Refused),
        ("no size", of(format!("\r\n{body}\r\n0\r\n\r\n")), Refused),
        ("a chunk longer than it says", of(format!("2\r\n{body}\r\n0\r\n\r\n")), Refused),
        ("a chunk that ends in a bare line feed", of(format!("{n:x}\r\n{body}\n0\r\n\r\n")), Refused),
        ("a size that ends in a bare line feed", of(format!("{n:x}\n{body}\r\n0\r\n\r\n")), Refused),
        ("a bare line feed in an extension", of(format!("{n:x};a\nb\r\n{body}\r\n0\r\n\r\n")), Refused),
        ("HTTP/1.0 with chunks", format!("POST {CHAT} HTTP/1.0\r\nhost: g\r\nauthorization: Bearer {KEY}\r\ntransfer-encoding: chunked\r\n\r\n{chunks}").into_bytes(), Refused),
        ("HTTP/1.0 with two codings", format!("POST {CHAT} HTTP/1.0\r\nhost: g\r\nauthorization: Bearer {KEY}\r\ntransfer-encoding: identity\r\ntransfer-encoding: chunked\r\n\r\n{chunks}").into_bytes(), Refused),
    ]
}

/// Lines that are none, or more than one.
fn lines() -> Vec<(&'static str, Vec<u8>, Verdict)> {
    let body = chat().to_string();
    let n = body.len();
    let with = |lines: &str| post(&format!("{lines}content-length: {n}\r\nconnection: close\r\n"), &body);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let plain = text(post(&format!("content-length: {n}\r\nconnection: close\r\n"), &body));
    vec![
        ("empty lines in front", [b"\r\n\r\n".to_vec(), plain.clone().into_bytes()].concat(), Served(1)),
        ("bare line feeds", plain.replace("\r\n", "\n").into_bytes(), Refused),
        ("one bare line feed", with("x: a\n"), Refused),
        ("a bare line feed at the end", plain.replace("\r\n\r\n", "\r\n\n").into_bytes(), Refused),
        ("bare carriage returns", plain.replace("\r\n", "\r").into_bytes(), Refused),
        ("a bare carriage return in a value", with("x: a\rb\r\n"), Refused),
        ("a line that goes on after a space", with("x: a\r\n b\r\n"), Refused),
        ("a line that goes on after a tab", with("x: a\r\n\tb\r\n"), Refused),
        ("a folded length", post(&format!("content-length:\r\n {n}\r\n"), &body), Refused),
        (
            "a space in front of the first header",
            text(with("")).replace("host: g", " host: g").into_bytes(),
            Refused,
        ),
        ("a space before a colon", post(&format!("content-length : {n}\r\n"), &body), Refused),
        ("a tab before a colon", post(&format!("content-length\t: {n}\r\n"), &body), Refused),
        ("no colon", with("x\r\n"), Refused),
        ("no name", with(": a\r\n"), Refused),
        ("a bracket in a name", with("a(b: c\r\n"), Refused),
        ("a name that is not ASCII", with("n\u{e4}me: c\r\n"), Refused),
        ("NUL in a name", with("a\0b: c\r\n"), Refused),
        ("NUL in a value", with("a: b\0c\r\n"), Refused),
        ("a control character in a value", with("a: b\u{1}c\r\n"), Refused),
        ("DEL in a value", with("a: b\u{7f}c\r\n"), Refused),
    ]
}

/// Hosts, proofs and request lines.
fn hosts() -> Vec<(&'static str, Vec<u8>, Verdict)> {
    let at = format!("POST {CHAT} HTTP/1.1");
    let close = "connection: close\r\n";
    vec![
        (
            "a whole address with its own host",
            line(&format!("POST http://g{CHAT} HTTP/1.1"), &format!("host: g\r\n{close}")),
            Served(1),
        ),
        (
            "a whole address and another host",
            line(&format!("POST http://elsewhere{CHAT} HTTP/1.1"), &format!("host: g\r\n{close}")),
            Refused,
        ),
        (
            "a whole address with another port",
            line(&format!("POST http://g:81{CHAT} HTTP/1.1"), &format!("host: g\r\n{close}")),
            Refused,
        ),
        ("a host twice", line(&at, "host: g\r\nhost: g\r\n"), Refused),
        ("two hosts in two cases", line(&at, "host: g\r\nHOST: h\r\n"), Refused),
        ("no host", line(&at, close), Refused),
        ("an underscore twin of a key", line(&at, &format!("host: g\r\nx_api_key: a\r\n{close}")), Refused),
        ("half a twin of a key", line(&at, &format!("host: g\r\nX-API_key: a\r\n{close}")), Refused),
        (
            "a twin of the probe's key",
            line(&at, &format!("host: g\r\nx_moorline_probe: a\r\n{close}")),
            Refused,
        ),
        (
            "a twin of a forwarded address",
            line(&at, &format!("host: g\r\nx_forwarded_for: a\r\n{close}")),
            Refused,
        ),
        (
            "an underscore that is nobody's twin",
            line(&at, &format!("host: g\r\nmy_own_header: a\r\n{close}")),
            Served(1),
        ),
        ("HTTP/2 by name", line(&format!("POST {CHAT} HTTP/2.0"), "host: g\r\n"), Refused),
        ("a version nobody knows", line(&format!("POST {CHAT} HTTP/1.2"), "host: g\r\n"), Refused),
        ("a version in small letters", line(&format!("POST {CHAT} http/1.1"), "host: g\r\n"), Refused),
        ("no version", line(&format!("POST {CHAT}"), "host: g\r\n"), Refused),
        ("two spaces in the request line", line(&format!("POST  {CHAT} HTTP/1.1"), "host: g\r\n"), Refused),
        ("a tab in the request line", line(&format!("POST\t{CHAT}\tHTTP/1.1"), "host: g\r\n"), Refused),
        ("NUL in the path", line(&format!("POST {CHAT}\0 HTTP/1.1"), "host: g\r\n"), Refused),
        ("the beginning of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), Refused),
        ("a tunnel", line("CONNECT elsewhere:443 HTTP/1.1", "host: elsewhere:443\r\n"), Refused),
    ]
}

/// Bytes after a request.
fn followed() -> Vec<(&'static str, Vec<u8>, Verdict)> {
    let body = chat().to_string();
    let n = body.len();
    let plain = request(&body).into_bytes();
    let last = post(&format!("content-length: {n}\r\nconnection: close\r\n"), &body);
    let chunks = chunked("transfer-encoding: chunked", &format!("{n:x}\r\n{body}\r\n0\r\n\r\n"));
    let upgrade =
        post(&format!("content-length: {n}\r\nconnection: upgrade\r\nupgrade: websocket\r\n"), &body);
    let garbage = b"\x00\x01garbage\r\n\r\n".to_vec();
    vec![
        ("two requests", [plain.clone(), last.clone()].concat(), Served(2)),
        (
            "three requests, the last of them doubtful",
            [plain.clone(), plain.clone(), post("content-length: 1, 1\r\n", "{")].concat(),
            Served(2),
        ),
        ("garbage after a body", [plain.clone(), garbage.clone()].concat(), Served(1)),
        ("a request after chunks", [chunks, plain.clone()].concat(), Served(1)),
        ("garbage after a request that would upgrade", [upgrade.clone(), garbage].concat(), Served(1)),
        ("a request after one that is the last", [last, plain.clone()].concat(), Served(1)),
        (
            "a doubtful request, then a good one",
            [post("content-length: 2, 2\r\n", "{}"), plain].concat(),
            Refused,
        ),
    ]
}

#[tokio::test]
async fn a_stream_that_two_readers_could_read_in_two_ways_is_never_served_as_one_of_them() {
    let provider = Provider::start().await;
    let gateway = Gateway::start_with(&document(&provider), |config| {
        // For heads that never end.
        config.deadlines.head = Duration::from_millis(300);
        config.deadlines.body = Duration::from_millis(300);
        config.deadlines.idle = Duration::from_millis(300);
    });
    let table = [lengths(), codings(), lines(), hosts(), followed()].concat();
    assert!(table.len() >= 60, "{}", table.len());
    let mut wrong = Vec::new();
    for (name, stream, verdict) in table {
        let mut wire = Wire::open(gateway.address).await;
        wire.send(&stream).await;
        let answer = wire.read_to_end().await;
        let served = answer.matches("HTTP/1.1 200 OK").count();
        let mut reached = 0;
        while provider.requests_left().await > 0 {
            provider.request().await;
            reached += 1;
        }
        let expected = match verdict {
            Refused => 0,
            Served(count) => count,
        };
        if (served, reached) != (expected, expected) {
            let answer: String = answer.chars().take(200).collect();
            wrong.push(format!(
                "{name}: {served} answers, {reached} reached the provider, not {expected}: {answer:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
