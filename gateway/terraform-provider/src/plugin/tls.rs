//! Mutual TLS with Terraform: each side made a certificate for this one run, and each accepts exactly the other's.
//!
//! Terraform's is self-signed and marked as a certificate authority, which path building would refuse as a client's
//! own; so the bytes are pinned instead, and only possession of its key is proven.

use std::sync::Arc;

use rustls::DigitallySignedStruct;
use rustls::DistinguishedName;
use rustls::SignatureScheme;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Terraform's certificate is unreadable.
    #[error("reading PLUGIN_CLIENT_CERT")]
    ClientCertificate(#[source] rustls::pki_types::pem::Error),
    /// Our certificate could not be made.
    #[error("making a certificate for this run")]
    Generate(#[source] rcgen::Error),
    /// rustls refused the result.
    #[error("configuring TLS 1.3")]
    Configure(#[source] rustls::Error),
}

/// Our side of one run.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Our certificate (DER), for the handshake line.
    pub certificate: Vec<u8>,
    /// How connections are accepted.
    pub config: Arc<rustls::ServerConfig>,
}

impl Identity {
    /// Makes a certificate for this run and accepts the holder of the given one (PEM) alone.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(client_certificate: &str) -> Result<Self, TlsError> {
        let client = CertificateDer::from_pem_slice(client_certificate.as_bytes())
            .map_err(TlsError::ClientCertificate)?;
        // Terraform calls whatever it started `localhost`.
        let made =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).map_err(TlsError::Generate)?;
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));

        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = Arc::new(PinnedClient { client, provider: Arc::clone(&provider) });
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(TlsError::Configure)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate.clone()], key)
            .map_err(TlsError::Configure)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self { certificate: certificate.to_vec(), config: Arc::new(config) })
    }
}

/// Accepts the holder of one certificate.
#[derive(Debug)]
struct PinnedClient {
    client: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for PinnedClient {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        if end_entity.as_ref() == self.client.as_ref() {
            Ok(ClientCertVerified::assertion())
        } else {
            Err(rustls::Error::InvalidCertificate(rustls::CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
