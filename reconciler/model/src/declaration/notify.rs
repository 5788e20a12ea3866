//! Where people are notified: channels by name, and the routes that say which messages each of them gets.
//!
//! A channel's settings are its kind's own. The table of kinds is in the crate that sends; [`ChannelKind`] is what
//! reading a declaration needs of one.

mod channel;
mod check;
mod route;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use channel::{Channel, ChannelKind, ChannelName, DeclaredChannel};
pub(super) use channel::{add_kinds, references};
pub(super) use check::check;
pub use route::{EnvironmentPattern, Route};

use crate::notification::Notification;

/// The names that the short form gives its two channels. They are their kinds' names too.
const SHORT_FORM: [&str; 2] = ["slack", "email"];

/// Where people are notified.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Notifications {
    /// Short for a channel of kind `slack` that is named `slack`.
    #[schemars(schema_with = "of_its_kind")]
    pub slack: Option<Value>,
    /// Short for a channel of kind `email` that is named `email`.
    #[schemars(schema_with = "of_its_kind")]
    pub email: Option<Value>,
    /// Channels by name, each with its kind and the kind's settings. Any number of a kind.
    pub channels: BTreeMap<ChannelName, Channel>,
    /// Which messages go to which channel. A channel that no route leads to gets every message; one with routes gets what at
    /// least one of them takes.
    pub routes: Vec<Route>,
}

/// What [`add_kinds`] writes the kind's schema over.
fn of_its_kind(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "default": null })
}

impl Notifications {
    /// Every channel, whether it is declared in the short form or by name.
    #[must_use]
    pub fn channels(&self) -> Vec<DeclaredChannel<'_>> {
        let short = SHORT_FORM.into_iter().zip([&self.slack, &self.email]);
        let short = short.filter_map(|(name, settings)| {
            Some(DeclaredChannel {
                name: ChannelName::of_the_short_form(name),
                kind: name,
                settings: settings.as_ref()?,
                path: format!("notifications.{name}"),
            })
        });
        let named = self.channels.iter().filter_map(|(name, channel)| {
            let (kind, settings) = channel.kind()?;
            let path = format!("notifications.channels.{name}.{kind}");
            Some(DeclaredChannel { name: name.clone(), kind, settings, path })
        });
        short.chain(named).collect()
    }

    /// The channel of that name.
    #[must_use]
    pub fn channel(&self, name: &ChannelName) -> Option<DeclaredChannel<'_>> {
        self.channels().into_iter().find(|channel| channel.name == *name)
    }

    /// The channels that a message goes to, and the other ones. An incident that was reported on one of the others is
    /// reported there to its end.
    #[must_use]
    pub fn route(&self, message: &Notification) -> (Vec<ChannelName>, Vec<ChannelName>) {
        let takes = |name: &ChannelName| {
            let mut routes = self.routes.iter().filter(|route| route.to == *name).peekable();
            routes.peek().is_none() || routes.any(|route| route.takes(message))
        };
        self.channels().into_iter().map(|channel| channel.name).partition(takes)
    }
}

#[cfg(test)]
mod tests;
