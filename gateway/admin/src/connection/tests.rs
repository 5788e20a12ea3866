//! Against real sockets: what the libraries below us say is theirs to change.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use super::*;

/// A server that answers each connection with these bytes and closes it.
fn server(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            // A first piece of what is asked; whether all of it came matters to nobody here.
            drop(stream.read(&mut [0; 1024]));
            drop(stream.write_all(answer));
        }
    });
    address
}

async fn fault(url: &str) -> ConnectionFault {
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_millis(500)).build().unwrap();
    let error = match http.get(url).send().await {
        Ok(answer) => answer.bytes().await.unwrap_err(),
        Err(error) => error,
    };
    ConnectionFault::of(&error)
}

#[tokio::test]
async fn each_way_to_fail_is_told_from_the_others() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(fault(&format!("http://{closed}")).await, ConnectionFault::Refused);
    assert_eq!(fault("http://no-such-host.invalid").await, ConnectionFault::NameNotFound);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    assert_eq!(fault(&format!("http://{address}")).await, ConnectionFault::TimedOut);
    let plain = server(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(fault(&format!("https://{plain}")).await, ConnectionFault::Tls);
    let closing = server(b"");
    assert_eq!(fault(&format!("http://{closing}")).await, ConnectionFault::BrokeOff);
    let half = server(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
    assert_eq!(fault(&format!("http://{half}")).await, ConnectionFault::BrokeOff);
    // What a TLS server says to a client that speaks none.
    let secure = server(b"\x15\x03\x01\x00\x02\x02\x46");
    assert_eq!(fault(&format!("http://{secure}")).await, ConnectionFault::NotHttp);
}

#[test]
fn a_certificate_is_told_from_the_rest_of_tls_however_deep_it_lies() {
    let certificate = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
    let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, certificate));
    assert_eq!(ConnectionFault::of(&wrapped), ConnectionFault::Certificate);
    assert_eq!(ConnectionFault::of(&io::Error::other("anything")), ConnectionFault::Other);
}

#[test]
fn what_a_newer_release_says_can_still_be_read() {
    let fault: ConnectionFault = serde_json::from_str("\"eaten_by_a_shark\"").unwrap();
    assert_eq!(fault, ConnectionFault::Other);
}
