//! Why a request did not end well, for whoever holds the admin token: callers are never told of providers and
//! addresses.
//!
//! A request asks for it with the header `x-moorline-probe`, whatever its value, and is found by its `x-request-id`
//! (`GET /admin/v1/failures?request=ID`) among the last that did. No word of an upstream's stands in it, and no secret:
//! credentials are told by their references.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ConnectionFault, ErrorKind};

/// Why a request did not end well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// The request's id.
    pub request: String,
    /// The status its caller got.
    pub status: u16,
    /// How it was counted.
    pub kind: ErrorKind,
    /// What its caller was told. Absent: an upstream's own words, which are not repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What became of each target, in the order they were tried.
    #[serde(default)]
    pub targets: Vec<TargetFailure>,
}

/// Why a target did not serve a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TargetFailure {
    /// The provider's name in the document.
    pub provider: String,
    /// The model's name there.
    pub model: String,
    /// Where the provider is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The references of its credential, as declared. Only where the credential is what fails.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credential: Vec<String>,
    /// What is wrong.
    pub fault: Fault,
    /// It was not asked this time, for how it failed before.
    #[serde(default)]
    pub left_alone: bool,
}

/// What is wrong with a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// It cannot be reached.
    Connection {
        /// How that failed.
        how: ConnectionFault,
    },
    /// One of the request's clocks ran out.
    TooSlow,
    /// It refuses the gateway's credential.
    CredentialRefused {
        /// Its status, when this request was told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
    },
    /// The gateway has no credential for it.
    NoCredential,
    /// It answered, with a status that is no success.
    Answered {
        /// Its status.
        status: u16,
    },
    /// It points elsewhere, where nobody follows.
    Redirected,
    /// Its answer is none that its protocol knows.
    Unreadable,
    /// It cannot be asked such a thing.
    Unsupported,
    /// What a newer release may tell apart.
    #[serde(other)]
    Other,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection { how } => how.fmt(formatter),
            Self::TooSlow => formatter.write_str("is too slow"),
            Self::CredentialRefused { status: Some(status) } => {
                write!(formatter, "refuses the gateway's credential ({status})")
            }
            Self::CredentialRefused { status: None } => {
                formatter.write_str("refuses the gateway's credential")
            }
            Self::NoCredential => formatter.write_str("has no credential that the gateway could use"),
            Self::Answered { status } => write!(formatter, "answers {status}"),
            Self::Redirected => formatter.write_str("points elsewhere, which is never followed"),
            Self::Unreadable => formatter.write_str("gives answers that cannot be read"),
            Self::Unsupported => formatter.write_str("cannot be asked such a thing"),
            Self::Other => formatter.write_str("fails"),
        }
    }
}

impl fmt::Display for TargetFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { provider, model, address, credential, fault, left_alone } = self;
        write!(formatter, "provider {provider} {fault}")?;
        if *left_alone {
            formatter.write_str(" and is left alone for now")?;
        }
        match address {
            Some(address) => write!(formatter, " (target {model} at {address})")?,
            None => write!(formatter, " (target {model})")?,
        }
        if credential.is_empty() {
            return Ok(());
        }
        write!(formatter, ": give the gateway a good one at {}", credential.join(", "))
    }
}

/// The targets' faults, or what the caller was told.
impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.targets.is_empty() {
            return match &self.message {
                Some(message) => write!(formatter, "the gateway says: {message}"),
                None => write!(formatter, "it ended as {}", self.kind.as_str()),
            };
        }
        for (number, target) in self.targets.iter().enumerate() {
            if number > 0 {
                formatter.write_str("; ")?;
            }
            target.fmt(formatter)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(fault: Fault) -> TargetFailure {
        TargetFailure {
            provider: "mock".to_owned(),
            model: "gpt-4o-mini".to_owned(),
            address: Some("http://127.0.0.1:1/v1".to_owned()),
            credential: Vec::new(),
            fault,
            left_alone: false,
        }
    }

    #[test]
    fn a_failure_is_a_sentence_of_provider_fault_and_place() {
        let refused = target(Fault::Connection { how: ConnectionFault::Refused });
        let key = TargetFailure {
            credential: vec!["env:PROVIDER_KEY".to_owned()],
            left_alone: true,
            ..target(Fault::CredentialRefused { status: Some(401) })
        };
        let failure = Failure {
            request: "probe-1".to_owned(),
            status: 502,
            kind: ErrorKind::UpstreamFailed,
            message: Some("No connection to the upstream.".to_owned()),
            targets: vec![refused, key],
        };
        assert_eq!(
            failure.to_string(),
            "provider mock refuses connections (target gpt-4o-mini at http://127.0.0.1:1/v1); \
             provider mock refuses the gateway's credential (401) and is left alone for now (target gpt-4o-mini at \
             http://127.0.0.1:1/v1): give the gateway a good one at env:PROVIDER_KEY"
        );
        let own = Failure { targets: Vec::new(), ..failure };
        assert_eq!(own.to_string(), "the gateway says: No connection to the upstream.");
    }

    #[test]
    fn what_a_newer_release_tells_apart_can_still_be_read() {
        let fault: Fault = serde_json::from_str(r#"{"kind": "asleep", "since": 3}"#).unwrap();
        assert_eq!(fault, Fault::Other);
        let fault = Fault::Connection { how: ConnectionFault::Refused };
        let text = serde_json::to_string(&fault).unwrap();
        assert_eq!(text, r#"{"kind":"connection","how":"refused"}"#);
        assert_eq!(serde_json::from_str::<Fault>(&text).unwrap(), fault);
    }
}
