//! Messages to people. Only transitions make one.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::drift::{Lane, Severity};
use crate::page::Page;
use crate::{EnvironmentName, IncidentKey};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transition {
    Opened,
    /// It is another trouble than before.
    Changed,
    /// It is over.
    Resolved,
    /// A rollout is in force and was verified healthy.
    Verified,
    /// It cannot be known whether there is trouble.
    CannotCheck,
    /// A rollout moved on.
    Progressed,
    /// A rollout failed and is being undone.
    RollingBack,
    /// It was undone; its commit is held.
    RolledBack,
    /// A rollout failed, and nothing that it changed is left.
    Failed,
    /// People are needed.
    Frozen,
}

/// A message: five lines that say what, where, since when and who, what happens next by itself, what one can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// What it is about: one Slack thread, one mail thread.
    pub incident: IncidentKey,
    /// The thing in a few words, the same in all messages of an incident: the subject of a mail thread. Empty in messages of
    /// an earlier release.
    #[serde(default)]
    pub topic: String,
    pub environment: EnvironmentName,
    /// The other environments that it concerns: trouble with the repository is reported once for all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub concerns: Vec<EnvironmentName>,
    /// The lane whose drift, or whose check, it is about; absent for all else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<Lane>,
    pub transition: Transition,
    /// How much it matters.
    pub severity: Severity,
    /// One sentence: subject, what differs, since when, by whom.
    pub headline: String,
    /// Addresses and redacted names; no values that could be secret.
    #[serde(default)]
    pub details: Vec<String>,
    /// What happens next by itself.
    pub next: String,
    /// What one can do: a command.
    #[serde(default)]
    pub action: Option<String>,
    /// Where the console shows it.
    #[serde(rename = "path")]
    pub page: Page,
    /// When it happened.
    pub at: Timestamp,
}
