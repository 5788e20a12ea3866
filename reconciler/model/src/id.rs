//! Identifiers that cannot be confused with each other.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

moorline_config::name_type! {
    /// An environment's name, as declared (`prod`).
    EnvironmentName
}

/// One rollout. A UUIDv7: sorts by the time it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct RolloutId(Uuid);

impl RolloutId {
    /// Wraps an id that the caller made; making one reads the clock, which this crate does not.
    #[must_use]
    pub const fn new(id: Uuid) -> Self {
        Self(id)
    }
}

impl fmt::Display for RolloutId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for RolloutId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// What messages about one and the same trouble share: one Slack thread, one mail thread. Trouble that comes again has
/// another key. For drift `drift/ENV/gateway@MS` or `drift/ENV/FINGERPRINT@MS`, for a check that fails `check/ENV/AXIS@MS`,
/// each with when people were first notified; for a rollout `rollout/ENV/ID`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncidentKey(pub String);

impl fmt::Display for IncidentKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
