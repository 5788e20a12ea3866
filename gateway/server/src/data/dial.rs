//! Reaching an upstream: name, TCP, TLS.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::upstream::Stream;
use crate::routing::Origin;

/// Silence on an upstream connection after which the kernel asks whether the peer still lives.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// TLS to providers, set up when the first one that speaks it is reached, for all workers.
#[derive(Clone, Default)]
pub(super) struct Tls(Arc<OnceLock<Result<TlsConnector, rustls::Error>>>);

impl Tls {
    fn connector(&self) -> io::Result<&TlsConnector> {
        self.0.get_or_init(connector).as_ref().map_err(|error| io::Error::other(error.clone()))
    }
}

/// Trusts the machine's own certificates.
fn connector() -> Result<TlsConnector, rustls::Error> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a certificate of this machine cannot be read");
    }
    let (trusted, _) = roots.add_parsable_certificates(found.certs);
    if trusted == 0 {
        tracing::warn!("this machine trusts no certificate: no https provider can be reached");
    }
    connector_trusting(roots)
}

fn connector_trusting(roots: RootCertStore) -> Result<TlsConnector, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Connects to an origin, trying each of its addresses in turn. The caller bounds the time.
pub(super) async fn dial(origin: &Origin, tls: &Tls) -> io::Result<Stream> {
    let stream = connect(origin).await?;
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
    if !origin.secure {
        return Ok(Stream::Plain(stream));
    }
    let name = ServerName::try_from(origin.host.clone()).map_err(io::Error::other)?;
    Ok(Stream::Tls(Box::new(tls.connector()?.connect(name, stream).await?)))
}

async fn connect(origin: &Origin) -> io::Result<TcpStream> {
    let mut failed = None;
    for address in tokio::net::lookup_host((origin.host.as_str(), origin.port)).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address")))
}

#[cfg(test)]
mod tests {
    use rustls::ServerConfig;
    use rustls::pki_types::PrivateKeyDer;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use tokio_util::task::TaskTracker;

    use super::*;

    /// A TLS server for `name`, and the certificate to trust.
    async fn server(name: &str) -> (u16, rustls::pki_types::CertificateDer<'static>) {
        let own = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let certificate = own.cert.der().clone();
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        TaskTracker::new().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    stream.write_all(b"hello").await.unwrap();
                    stream.shutdown().await.unwrap();
                }
            }
        });
        (port, certificate)
    }

    fn trusting(certificate: rustls::pki_types::CertificateDer<'static>) -> Tls {
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let tls = Tls::default();
        assert!(tls.0.set(connector_trusting(roots)).is_ok());
        tls
    }

    #[tokio::test]
    async fn a_provider_with_a_certificate_we_trust_is_reached_and_no_other() {
        let (port, certificate) = server("localhost").await;
        let origin = Origin { secure: true, host: "localhost".to_owned(), port };
        let mut stream = dial(&origin, &trusting(certificate.clone())).await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "hello");

        let (_, other) = server("localhost").await;
        assert!(dial(&origin, &trusting(other)).await.is_err(), "a certificate that nobody here trusts");
        let by_address = Origin { host: "127.0.0.1".to_owned(), ..origin };
        assert!(dial(&by_address, &trusting(certificate)).await.is_err(), "a certificate of another name");
    }
}
