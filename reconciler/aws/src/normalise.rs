//! Brings declared and live to one form. Pure: what counts as equal is decided here and nowhere else.
//!
//! A file for each type, and in each both sides next to one another: `declared` reads the state, `live` the SDK.

pub(crate) mod action;
pub(crate) mod condition;
mod custom_key;
pub(crate) mod listener_rule;
mod rule_json;
pub(crate) mod service;
pub(crate) mod statement;
pub(crate) mod task_definition;
pub(crate) mod web_acl;

/// What stands where AWS, or the state, says something that is newer than this program.
pub(crate) const UNKNOWN: &str = "(unknown)";

/// A path segment that is keyed by a name, as Terraform writes map keys: `rule["per-ip"]`.
pub(crate) fn keyed(path: &str, key: &str) -> String {
    format!("{path}[{}]", serde_json::Value::String(key.to_owned()))
}
