//! Models as callers name them: targets, the order among them, prices.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::resilience::{Breaker, Hedge, Shadow, Sticky, When};
use crate::{ModelName, ProviderName, Usd};

/// How one of a model's targets is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// In the order written.
    #[default]
    Priority,
    /// In proportion to the weights.
    Weighted,
    /// Lowest declared price for the request's shape first; targets without a price last.
    Cheapest,
    /// Lowest time to first token first for streams, lowest latency first otherwise, as measured by each replica.
    Fastest,
    /// Fewest requests under way for the weight first, as counted by each replica.
    LeastBusy,
}

/// A model as callers name it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// How a target is chosen. Default: `priority`.
    #[serde(default)]
    pub strategy: Strategy,
    /// Where requests go; at least one.
    #[schemars(length(min = 1))]
    pub targets: Vec<Target>,
    /// Other models to try, in order, when every target failed before the first byte.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallback: Vec<ModelName>,
    /// Price for targets that carry none. Absent: requests cost nothing that we can account for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Keeps a caller at one target, whatever the strategy. Absent: the strategy decides for each request anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<Sticky>,
    /// When a target that keeps failing is left alone. Absent: [`Breaker::default`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Breaker>,
    /// Asks the model's next target beside one that keeps its caller waiting. Absent: targets are asked one after the
    /// other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hedge: Option<Hedge>,
    /// Sends a copy of some requests to another model. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Shadow>,
    /// Tokens that targets can hold, prompt and answer together, for those that say nothing of their own. A request
    /// that a target finds too long goes on to targets that hold more, and to no others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub context_window: Option<u64>,
}

/// One upstream model of one provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The provider, as declared.
    pub provider: ProviderName,
    /// The model's name at the provider.
    pub model: ModelName,
    /// Share among the model's targets under `weighted`, `least_busy` and `sticky`. Default: 1.
    #[serde(default = "Target::default_weight")]
    pub weight: u32,
    /// This target's own price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Which requests it serves. Absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
    /// Tokens that this target can hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub context_window: Option<u64>,
}

impl Target {
    const fn default_weight() -> u32 {
        1
    }
}

/// Prices in USD per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// A million input tokens.
    pub input: Usd,
    /// A million output tokens.
    pub output: Usd,
    /// A million input tokens read from the provider's cache. Absent: as `input`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<Usd>,
}
