//! What a gateway attests: which documents it serves, since when, from where.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use moorline_config::{Change, Digest, Mistake, Percent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The number of a document on one gateway: grows by one with each document taken, also across restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl fmt::Display for Generation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Who owns a gateway's document. A write from another origin is refused with 409 unless it takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The reconciler, from a Git commit.
    Git,
    /// `terraform apply`.
    Terraform,
    /// The file named by `--config`.
    File,
    /// A person: break-glass, recorded with actor and reason, and reported as drift.
    Manual,
}

impl Origin {
    /// The origin as written in headers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Git => "git",
            Self::Terraform => "terraform",
            Self::File => "file",
            Self::Manual => "manual",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl std::str::FromStr for Origin {
    type Err = UnknownOrigin;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Git, Self::Terraform, Self::File, Self::Manual]
            .into_iter()
            .find(|origin| origin.as_str() == text)
            .ok_or(UnknownOrigin)
    }
}

/// Says that a text names no origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected git, terraform, file or manual")]
pub struct UnknownOrigin;

/// The share of requests that the candidate gets.
pub type Weight = Percent;

/// One document being served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attestation {
    /// The document's identity.
    pub digest: Digest,
    /// The commit it came from, when the writer said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Its number on this gateway.
    pub generation: Generation,
    /// When it began to serve.
    pub since: Timestamp,
    /// Who wrote it.
    pub origin: Origin,
    /// For a manual write: who, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// For a manual write: the reason given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The candidate beside the stable document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    /// The document.
    #[serde(flatten)]
    pub attestation: Attestation,
    /// Its share of requests.
    pub weight: Weight,
}

/// A document that was refused; the last good one keeps serving.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rejected {
    /// When.
    pub at: Timestamp,
    /// Who wrote it.
    pub origin: Origin,
    /// Its digest, when it could be read far enough to have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// What was wrong.
    pub mistakes: Vec<Mistake>,
}

/// A place that the document is read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    /// The file, object or address.
    pub place: String,
    /// When it was last read well. Absent: not since the start, and what serves is what was kept on disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<Timestamp>,
    /// Why it could not be read the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A secret whose value could not be looked up again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StaleSecret {
    /// The reference, as declared.
    pub reference: String,
    /// When the value in use was looked up.
    pub since: Timestamp,
    /// Why it could not be since.
    pub problem: String,
}

/// `GET /admin/v1/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// This process's own id, new at each start.
    pub instance: String,
    /// Release of the gateway.
    pub version: String,
    /// When the process started.
    pub started: Timestamp,
    /// Where callers reach this process, when known. A gateway says so also before anything was declared, so that a
    /// first document can be probed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// What serves. Absent: nothing was declared yet, and every request is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable: Option<Attestation>,
    /// What is tried beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<Candidate>,
    /// The latest refused documents, newest first, at most 8. Emptied by the next document taken.
    #[serde(default)]
    pub rejected: Vec<Rejected>,
    /// Declared fields that only a restart makes real.
    #[serde(default)]
    pub restart_required: Vec<String>,
    /// Secrets that could not be looked up again; the values had last serve on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stale_secrets: Vec<StaleSecret>,
    /// The places of `--config`, and how they were found the last time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// Whether the process has stopped taking new connections.
    #[serde(default)]
    pub draining: bool,
    /// What callers asked of the stable document lately, when `recent_seconds` asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recent: Option<Recent>,
}

/// What callers asked lately, and what of that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Recent {
    /// Requests that the cache did not answer.
    pub asked: u64,
    /// Those that failed through the document or an upstream ([`crate::ErrorKind::is_fault`]).
    pub faults: u64,
}

/// `GET` of a document endpoint. `PUT` takes the `document` alone, so what is read can be written back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EffectiveConfig {
    /// The document's identity; also the ETag.
    pub digest: Digest,
    /// The document as declared, references unresolved.
    pub document: Value,
    /// Where and since when it serves. Absent from the daemon's endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attestation: Option<Attestation>,
    /// For each reference in the document: the fingerprint of its value here, or null when it has none.
    #[serde(default)]
    pub fingerprints: BTreeMap<String, Option<String>>,
    /// The address that serves requests under this document, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}

/// A gateway document as it is sent; `moorline schema gateway` prints what may be in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(rename = "GatewayDocument")]
pub struct Document(#[schemars(with = "serde_json::Map<String, Value>")] pub Value);

/// `POST /admin/v1/config/validate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Validation {
    /// Whether the document would be taken.
    pub valid: bool,
    /// Its identity, when valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Every mistake.
    pub mistakes: Vec<Mistake>,
}

/// Names a change touches.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Touched {
    /// Paths of routes.
    pub routes: Vec<String>,
    /// Models.
    pub models: Vec<String>,
    /// Providers.
    pub providers: Vec<String>,
    /// Virtual keys.
    pub keys: Vec<String>,
}

/// `POST /admin/v1/config/plan`: the difference from what serves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigPlan {
    /// Identity of what serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Digest>,
    /// Identity of the posted document.
    pub after: Digest,
    /// Field by field.
    pub changes: Vec<Change>,
    /// What the changes touch.
    pub touched: Touched,
}

/// Answer to `PUT /admin/v1/candidate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CandidateStaged {
    /// The candidate as it now stands.
    #[serde(flatten)]
    pub candidate: Candidate,
    /// Pins a request to the candidate: `x-moorline-probe: KEY`. Lives as long as the candidate.
    pub probe_key: String,
}

/// One event of `GET /admin/v1/events`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A document began to serve, as stable or candidate, or a candidate went.
    ConfigChanged {
        /// Stable's number now.
        stable: Option<Generation>,
        /// Candidate's number now.
        candidate: Option<Generation>,
    },
    /// A document was refused.
    ConfigRejected {
        /// Who wrote it.
        origin: Origin,
        /// How many mistakes it had.
        mistakes: usize,
    },
    /// A target's breaker opened.
    BreakerOpened {
        /// The provider.
        provider: String,
        /// The model at the provider.
        model: String,
    },
    /// A target's breaker closed again.
    BreakerClosed {
        /// The provider.
        provider: String,
        /// The model at the provider.
        model: String,
    },
}
