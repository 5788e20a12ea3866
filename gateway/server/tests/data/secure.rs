//! TLS on the data port.

use std::sync::Arc;
use std::time::Duration;

use moorline_gateway::tls::{Acceptor, Files};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use super::caller::{Wire, chat, request};
use super::certificates::Authority;
use super::gateway::{Gateway, KEY, document};
use super::provider::{Provider, soon, spawn};

/// A gateway with a certificate.
struct Secure {
    gateway: Gateway,
    acceptor: Acceptor,
    files: Files,
    directory: tempfile::TempDir,
}

fn start(
    provider: &Provider,
    authority: &Authority,
    change: impl FnOnce(&mut moorline_gateway::data::DataConfig),
) -> Secure {
    let directory = tempfile::tempdir().unwrap();
    let files = authority.server().write(directory.path());
    let acceptor = Acceptor::open(&files).unwrap();
    let tls = Some(acceptor.clone());
    let gateway = Gateway::start_with(&document(provider), |config| {
        config.tls = tls;
        change(config);
    });
    Secure { gateway, acceptor, files, directory }
}

async fn connect(
    gateway: &Gateway,
    authority: &Authority,
    alpn: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    soon(TlsConnector::from(Arc::new(config)).connect(name, stream)).await
}

/// Asks on a connection; the answer up to its last byte.
async fn ask(stream: &mut TlsStream<TcpStream>) -> String {
    stream.write_all(request(&chat().to_string()).as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    soon(async {
        while !String::from_utf8_lossy(&answer).contains("chatcmpl-1") {
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0);
        }
    })
    .await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn requests_come_over_tls_as_http_1_1_and_nothing_else() {
    let (provider, authority) = (Provider::start().await, Authority::new());
    let secure = start(&provider, &authority, |_| {});
    let mut stream = connect(&secure.gateway, &authority, &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"http/1.1".as_slice()));
    for _ in 0..2 {
        assert!(ask(&mut stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
    }
    assert_eq!(provider.request().await.header("authorization"), Some("Bearer sk-upstream-secret"));
    connect(&secure.gateway, &authority, &["h2"]).await.unwrap_err();
    connect(&secure.gateway, &Authority::new(), &[]).await.unwrap_err();
    assert_eq!(
        ask(&mut connect(&secure.gateway, &authority, &[]).await.unwrap()).await.matches("200 OK").count(),
        1
    );
}

#[tokio::test]
async fn http_in_clear_is_told_so_and_closed() {
    let (provider, authority) = (Provider::start().await, Authority::new());
    let secure = start(&provider, &authority, |_| {});
    let mut wire = Wire::open(secure.gateway.address).await;
    wire.ask(&chat()).await;
    let answer = wire.read_to_end().await;
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && answer.ends_with("this port speaks HTTP over TLS\n"),
        "{answer}"
    );
    assert!(!answer.contains(KEY));
    let mut wire = Wire::open(secure.gateway.address).await;
    wire.send(b"\x00\x01\x02 no protocol at all").await;
    assert!(!wire.read_to_end().await.contains("HTTP"));
    assert_eq!(provider.requests_left().await, 0);
}

#[tokio::test]
async fn a_caller_that_is_silent_in_its_handshake_is_let_go_and_holds_up_nobody() {
    let (provider, authority) = (Provider::start().await, Authority::new());
    let secure = start(&provider, &authority, |config| {
        config.workers = Some(1);
        config.deadlines.handshake = Duration::from_millis(500);
    });
    let mut silent = Vec::new();
    for beginning in [b"".as_slice(), b"\x16", b"\x16\x03\x01\x02\x00\x01\x00"] {
        let mut wire = Wire::open(secure.gateway.address).await;
        wire.send(beginning).await;
        silent.push(wire);
    }
    let mut stream = connect(&secure.gateway, &authority, &[]).await.unwrap();
    assert!(ask(&mut stream).await.contains("200 OK"));
    for mut wire in silent {
        assert_eq!(wire.read_to_end().await, "");
    }
    // A connection that stands is not cut by that deadline.
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(ask(&mut stream).await.contains("200 OK"));
}

#[tokio::test]
async fn a_certificate_that_is_replaced_is_used_for_new_connections_and_cuts_none() {
    let (provider, old, new) = (Provider::start().await, Authority::new(), Authority::new());
    let secure = start(&provider, &old, |_| {});
    let stop = CancellationToken::new();
    let following = spawn(secure.acceptor.clone().follow(secure.files.clone(), stop.clone()));
    let mut standing = connect(&secure.gateway, &old, &[]).await.unwrap();
    assert!(ask(&mut standing).await.contains("200 OK"));

    // Something that is no certificate changes nothing.
    std::fs::write(&secure.files.certificate, "no certificate").unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(ask(&mut connect(&secure.gateway, &old, &[]).await.unwrap()).await.contains("200 OK"));

    new.server().write(secure.directory.path());
    soon(async {
        while connect(&secure.gateway, &new, &[]).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert!(ask(&mut standing).await.contains("200 OK"), "the connection that stood stands");
    connect(&secure.gateway, &old, &[]).await.unwrap_err();
    stop.cancel();
    soon(following).await.unwrap();
}

#[tokio::test]
async fn files_that_make_no_tls_are_named() {
    let (directory, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let files = authority.server().write(directory.path());
    let problem = |files: &Files| Acceptor::open(files).unwrap_err().to_string();
    let other = Files { key: directory.path().join("none.key"), ..files.clone() };
    assert!(problem(&other).contains("none.key"));
    let swapped = Files { certificate: files.key.clone(), ..files.clone() };
    assert!(problem(&swapped).contains("no certificate"), "{}", problem(&swapped));
    let foreign = tempfile::tempdir().unwrap();
    let other = Files { key: authority.client("other").write(foreign.path()).key, ..files.clone() };
    assert!(problem(&other).contains("cannot be used"), "{}", problem(&other));
    let roots = Files { client_ca: Some(files.key.clone()), ..files };
    assert!(problem(&roots).contains("tls.key"), "{}", problem(&roots));
}
