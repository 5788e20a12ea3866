//! What people write in `gateway.yaml`: the shape, and nothing that needs another part of the document to judge
//! (that is [`crate::check`]). Every field's default is the safe one, and is named beside it.

mod access;
mod guardrail;
mod limit;
mod model;
mod provider;
mod references;
mod resilience;
mod route;
mod stores;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use access::{Auth, Jwt, JwtAlgorithm, JwtClaims, Key, PreviousKey};
pub use guardrail::{Guardrail, GuardrailMode, GuardrailStage, Pii, Webhook, WhenUnavailable};
pub use limit::{Algorithm, ByHeader, Each, Limit, Per};
pub use model::{Model, Price, Strategy, Target};
pub use provider::{AwsKeys, Entra, Provider, ProviderKind};
pub use resilience::{Breaker, ByKey, Hedge, Shadow, Sticky, StickyBy, StickyHeader, When};
pub use route::{Cache, LogBodies, MinStreamRate, Retry, Route, Share, Timeouts};
pub use stores::{CacheStore, InMemory, LimitStore, Redis, Stores, WhenLost};

use crate::{GatewayName, GuardrailName, ModelName, ProviderName};

/// The one version of the format there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u32", into = "u32")]
#[schemars(with = "u32", extend("const" = 1))]
pub struct Version;

impl TryFrom<u32> for Version {
    type Error = String;
    fn try_from(version: u32) -> Result<Self, Self::Error> {
        if version == 1 { Ok(Self) } else { Err(format!("version {version} is not known: expected 1")) }
    }
}

impl From<Version> for u32 {
    fn from(_: Version) -> Self {
        1
    }
}

/// A gateway document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Format version: 1.
    pub version: Version,
    /// The gateway's name.
    pub name: GatewayName,
    /// Upstream providers by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub providers: BTreeMap<ProviderName, Provider>,
    /// Models as callers name them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<ModelName, Model>,
    /// Routes; the first whose path matches serves a request. None: nothing is served.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// Virtual keys. None: every request is refused with 401.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Key>,
    /// Other ways to prove who calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// Rules about the text of requests and answers, by name. They hold where a route or a key names them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub guardrails: BTreeMap<GuardrailName, Guardrail>,
    /// Where counters live. Absent: in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stores: Option<Stores>,
    /// Region or place, for people and for cost reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub location: Option<String>,
    /// Free labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 50))]
    pub tags: BTreeMap<String, String>,
}
