//! Limits: at most so much, of what, for whom, in which window.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Duration, Usd};

/// What a limit counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// Each virtual key on its own.
    #[default]
    Key,
    /// All requests on the route (or, in a key's own limits, of the key) together.
    Route,
}

/// At most so much in a window. Exactly one of `requests`, `tokens` and `budget` is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Whose use is counted. Default: `key`.
    #[serde(default)]
    pub per: Per,
    /// Requests in a window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
    /// Tokens, in and out together, in a window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// USD in a window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Usd>,
    /// The window's length; windows begin at multiples of it since the epoch.
    pub window: Duration,
}
