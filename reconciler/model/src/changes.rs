//! What a commit changes in an environment's gateway document, in words: kept with its rollout, and shown in the plan,
//! the console, the history and messages. How two documents are compared is the business of `moorline_plan::changes`.

use std::fmt;

use moorline_config::Digest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::masking;
use crate::plan::PlanSummary;
use crate::rollout::{ApprovalRules, Phase, Rollout, RolloutKind};

/// The sentence where neither the document nor Terraform has anything to change.
pub const NOTHING: &str = "changes nothing here";

/// The difference between the document in force and the one that a commit brings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Changes {
    /// The document that it leads to.
    pub document: Digest,
    /// All of it in one sentence, without a capital and without a full stop.
    pub sentence: String,
    /// The fields that differ, in the document's order; at most a bounded number.
    #[serde(default)]
    pub fields: Vec<FieldChange>,
    /// Further fields, which are only counted.
    #[serde(default)]
    pub more: usize,
}

/// One field that differs. Values are short and masked: no secret, no hash and no target of a reference is in them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldChange {
    /// Of what: `route /v1/chat/*`, `model gpt-4o`.
    pub subject: String,
    /// Which field: `limit`, `target azure/gpt-4o weight`. Empty for the whole thing.
    #[serde(default)]
    pub field: String,
    /// What it was. Absent: it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What it becomes. Absent: it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// What both count: `requests per key and 1h`. Empty where values speak for themselves.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
}

impl Changes {
    /// Whether the document stays as it is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.more == 0
    }

    /// The fields, a line each, at most so many; the last line then counts the others.
    #[must_use]
    pub fn lines(&self, most: usize) -> Vec<String> {
        let mut lines: Vec<_> = self.fields.iter().take(most).map(ToString::to_string).collect();
        let left = self.fields.len().saturating_sub(most) + self.more;
        if left > 0 {
            lines.push(format!("and {left} more"));
        }
        lines
    }
}

impl fmt::Display for FieldChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, field, before, after, unit } = self;
        let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
        let field = if field.is_empty() { String::new() } else { format!(" {field}") };
        match (before, after) {
            (None, None) => write!(formatter, "{subject}:{field} changes"),
            (None, Some(_)) if field.is_empty() => write!(formatter, "{subject}: new"),
            (None, Some(after)) => write!(formatter, "{subject}: new{field} {after}{unit}"),
            (Some(_), None) if field.is_empty() => write!(formatter, "{subject}: removed"),
            (Some(before), None) => write!(formatter, "{subject}: no{field} {before}{unit} any more"),
            (Some(before), Some(after)) if before == after => {
                write!(formatter, "{subject}:{field} changes {after}")
            }
            (Some(before), Some(after)) => write!(formatter, "{subject}:{field} {before} → {after}{unit}"),
        }
    }
}

/// What Terraform's plan changes, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanChanges {
    /// `2 to add, 1 to change, 0 to destroy`.
    pub headline: String,
    /// A resource or output a line; at most a bounded number.
    pub lines: Vec<String>,
    /// Further ones, which are only counted.
    #[serde(default)]
    pub more: usize,
}

/// Most lines of a plan that are kept in words.
const PLAN_LINES_MAX: usize = 40;

impl PlanChanges {
    /// Whether the plan changes nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.more == 0
    }

    /// At most so many lines; the last one then counts the others.
    #[must_use]
    pub fn lines(&self, most: usize) -> Vec<String> {
        let mut lines: Vec<_> = self.lines.iter().take(most).cloned().collect();
        let left = self.lines.len().saturating_sub(most) + self.more;
        if left > 0 {
            lines.push(format!("and {left} more that Terraform manages"));
        }
        lines
    }
}

impl From<&PlanSummary> for PlanChanges {
    fn from(plan: &PlanSummary) -> Self {
        let resources =
            plan.changes.iter().map(|change| format!("{} {}", change.action.as_str(), change.address));
        let outputs = plan.outputs.iter().map(|name| format!("change output {name}"));
        // An address names the keys of its instances, which people write.
        let mut lines: Vec<_> = resources.chain(outputs).map(|line| masking::masked(&line)).collect();
        let more = lines.len().saturating_sub(PLAN_LINES_MAX);
        lines.truncate(PLAN_LINES_MAX);
        Self { headline: plan.headline(), lines, more }
    }
}

impl Rollout {
    /// What it changes here, in one sentence: of the document, and of what Terraform manages.
    #[must_use]
    pub fn what_changes(&self) -> String {
        let document = self.changes.as_ref().filter(|changes| !changes.is_empty());
        let document = document.map(|changes| changes.sentence.clone());
        let plan = self.terraform_changes.as_ref().filter(|plan| !plan.is_empty());
        let plan = plan.map(|plan| format!("Terraform: {}", plan.headline));
        let known: Vec<_> = document.into_iter().chain(plan).chain(self.loosened_rule()).collect();
        if !known.is_empty() {
            return known.join("; ");
        }
        let may_still_plan = self.terraform_tree.is_some()
            && self.terraform_changes.is_none()
            && matches!(self.phase, Phase::Pending | Phase::Planning);
        match (&self.changes, may_still_plan) {
            // Also where the document is the same so far: an apply may hand over another.
            (_, true) => "what it changes is known once Terraform has planned".to_owned(),
            (None, false) => "what it changes is not known".to_owned(),
            (Some(_), false) => NOTHING.to_owned(),
        }
    }

    /// The same a line each, at most so many of the document's and as many of Terraform's.
    #[must_use]
    pub fn change_lines(&self, most: usize) -> Vec<String> {
        let mut lines = self.changes.as_ref().map(|changes| changes.lines(most)).unwrap_or_default();
        lines.extend(self.terraform_changes.iter().flat_map(|plan| plan.lines(most)));
        lines
    }

    /// `asks for fewer approvals: required → none`, where it does.
    fn loosened_rule(&self) -> Option<String> {
        let ApprovalRules { in_force, declared } = self.approval_rules;
        let is_looser = self.kind == RolloutKind::Deploy && self.approval_rules.are_loosened();
        is_looser.then(|| format!("asks for fewer approvals: {} → {}", in_force.as_str(), declared.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(before: Option<&str>, after: Option<&str>, unit: &str) -> FieldChange {
        FieldChange {
            subject: "route /v1".to_owned(),
            field: "limit".to_owned(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
            unit: unit.to_owned(),
        }
    }

    #[test]
    fn a_line_names_the_thing_and_both_values() {
        let lines = [
            change(Some("1000"), Some("2000"), "requests per 1h"),
            change(None, Some("5"), "requests per 1h"),
            change(Some("5"), None, ""),
            change(Some("(not shown)"), Some("(not shown)"), ""),
            FieldChange { field: String::new(), ..change(None, Some(""), "") },
        ]
        .map(|change| change.to_string());
        assert_eq!(
            lines,
            [
                "route /v1: limit 1000 → 2000 requests per 1h",
                "route /v1: new limit 5 requests per 1h",
                "route /v1: no limit 5 any more",
                "route /v1: limit changes (not shown)",
                "route /v1: new",
            ]
        );
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let digest = format!("sha256:{}", "0".repeat(64)).parse().unwrap();
        let fields = vec![change(Some("1"), Some("2"), ""); 5];
        let changes = Changes { document: digest, sentence: String::new(), fields, more: 7 };
        assert_eq!(changes.lines(2).last().unwrap(), "and 10 more");
        assert_eq!(changes.lines(2).len(), 3);
    }
}
