//! TLS towards whoever connects to us: certificates from files, followed while we run.
//!
//! In: paths of PEM files. Out: an [`Acceptor`], which makes a handshake with the certificate of the moment. When the
//! files change, connections made from then on see the new certificate and those that stand keep theirs. HTTP/1.1 is
//! the one protocol offered. [`subject`] says who a client certificate is.

pub mod subject;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::watch::{REREAD, Watch};

/// The longest wait for a handshake, by default.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// First byte of every TLS connection: a record that holds a handshake.
const HANDSHAKE_RECORD: u8 = 0x16;
/// What somebody is told who speaks HTTP without TLS.
const PLAIN_REFUSAL: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: 31\r\n\r\n\
      this port speaks HTTP over TLS\n";

/// The files of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The certificate, and those between it and a root, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
    /// Roots of client certificates, in PEM. Absent: none are asked for.
    pub client_ca: Option<PathBuf>,
}

/// Why the files make no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One cannot be read, or holds nothing of the kind.
    #[error("{}: no {what} can be read from it", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// Why.
        #[source]
        source: Option<rustls::pki_types::pem::Error>,
    },
    /// Certificate and key do not belong together, or cannot be used.
    #[error("{} and its key cannot be used", path.display())]
    Pair {
        /// The certificate's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// The roots cannot be used.
    #[error("{}: its certificates cannot be used as roots", path.display())]
    Roots {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: VerifierBuilderError,
    },
}

/// Makes handshakes.
#[derive(Clone)]
pub struct Acceptor(Arc<ArcSwap<ServerConfig>>);

impl fmt::Debug for Acceptor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Acceptor(…)")
    }
}

impl Acceptor {
    /// Of these files, as they are now.
    ///
    /// # Errors
    /// [`TlsError`] names the file.
    pub fn open(files: &Files) -> Result<Self, TlsError> {
        load(files).map(|config| Self(Arc::new(ArcSwap::from(config))))
    }

    /// Makes a handshake within a time. Somebody who speaks HTTP in clear is told so.
    ///
    /// # Errors
    /// When there is no handshake in time; the connection is closed then.
    pub async fn accept(&self, stream: TcpStream, within: Duration) -> io::Result<TlsStream<TcpStream>> {
        let handshake = async {
            let mut first = [HANDSHAKE_RECORD];
            stream.peek(&mut first).await?;
            // A method of HTTP. Anything else is TLS' own to refuse.
            if first.iter().all(u8::is_ascii_uppercase) {
                return Err(refuse_plain(stream).await);
            }
            TlsAcceptor::from(self.0.load_full()).accept(stream).await
        };
        let late = |_| Err(io::Error::new(io::ErrorKind::TimedOut, "no handshake in time"));
        tokio::time::timeout(within, handshake).await.unwrap_or_else(late)
    }

    /// Uses the files as they become, until `stop` is cancelled. Files that cannot be used are told, and what is in use
    /// stays.
    pub async fn follow(self, files: Files, stop: CancellationToken) {
        let paths: Vec<PathBuf> = [Some(&files.certificate), Some(&files.key), files.client_ca.as_ref()]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        let mut watch = Watch::new();
        // Nothing yet: what changed between opening and following is seen in the first look.
        let mut seen = Vec::new();
        let mut is_in_use = true;
        loop {
            // Before looking: what changes after this is noticed.
            watch.cover(&paths);
            let now = digests(&paths).await;
            if now != seen || !is_in_use {
                is_in_use = self.take(&files, now != seen && !seen.is_empty());
                seen = now;
            }
            tokio::select! {
                () = watch.changed() => {}
                () = tokio::time::sleep(REREAD) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Uses the files as they are now. Whether they can be used; `is_news` when they changed.
    fn take(&self, files: &Files, is_news: bool) -> bool {
        let certificate = files.certificate.display();
        match load(files) {
            Ok(config) => {
                self.0.store(config);
                if is_news {
                    tracing::info!(%certificate, "certificate files changed and are used from now on");
                }
                true
            }
            Err(error) => {
                // Certificate and key are two files: between their two changes they do not fit.
                if is_news {
                    tracing::warn!(%error, "certificate files cannot be used; what was in use stays");
                }
                false
            }
        }
    }
}

/// What tells that the files changed. One that cannot be read has no digest.
async fn digests(paths: &[PathBuf]) -> Vec<Option<[u8; 32]>> {
    let one = async |path| tokio::fs::read(path).await.ok().map(|bytes| Sha256::digest(bytes).into());
    join_all(paths.iter().map(one)).await
}

fn load(files: &Files) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let unusable = |source| TlsError::Pair { path: files.certificate.clone(), source };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(certificates(path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
                // Without a certificate there is still the token.
                .allow_unauthenticated()
                .build();
            builder.with_client_cert_verifier(
                verifier.map_err(|source| TlsError::Roots { path: path.clone(), source })?,
            )
        }
    };
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|source| TlsError::Pem {
        path: files.key.clone(),
        what: "private key",
        source: Some(source),
    })?;
    let mut config = builder.with_single_cert(certificates(&files.certificate)?, key).map_err(unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::Pem { path: path.to_owned(), what: "certificate", source };
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|source| failed(Some(source)))?;
    if found.is_empty() { Err(failed(None)) } else { Ok(found) }
}

/// Answers in the clear, and reads a little first: closing on unread bytes would take the answer back.
async fn refuse_plain(mut stream: TcpStream) -> io::Error {
    let told = async {
        let mut head = Vec::with_capacity(4096);
        // However much there is: it is only taken off the socket.
        let _taken = stream.read_buf(&mut head).await?;
        stream.write_all(PLAIN_REFUSAL).await?;
        stream.shutdown().await
    };
    told.await.err().unwrap_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "HTTP without TLS"))
}
