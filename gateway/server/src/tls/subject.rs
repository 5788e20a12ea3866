//! Who a client certificate says its holder is, in one line for people and records.

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The most characters of a subject.
const SUBJECT_MAX: usize = 256;

/// The subject of a certificate that was verified: its common name, or else its whole name, or else its serial number.
#[must_use]
pub fn subject(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let common = certificate.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
    let whole = || Some(certificate.subject().to_string()).filter(|name| !name.is_empty());
    let serial = || format!("serial {}", certificate.raw_serial_as_string());
    let name = common.map(str::to_owned).or_else(whole).unwrap_or_else(serial);
    let plain = name.chars().map(|c| if c.is_control() { ' ' } else { c });
    Some(plain.take(SUBJECT_MAX).collect())
}
