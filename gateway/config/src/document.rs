//! What people write in `gateway.yaml`: the shape, and nothing that needs another part of the document to judge
//! (that is [`crate::check`]). Every field's default is the safe one, and is named beside it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::decode::{TextOrMap, text_or_map};
use crate::{Duration, GatewayName, KeyName, ModelName, ProviderName, Reference, Usd};

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
    /// Where counters live. Absent: in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stores: Option<Stores>,
    /// Region or place, for people and for cost reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Free labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// What protocol a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    /// api.openai.com.
    Openai,
    /// api.anthropic.com.
    Anthropic,
    /// Azure OpenAI.
    AzureOpenai,
    /// AWS Bedrock.
    Bedrock,
    /// Google Gemini.
    Gemini,
    /// Cohere.
    Cohere,
    /// Any server that speaks the OpenAI protocol.
    OpenaiCompatible,
}

impl ProviderKind {
    /// The kind as written in a document.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Openai => "openai",
            Self::Anthropic => "anthropic",
            Self::AzureOpenai => "azure_openai",
            Self::Bedrock => "bedrock",
            Self::Gemini => "gemini",
            Self::Cohere => "cohere",
            Self::OpenaiCompatible => "openai_compatible",
        }
    }
}

/// An upstream provider. Its address comes from here and from nowhere else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// The protocol it speaks.
    pub kind: ProviderKind,
    /// Base of its URLs, up to and with the version (`http://10.0.3.7:8000/v1`). Absent: the kind's public one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// Where its key is found. Absent: requests carry no key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<Reference>,
}

/// How one of a model's targets is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// In the order written.
    #[default]
    Priority,
    /// In proportion to the weights.
    Weighted,
    /// Lowest price first.
    Cheapest,
    /// Lowest time to first token first.
    Fastest,
    /// Fewest requests under way first.
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
    pub targets: Vec<Target>,
    /// Other models to try, in order, when every target failed before the first byte.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallback: Vec<ModelName>,
    /// Price for targets that carry none. Absent: requests cost nothing that we can account for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
}

/// One upstream model of one provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The provider, as declared.
    pub provider: ProviderName,
    /// The model's name at the provider.
    pub model: ModelName,
    /// Share among the model's targets under `weighted`. Default: 1.
    #[serde(default = "Target::default_weight")]
    pub weight: u32,
    /// This target's own price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
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

/// What serves the requests on a path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// An exact path, or a prefix that ends in `*` (`/v1/chat/*`).
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
    /// Response cache. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<Cache>,
    /// Retries before the first byte. Absent: [`Retry::default`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// The five clocks of a request. Absent: [`Timeouts::default`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<Timeouts>,
}

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

/// Response cache of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// How long an answer is kept.
    pub ttl: Duration,
}

/// Retries, all before the first byte reaches the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Attempts at one target, the first counted. Default: 2.
    #[serde(default = "Retry::default_attempts")]
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
    pub connect: Duration,
    /// From the request's end to the upstream's response headers, each attempt. Default: 20s.
    pub headers: Duration,
    /// From the response headers to the first byte of the body. Default: 30s.
    pub first_token: Duration,
    /// Between two chunks of a stream. Default: 30s.
    pub idle: Duration,
    /// The whole request, with all its attempts. Default: 5m.
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

/// A virtual key. Only the SHA-256 of the key is declared, as 64 lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The key's name, in metrics and logs.
    pub name: KeyName,
    /// SHA-256 of the key.
    #[schemars(regex(pattern = r"^[0-9a-f]{64}$"))]
    pub sha256: String,
    /// Models the key may use. Absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<ModelName>>,
    /// Limits of this key, over all routes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
}

/// Ways to prove who calls, beside virtual keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// JSON Web Tokens of an identity provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<Jwt>,
}

/// Which JSON Web Tokens are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    /// The `iss` claim, exactly.
    pub issuer: String,
    /// A value the `aud` claim must hold.
    pub audience: String,
    /// Where the issuer publishes its keys.
    pub jwks_url: String,
}

/// Where counters and cached answers live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stores {
    /// Counters of limits. Absent: in memory, each replica on its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitStore>,
    /// Cached answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheStore>,
}

/// Where limit counters live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum LimitStore {
    /// `memory`: in each replica's memory.
    Memory(InMemory),
    /// Shared through Redis.
    Redis(Redis),
}

impl<'de> Deserialize<'de> for LimitStore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "`memory`, or a map of `redis` and `when_lost`";
        Ok(match text_or_map(deserializer, expected)? {
            TextOrMap::Text(word) => Self::Memory(word),
            TextOrMap::Map(redis) => Self::Redis(redis),
        })
    }
}

/// The word `memory`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InMemory {
    /// In memory.
    Memory,
}

/// Where cached answers live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, try_from = "CacheStoreFields")]
#[schemars(!try_from, deny_unknown_fields)]
pub enum CacheStore {
    /// In each replica's memory, up to a size.
    Memory {
        /// Most bytes kept.
        memory: crate::ByteSize,
    },
    /// Shared through Redis.
    Redis(Redis),
}

/// The fields of every kind of [`CacheStore`], before it is known which one is meant.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CacheStoreFields {
    memory: Option<crate::ByteSize>,
    redis: Option<Reference>,
    when_lost: Option<WhenLost>,
}

impl TryFrom<CacheStoreFields> for CacheStore {
    type Error = &'static str;
    fn try_from(fields: CacheStoreFields) -> Result<Self, Self::Error> {
        match fields {
            CacheStoreFields { memory: Some(memory), redis: None, when_lost: None } => {
                Ok(Self::Memory { memory })
            }
            CacheStoreFields { memory: None, redis: Some(redis), when_lost: Some(when_lost) } => {
                Ok(Self::Redis(Redis { redis, when_lost }))
            }
            _ => Err("expected either `memory`, or `redis` and `when_lost`"),
        }
    }
}

/// A Redis server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    /// Where its URL is found.
    pub redis: Reference,
    /// What happens to requests while it is lost.
    pub when_lost: WhenLost,
}

/// What happens to requests while a store is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenLost {
    /// They pass, uncounted.
    Open,
    /// They are refused.
    Closed,
}
