//! What the web needs of the daemon and cannot read from the record. The daemon implements these.

use std::collections::BTreeMap;

use jiff::Timestamp;
use moorline_api::views::GateStatus;
use moorline_model::EnvironmentName;
use moorline_model::environment::EnvironmentState;

use crate::access::TokenHash;
use crate::exposition::Exposition;

/// Wakes cycles: something may have changed, and the cycle finds out what.
pub trait Wake: Send + Sync {
    /// Wakes one environment, or with `None` all and the source.
    fn wake(&self, environment: Option<&EnvironmentName>);
}

/// Explains why a change is not applied.
pub trait Gates: Send + Sync {
    /// What the environment waits for. `None`: no cycle has looked yet.
    fn why(&self, state: &EnvironmentState, now: Timestamp) -> Option<Explanation>;

    /// While no environment is known: what the daemon waits for, in a sentence or as the mistakes of the declaration.
    fn waits_for(&self) -> Option<String> {
        None
    }
}

/// What an environment waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Who must do what; or that nothing waits.
    pub sentence: String,
    /// Every gate, the closed ones first.
    pub gates: Vec<GateStatus>,
}

/// Adds the daemon's own figures to `/metrics`.
pub trait MetricsSource: Send + Sync {
    /// Writes whole families, none of which the web writes itself. `known` are the declared environments; there are no
    /// samples of others.
    fn write(&self, exposition: &mut Exposition, known: &[&EnvironmentName]);
}

/// Who delivers an environment's gateway document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Files of the watched repository.
    Git,
    /// `terraform apply`, through the document endpoint.
    Terraform,
}

/// What an environment's declaration says of its document.
#[derive(Debug, Clone)]
pub struct DeclaredDocument {
    /// Who delivers it.
    pub delivery: Delivery,
    /// Of the token that may write this document and nothing else.
    pub token: Option<TokenHash>,
    /// The address that serves requests under the document, when known.
    pub endpoint: Option<String>,
}

/// The declared environments.
pub type Documents = BTreeMap<EnvironmentName, DeclaredDocument>;
