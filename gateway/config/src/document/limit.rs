//! Limits: at most so much, of what, for whom, in which window.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::decode::{TextOrMap, text_or_map};
use crate::schema::{given, zero};
use crate::{Duration, Usd};

/// What a limit counts for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Per {
    /// Each of something that the gateway knows of itself.
    Each(Each),
    /// Each value of a header that callers send.
    Header(ByHeader),
}

impl Default for Per {
    fn default() -> Self {
        Self::Each(Each::default())
    }
}

impl<'de> Deserialize<'de> for Per {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "`key`, `route`, `model`, `team`, `ip`, or a map of `header`";
        Ok(match text_or_map(deserializer, expected)? {
            TextOrMap::Text(each) => Self::Each(each),
            TextOrMap::Map(header) => Self::Header(header),
        })
    }
}

/// What the gateway knows of a request by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Each {
    /// Each virtual key on its own.
    #[default]
    Key,
    /// All requests on the route (or, in a key's own limits, of the key) together.
    Route,
    /// Each model that is asked for on its own.
    Model,
    /// Each team on its own: all keys with the same `team`. Keys without one are counted together. In a key's own
    /// limits: the key's team, over all routes and all of its keys that declare the same limit.
    Team,
    /// Each address that connections come from on its own; an IPv6 address counts by its first 64 bits. It is the peer
    /// of the connection: behind a load balancer, the load balancer.
    Ip,
}

/// Each value of a header on its own. Requests without the header are counted together, and so are those with a new
/// value when too many values are counted already: a caller cannot escape a limit by inventing values for long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ByHeader {
    /// The header's name.
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]{1,64}$"))]
    pub header: String,
}

/// How a window moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// Windows begin at multiples of their length since the epoch, each with the whole allowance.
    #[default]
    Fixed,
    /// The window ends now and moves with the time, in steps of a sixteenth of its length: no stretch of that length
    /// ever holds more than the limit, and what was used is forgotten at most a sixteenth of it late.
    Sliding,
}

/// At most so much. Exactly one of `requests`, `tokens`, `budget` and `concurrency` is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = ["requests", "tokens", "budget", "concurrency"].map(given), "if" = given("concurrency"),
    "then" = {"not": {"anyOf": [given("window"), given("algorithm")]}}, "else" = given("window")))]
pub struct Limit {
    /// Whose use is counted. Default: `key`.
    #[serde(default)]
    pub per: Per,
    /// Requests in a window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_u64))]
    pub requests: Option<u64>,
    /// Tokens, in and out together, in a window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_u64))]
    pub tokens: Option<u64>,
    /// USD in a window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("not" = {"const": 0}))]
    pub budget: Option<Usd>,
    /// Requests at the same time, each until the last byte of its answer. It has no window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_u64))]
    pub concurrency: Option<u64>,
    /// The window's length. Needed, but for `concurrency`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("not" = zero()))]
    pub window: Option<Duration>,
    /// How the window moves. Default: `fixed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
}
