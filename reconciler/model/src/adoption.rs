//! First contact: what gateways served before Moorline applied anything.

use jiff::Timestamp;
use moorline_config::Digest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::drift::Finding;
use crate::environment::{EnvironmentState, Replica, RequestedBy};

/// What one replica served when it was first met. Its document is kept in the record, by digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Found {
    /// Its admin URL.
    pub endpoint: String,
    /// Digest of what it served.
    pub digest: Digest,
    /// Who owned it: `terraform`, `file` or `manual`.
    pub origin: String,
    /// For a manual write: who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// For a manual write: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when it served that.
    pub since: Timestamp,
    /// In what it differs from the document to be applied, redacted.
    #[serde(default)]
    pub differs: Vec<Finding>,
    /// Who allowed it to be replaced; absent while nobody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted: Option<RequestedBy>,
}

impl Found {
    /// `http://10.0.1.10:8788 serves sha256:0123… (manual by jane since …: quick fix)`.
    #[must_use]
    pub fn sentence(&self) -> String {
        let actor = self.actor.as_deref().map(|actor| format!(" by {actor}")).unwrap_or_default();
        let reason = self.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let since = self.since.strftime("%Y-%m-%dT%H:%M:%SZ");
        format!(
            "{} serves {} ({}{actor} since {since}{reason})",
            self.endpoint,
            self.digest.short(),
            self.origin
        )
    }

    /// The fields in which it differs, in short: `tags.Document and 2 more`.
    #[must_use]
    pub fn fields(&self) -> String {
        let path = |finding: &Finding| match finding.path.as_str() {
            "" => "all of it".to_owned(),
            path => path.to_owned(),
        };
        match self.differs.split_first() {
            None => "fields that are not known".to_owned(),
            Some((first, [])) => path(first),
            Some((first, others)) => format!("{} and {} more", path(first), others.len()),
        }
    }
}

impl EnvironmentState {
    /// What is left to say where a person goes back to what served before Moorline: replicas that served nothing then. A
    /// gateway cannot be emptied.
    #[must_use]
    pub fn stays_after_going_back(&self) -> Option<String> {
        let was_empty =
            |replica: &&Replica| !self.found.iter().any(|found| found.endpoint == replica.endpoint);
        let sentence = |replica: &Replica| {
            let digest = replica.digest?.short();
            Some(format!("{} served nothing before, and goes on with {digest}", replica.endpoint))
        };
        let each: Vec<_> = self.replicas.iter().filter(was_empty).filter_map(sentence).collect();
        (!each.is_empty()).then(|| each.join("; "))
    }
}
