//! How connections fail, in one vocabulary for everything of ours that connects.
//!
//! In: an error of whatever connected, with its causes. Out: a [`ConnectionFault`], which ends a sentence that begins
//! with whom was to be reached ("http://10.0.1.10:8788 refuses connections") and knows the next step.

use std::error::Error;
use std::fmt;
use std::io;

use moorline_config::chain;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a connection failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionFault {
    /// Nobody listens there.
    Refused,
    /// The host's name has no address.
    NameNotFound,
    /// Nothing came back in time.
    TimedOut,
    /// No way leads there.
    Unreachable,
    /// Its certificate is none that we trust.
    Certificate,
    /// It speaks no TLS, or none that we do.
    Tls,
    /// It closed before it had said all.
    BrokeOff,
    /// It speaks something else than HTTP.
    NotHttp,
    /// Anything else, and what a newer release may tell apart.
    #[serde(other)]
    Other,
}

impl ConnectionFault {
    /// Tells by an error and its causes.
    #[must_use]
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        chain::links(error).find_map(told_by).unwrap_or(Self::Other)
    }

    /// What people who run the service do about it.
    #[must_use]
    pub const fn next_step(self) -> &'static str {
        match self {
            Self::Refused => "start it there, or correct its address",
            Self::NameNotFound => "correct the host in its address, or the DNS of this machine",
            Self::TimedOut => "see that it runs, and that no firewall stands between",
            Self::Unreachable => "see to the routes and firewalls between",
            Self::Certificate => "give it a certificate for that name, from a root that this machine trusts",
            Self::Tls => "write http:// rather than https:// in its address, or see to its TLS",
            Self::BrokeOff => "its log says why",
            Self::NotHttp => {
                "see that its address has the right port, and whether it begins with https:// rather than http://"
            }
            Self::Other => "see that it runs, and that its address is right",
        }
    }
}

impl fmt::Display for ConnectionFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Refused => "refuses connections",
            Self::NameNotFound => "has a name that cannot be found",
            Self::TimedOut => "does not answer in time",
            Self::Unreachable => "is on a network that cannot be reached",
            Self::Certificate => "shows a certificate that is not trusted",
            Self::Tls => "does not speak TLS as it should",
            Self::BrokeOff => "breaks connections off",
            Self::NotHttp => "does not speak HTTP as it should",
            Self::Other => "cannot be reached",
        })
    }
}

/// What one error of a chain says for itself.
fn told_by(error: &(dyn Error + 'static)) -> Option<ConnectionFault> {
    if let Some(error) = error.downcast_ref::<reqwest::Error>() {
        return error.is_timeout().then_some(ConnectionFault::TimedOut);
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return told_by_http(error);
    }
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(match error {
            rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
                ConnectionFault::Certificate
            }
            _ => ConnectionFault::Tls,
        });
    }
    error.downcast_ref::<io::Error>().and_then(told_by_socket)
}

fn told_by_http(error: &hyper::Error) -> Option<ConnectionFault> {
    if error.is_parse() {
        Some(ConnectionFault::NotHttp)
    } else if error.is_incomplete_message() {
        Some(ConnectionFault::BrokeOff)
    } else if error.is_timeout() {
        Some(ConnectionFault::TimedOut)
    } else {
        None
    }
}

fn told_by_socket(error: &io::Error) -> Option<ConnectionFault> {
    // An error that wraps another shows only what is below that one as its source.
    if let Some(found) = error.get_ref().and_then(|inner| told_by(inner)) {
        return Some(found);
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Some(ConnectionFault::Refused),
        io::ErrorKind::NotFound => Some(ConnectionFault::NameNotFound),
        io::ErrorKind::TimedOut => Some(ConnectionFault::TimedOut),
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::AddrNotAvailable => Some(ConnectionFault::Unreachable),
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => Some(ConnectionFault::BrokeOff),
        // The system's resolver has no kind of its own.
        _ if error.to_string().starts_with("failed to lookup address") => Some(ConnectionFault::NameNotFound),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
