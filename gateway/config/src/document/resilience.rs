//! How a model's requests find a target that answers: which requests a target serves, who stays where, and when a
//! target is left alone.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::decode::{TextOrMap, text_or_map};
use crate::schema::zero;
use crate::{Duration, KeyName, ModelName, Percent};

/// Which requests a target serves. All that is given must hold. What is compared is data of the caller's or of its
/// key's; it never becomes a part of an address.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// Headers of the request, each with exactly this value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub header: BTreeMap<String, String>,
    /// Virtual keys, one of which the request carries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<KeyName>,
    /// What is known of whoever holds the key, each with exactly this value. What a request's body says of itself under
    /// `metadata` is not looked at: anybody can say that.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// Keeps a caller at one target for as long as that target answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sticky {
    /// What tells callers apart. A request without it goes by the model's strategy.
    pub by: StickyBy,
}

/// What tells callers apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum StickyBy {
    /// `key`: the virtual key.
    Key(ByKey),
    /// The value of a header.
    Header(StickyHeader),
}

/// The word `key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ByKey {
    /// The virtual key.
    Key,
}

/// A header whose value tells callers apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StickyHeader {
    /// Its name.
    pub header: String,
}

impl<'de> Deserialize<'de> for StickyBy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match text_or_map(deserializer, "`key`, or a map of `header`")? {
            TextOrMap::Text(word) => Self::Key(word),
            TextOrMap::Map(header) => Self::Header(header),
        })
    }
}

/// When a target that keeps failing is left alone. Counted are answers of 500 and more, connections that fail or break
/// off, clocks that run out, errors in place of an answer, and streams that end before their end. Not counted are
/// requests at fault themselves, too long ones among them, and callers that leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Breaker {
    /// Failures in a row after which a target is not asked any more; in the window as many, if they are at least half
    /// of its requests. Default: 5.
    #[schemars(range(min = 1, max = 10_000))]
    pub failures: u32,
    /// The window. Default: 30s.
    #[schemars(extend("not" = zero()))]
    pub window: Duration,
    /// How long it is not asked. Then one request is let through, and its answer decides. Default: 15s.
    #[schemars(extend("not" = zero()))]
    pub cooldown: Duration,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { failures: 5, window: Duration::from_seconds(30), cooldown: Duration::from_seconds(15) }
    }
}

/// Asks the next target beside one that keeps its caller waiting. The first answer that can be served wins, and the
/// others are cancelled at once. A provider may charge for what it had done by then; that is not in our accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hedge {
    /// How long a target may keep silent: no head of an answer, and of a stream no first content.
    #[schemars(extend("not" = zero()))]
    pub after: Duration,
    /// Targets that one request asks beside the first, each after one more `after`. Default: 1.
    #[serde(default = "Hedge::default_max")]
    #[schemars(range(min = 1, max = 3))]
    pub max: u32,
}

impl Hedge {
    const fn default_max() -> u32 {
        1
    }
}

/// Sends a copy of some requests to another model. Its answers are read, counted apart and thrown away: no caller sees
/// or waits for them, and no limit counts them. They cost what they cost at the provider, and the prompts go there,
/// whatever models their callers may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Shadow {
    /// The model that is sent the copies.
    pub model: ModelName,
    /// Which share of the requests is copied, such as `5%`.
    #[schemars(extend("not" = zero()))]
    pub share: Percent,
    /// Copies under way at once, in each replica; those beyond are not sent. Default: 16.
    #[serde(default = "Shadow::default_max_in_flight")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_in_flight: u32,
}

impl Shadow {
    const fn default_max_in_flight() -> u32 {
        16
    }
}
