//! Which messages go to which channel. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ChannelName;
use crate::EnvironmentName;
use crate::drift::{Lane, Severity};
use crate::notification::Notification;

/// A route: what it says of a message must all hold, and then the message goes to the channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The channel.
    pub to: ChannelName,
    /// Names of environments, or beginnings of names (`prod*`): messages about one of them. Absent: about any.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub environments: Option<Vec<EnvironmentPattern>>,
    /// Messages about drift in one of these lanes, or about a check of one. What is about no lane (a rollout, an approval, the
    /// repository) goes by routes without `lanes`. Absent: about anything.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub lanes: Option<Vec<Lane>>,
    /// Messages at least as severe. Absent: all. An incident that was reported on a channel is reported there to its end.
    #[serde(default)]
    pub severity: Severity,
}

impl Route {
    /// Whether a message goes this way.
    #[must_use]
    pub fn takes(&self, message: &Notification) -> bool {
        let mut concerned = std::iter::once(&message.environment).chain(&message.concerns);
        let is_about = |patterns: &Vec<EnvironmentPattern>| {
            concerned.any(|name| patterns.iter().any(|pattern| pattern.matches(name)))
        };
        let is_in = |lanes: &Vec<Lane>| message.lane.is_some_and(|lane| lanes.contains(&lane));
        self.environments.as_ref().is_none_or(is_about)
            && self.lanes.as_ref().is_none_or(is_in)
            && message.severity >= self.severity
    }
}

/// An environment's name, or the beginning of names with `*` at its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EnvironmentPattern(String);

/// Says why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no environment's name and no beginning of one: expected `prod` or `prod*`")]
pub struct InvalidPattern(String);

impl EnvironmentPattern {
    /// Whether it means this environment.
    #[must_use]
    pub fn matches(&self, name: &EnvironmentName) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => name.as_str().starts_with(beginning),
            None => name.as_str() == self.0,
        }
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EnvironmentPattern {
    type Error = InvalidPattern;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let beginning = text.strip_suffix('*').unwrap_or(&text);
        let is_fine = text == "*" || beginning.parse::<EnvironmentName>().is_ok();
        if is_fine { Ok(Self(text)) } else { Err(InvalidPattern(text.chars().take(128).collect())) }
    }
}

impl From<EnvironmentPattern> for String {
    fn from(pattern: EnvironmentPattern) -> Self {
        pattern.0
    }
}

impl JsonSchema for EnvironmentPattern {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "EnvironmentPattern".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "An environment's name, or the beginning of names with `*` at its end.",
            "pattern": r"^([A-Za-z0-9][-A-Za-z0-9_.:/@]*\*?|\*)$",
            "maxLength": moorline_config::name::NAME_LENGTH_MAX + 1,
            "examples": ["prod", "prod*"],
        })
    }
}
