//! Where people are told.

use moorline_config::Reference;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where people are told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Notifications {
    /// Slack.
    pub slack: Option<Slack>,
    /// Email.
    pub email: Option<Email>,
}

/// A Slack channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slack {
    /// The channel (`#ai-gateway`) or its id.
    pub channel: String,
    /// A bot token.
    pub token: Reference,
    /// Another address for Slack's Web API: a stand-in's, on loopback.
    #[serde(default)]
    pub api_url: Option<String>,
}

/// An email's sender and receivers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Email {
    /// Sender.
    pub from: String,
    /// Receivers; at least one.
    #[schemars(length(min = 1))]
    pub to: Vec<String>,
    /// An SMTP URL (`smtps://user:password@host:465`), as a reference because it holds a password.
    pub smtp: Reference,
}
