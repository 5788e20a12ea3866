//! Where counters and cached answers live.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::Reference;
use crate::decode::{TextOrMap, text_or_map};

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
    /// They are served. Limits are counted by each replica on its own: with N replicas at most N times a limit passes.
    Open,
    /// They are refused, once what the replica took of a limit before is used up.
    Closed,
}
