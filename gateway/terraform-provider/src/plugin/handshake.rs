//! The go-plugin handshake: what Terraform says through the environment, and the line we answer with.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::protocol;

/// Version of go-plugin's own protocol.
const CORE_VERSION: u32 = 1;
/// What Terraform sets so that nobody runs a plugin by mistake.
const COOKIE: (&str, &str) =
    ("TF_PLUGIN_MAGIC_COOKIE", "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2");

/// What Terraform said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// The one certificate (PEM) whose holder may call us.
    pub client_certificate: String,
    /// Where sockets go, when Terraform cares.
    pub socket_directory: Option<PathBuf>,
}

/// Why no plugin can be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// A person started us.
    #[error(
        "This is a Terraform provider: `terraform` and `tofu` start it by themselves. To make it \
            installable, run `terraform-provider-moorline install --mirror DIR`."
    )]
    NotAPlugin,
    /// Terraform speaks another protocol.
    #[error(
        "this provider speaks plugin protocol {}, and was asked for {asked}: use Terraform 1.9 or \
            later, or OpenTofu",
        protocol::VERSION
    )]
    Protocol {
        /// What was asked for.
        asked: String,
    },
    /// There is no certificate to hold the caller to.
    #[error("PLUGIN_CLIENT_CERT is not set: this provider is only called over mutual TLS")]
    NoClientCertificate,
}

/// Reads the handshake out of an environment.
///
/// # Errors
/// [`HandshakeError`].
pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Handshake, HandshakeError> {
    if variable(COOKIE.0).as_deref() != Some(COOKIE.1) {
        return Err(HandshakeError::NotAPlugin);
    }
    let asked = variable("PLUGIN_PROTOCOL_VERSIONS").unwrap_or_default();
    if !asked.split(',').any(|version| version.trim() == protocol::VERSION.to_string()) {
        return Err(HandshakeError::Protocol { asked });
    }
    let client_certificate = variable("PLUGIN_CLIENT_CERT")
        .filter(|pem| !pem.is_empty())
        .ok_or(HandshakeError::NoClientCertificate)?;
    let socket_directory =
        variable("PLUGIN_UNIX_SOCKET_DIR").filter(|path| !path.is_empty()).map(PathBuf::from);
    Ok(Handshake { client_certificate, socket_directory })
}

/// The line that says where we listen and by which certificate (DER) we are known.
#[must_use]
pub fn line(socket: &Path, certificate: &[u8]) -> String {
    let version = protocol::VERSION;
    format!("{CORE_VERSION}|{version}|unix|{}|grpc|{}", socket.display(), STANDARD_NO_PAD.encode(certificate))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str) -> Option<String> {
        match name {
            "TF_PLUGIN_MAGIC_COOKIE" => Some(COOKIE.1.to_owned()),
            "PLUGIN_PROTOCOL_VERSIONS" => Some("5,6".to_owned()),
            "PLUGIN_CLIENT_CERT" => Some("pem".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn terraform_is_recognised() {
        let expected = Handshake { client_certificate: "pem".to_owned(), socket_directory: None };
        assert_eq!(read(environment), Ok(expected));
    }

    #[test]
    fn a_person_is_told_what_this_is() {
        assert_eq!(read(|_| None), Err(HandshakeError::NotAPlugin));
    }

    #[test]
    fn another_protocol_is_refused() {
        let old = |name: &str| {
            if name == "PLUGIN_PROTOCOL_VERSIONS" { Some("5".to_owned()) } else { environment(name) }
        };
        assert_eq!(read(old), Err(HandshakeError::Protocol { asked: "5".to_owned() }));
    }

    #[test]
    fn a_caller_without_a_certificate_is_refused() {
        let bare = |name: &str| if name == "PLUGIN_CLIENT_CERT" { None } else { environment(name) };
        assert_eq!(read(bare), Err(HandshakeError::NoClientCertificate));
    }

    #[test]
    fn the_line_has_six_parts_and_unpadded_base64() {
        assert_eq!(line(Path::new("/tmp/p"), b"a"), "1|6|unix|/tmp/p|grpc|YQ");
    }
}
