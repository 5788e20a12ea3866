//! What a strategy is, and its name as it is declared.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use moorline_config::schema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value, json};

use super::{RolloutPlan, RolloutStep, STRATEGIES};

/// Named by earlier releases, and served by none: refused with a sentence of its own.
const NOT_SERVED: &[&str] = &["blue_green"];

/// A mistake: its path below `rollout`, and what is wrong.
pub(super) type Found = (String, String);

pub(super) struct Strategy {
    /// As it is declared.
    pub(super) name: &'static str,
    /// What it does, for the schema.
    pub(super) meaning: &'static str,
    /// The settings beside `strategy` that it needs. It takes no others.
    pub(super) settings: &'static [&'static str],
    /// What is wrong with their values.
    pub(super) check: fn(&RolloutPlan) -> Vec<Found>,
    /// The steps that it comes to; none: the document gets all requests at once.
    pub(super) lower: fn(&RolloutPlan) -> Vec<RolloutStep>,
}

/// The manner of a rollout.
#[derive(Clone, Copy)]
pub struct RolloutStrategy(&'static Strategy);

impl RolloutStrategy {
    /// As it is declared.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0.name
    }

    pub(super) const fn strategy(self) -> &'static Strategy {
        self.0
    }
}

impl Default for RolloutStrategy {
    fn default() -> Self {
        Self(STRATEGIES[0])
    }
}

impl PartialEq for RolloutStrategy {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for RolloutStrategy {}

impl fmt::Debug for RolloutStrategy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.name)
    }
}

impl Serialize for RolloutStrategy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name)
    }
}

impl<'de> Deserialize<'de> for RolloutStrategy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        static NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| STRATEGIES.iter().map(|of| of.name).collect());
        let name = String::deserialize(deserializer)?;
        if NOT_SERVED.contains(&name.as_str()) {
            let (last, others) =
                NAMES.split_last().map_or(("", String::new()), |(last, others)| (*last, others.join(", ")));
            let problem = format!("{name} is not supported by this release: expected {others} or {last}");
            return Err(de::Error::custom(problem));
        }
        let found = STRATEGIES.iter().find(|strategy| strategy.name == name);
        found.map(|strategy| Self(strategy)).ok_or_else(|| de::Error::unknown_variant(&name, &NAMES))
    }
}

impl JsonSchema for RolloutStrategy {
    fn schema_name() -> Cow<'static, str> {
        "RolloutStrategy".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let each = STRATEGIES.iter().map(
            |strategy| json!({"type": "string", "const": strategy.name, "description": strategy.meaning}),
        );
        json_schema!({"description": "The manner of a rollout.", "oneOf": each.collect::<Vec<_>>()})
    }
}

/// Adds to the schema which settings belong to which strategy.
pub(super) fn settings_of_each(schema: &mut Schema) {
    let all: Vec<&str> = STRATEGIES.iter().flat_map(|strategy| strategy.settings).copied().collect();
    let rules = STRATEGIES.iter().map(|strategy| {
        let mut given = schema::is("strategy", &json!(strategy.name));
        if *strategy == RolloutStrategy::default().0 {
            given["required"] = json!([]);
        }
        let mut then = Map::new();
        then.insert("required".to_owned(), json!(strategy.settings));
        let other = all.iter().filter(|setting| !strategy.settings.contains(setting));
        let none = other.map(|setting| ((*setting).to_owned(), json!({"enum": [[], null]})));
        let is_filled = json!({"minItems": 1, "not": {"type": "null"}});
        let filled = strategy.settings.iter().map(|setting| ((*setting).to_owned(), is_filled.clone()));
        then.insert("properties".to_owned(), Value::Object(none.chain(filled).collect()));
        json!({"if": given, "then": then})
    });
    schema.insert("allOf".to_owned(), Value::Array(rules.collect()));
}

impl PartialEq for Strategy {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}
