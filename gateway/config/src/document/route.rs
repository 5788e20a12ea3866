//! Routes: what serves the requests on a path, and under which clocks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Limit;
use crate::schema::zero;
use crate::{Duration, GuardrailName, ModelName, Moment};

/// A path of plain characters, with `*` at its end only.
const PATH: &str = r"^/[!$%&'()+,./0-9:;=@A-Z\[\]^_a-z|~-]*\*?$";

/// What serves the requests on a path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// An exact path, or a prefix that ends in `*` (`/v1/chat/*`).
    #[schemars(regex(pattern = PATH), length(max = 512))]
    pub path: String,
    /// Models that may be asked for here. Absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<ModelName>>,
    /// The model for requests that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_model: Option<ModelName>,
    /// Limits; a request must pass all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
    /// Guardrails that its requests and answers must pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guardrails: Vec<GuardrailName>,
    /// Response cache. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<Cache>,
    /// Retries before the first byte. Absent: [`Retry::default`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// The five clocks of a request. Absent: [`Timeouts::default`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<Timeouts>,
    /// The slowest that a stream may come, once it has begun. Absent: only its silence is bounded, by `timeouts.idle`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_stream_rate: Option<MinStreamRate>,
    /// Writes the words of requests and answers into the access log. Absent: they are written nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_bodies: Option<LogBodies>,
}

/// The slowest that a stream of events may come. A slower one ends as one does that breaks off. Time in which the caller
/// is too slow to take what has come does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MinStreamRate {
    /// Events that must come in every window, heartbeats not counted. Most providers send a token or a few in each.
    #[schemars(range(min = 1, max = 1000))]
    pub events: u32,
    /// The window; it slides. Default: 10s.
    #[serde(default = "MinStreamRate::default_window")]
    #[schemars(extend("not" = zero()))]
    pub window: Duration,
}

impl MinStreamRate {
    const fn default_window() -> Duration {
        Duration::from_seconds(10)
    }
}

/// Whose wish it is that words are logged, and for how long. Both are needed, so that it is not forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogBodies {
    /// Who answers for it; stands in each of the lines.
    #[schemars(length(min = 1, max = 128))]
    pub owner: String,
    /// When it ends by itself. A document whose moment has passed stays a good document.
    pub expires: Moment,
}

/// Response cache of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// How long an answer is kept.
    #[schemars(extend("not" = zero()))]
    pub ttl: Duration,
    /// Who is given an answer that another request got. Default: `key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
}

/// Who shares cached answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Share {
    /// Requests of the same key or token: no key ever sees another's answer.
    #[default]
    Key,
    /// All requests on the route that ask the same of the same model, whoever they come from. An answer of a model or
    /// target that the asking key may not use is not given to it.
    Route,
}

/// Retries, all before the first byte reaches the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Attempts at one target, the first counted. Default: 2.
    #[serde(default = "Retry::default_attempts")]
    #[schemars(range(min = 1, max = 10))]
    pub attempts: u32,
    /// Wait before the second attempt, doubled for each further one. Default: 250ms.
    #[serde(default = "Retry::default_backoff")]
    pub backoff: Duration,
}

impl Retry {
    const fn default_attempts() -> u32 {
        2
    }
    const fn default_backoff() -> Duration {
        Duration::from_milliseconds(250)
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: Self::default_attempts(), backoff: Self::default_backoff() }
    }
}

/// The clocks of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// To reach the upstream. Default: 2s.
    #[schemars(extend("not" = zero()))]
    pub connect: Duration,
    /// From the request's end to the upstream's response headers, each attempt. Default: 20s.
    #[schemars(extend("not" = zero()))]
    pub headers: Duration,
    /// From the response headers to the first byte of the body. Default: 30s.
    #[schemars(extend("not" = zero()))]
    pub first_token: Duration,
    /// Between two chunks of a stream. Default: 30s.
    #[schemars(extend("not" = zero()))]
    pub idle: Duration,
    /// The whole request, with all its attempts. Default: 5m.
    #[schemars(extend("not" = zero()))]
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_seconds(2),
            headers: Duration::from_seconds(20),
            first_token: Duration::from_seconds(30),
            idle: Duration::from_seconds(30),
            total: Duration::from_seconds(300),
        }
    }
}
