//! Drift: live differs from declared.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::EnvironmentName;

/// Which comparison found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// A Terraform plan.
    Terraform,
    /// A read of live AWS.
    Aws,
    /// What gateway replicas attest.
    Gateway,
}

impl Lane {
    /// The lane as written in JSON and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Terraform => "terraform",
            Self::Aws => "aws",
            Self::Gateway => "gateway",
        }
    }
}

/// What kind of difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DriftKind {
    /// A value differs.
    Changed,
    /// Declared, but not there.
    Missing,
    /// There, but not declared.
    Unmanaged,
    /// Git is ahead of what was applied.
    Undeployed,
    /// A field that another controller owns left its declared bounds.
    OutOfBand,
    /// It could not be read, so nothing is known.
    Unverifiable,
}

/// How much it matters.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// For information.
    #[default]
    Info,
    /// Look at it in working hours.
    Warning,
    /// It changes what is served or how safe it is.
    Critical,
}

/// What a finding is about, whatever its values are: the same trouble found again has the same fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Sixteen hex digits over lane, address and path.
    #[must_use]
    pub fn of(lane: Lane, address: &str, path: &str) -> Self {
        let hash = Sha256::new()
            .chain_update(lane.as_str())
            .chain_update([0])
            .chain_update(address)
            .chain_update([0])
            .chain_update(path)
            .finalize();
        Self(hex::encode(&hash[..8]))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One difference as one cycle saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Which comparison found it.
    pub lane: Lane,
    /// Of what: a Terraform address, or a replica's admin URL.
    pub address: String,
    /// Which field; empty for the whole thing.
    #[serde(default)]
    pub path: String,
    /// What kind of difference.
    pub kind: DriftKind,
    /// How much it matters.
    pub severity: Severity,
    /// The declared value as short text, redacted. Absent when nothing is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<String>,
    /// The live value as short text, redacted. Absent when nothing is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<String>,
    /// Who, why or what else is known: a manual write's actor and reason, an error that kept us from reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Finding {
    /// The finding's identity.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.lane, &self.address, &self.path)
    }
}

/// The command that gives the declared state of an address back, as one types it into a shell.
#[must_use]
pub fn heal_command(environment: &EnvironmentName, address: &str) -> String {
    format!("moorline heal {environment} --only {}", shell_word(address))
}

/// A text as one word of a shell.
fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// How far a finding has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DriftState {
    /// Seen once; a second read decides.
    Suspected,
    /// Seen twice: it alerts, and is healed where declared.
    Open,
    /// Matches an ignore rule: shown, counted, silent.
    Ignored,
}

impl DriftState {
    /// The state as written in JSON and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Suspected => "suspected",
            Self::Open => "open",
            Self::Ignored => "ignored",
        }
    }
}

/// A finding with its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Drift {
    /// The finding as last seen.
    #[serde(flatten)]
    pub finding: Finding,
    /// Its identity.
    pub fingerprint: Fingerprint,
    /// How far it has come.
    pub state: DriftState,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it was last seen.
    pub last_seen: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_word_of_a_shell() {
        for (address, word) in [
            ("aws_lb.main", "aws_lb.main"),
            ("http://10.0.1.10:8788", "http://10.0.1.10:8788"),
            ("aws_lb.main[\"a b\"]", "'aws_lb.main[\"a b\"]'"),
            ("a'; rm -rf /", "'a'\\''; rm -rf /'"),
            ("$(id)", "'$(id)'"),
            ("", "''"),
        ] {
            assert_eq!(shell_word(address), word);
        }
    }
}
