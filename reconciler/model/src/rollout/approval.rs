//! A person's approval of a rollout: which rule requires it, what was shown, and what was approved.

use std::fmt;

use jiff::Timestamp;
use moorline_config::Digest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Phase, Rollout};
use crate::declaration::ApprovalRule;
use crate::plan::PlanSummary;

/// The two rules that say whether a person must approve a rollout. A commit that loosens the rule is judged by the stricter one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalRules {
    /// Of the commit that was verified last when the rollout began.
    pub in_force: ApprovalRule,
    /// Of the commit that it brings.
    pub declared: ApprovalRule,
}

impl ApprovalRules {
    /// The one that counts.
    #[must_use]
    pub fn stricter(self) -> ApprovalRule {
        self.in_force.max(self.declared)
    }

    /// Whether the commit asks for less than what is in force: that is a change by itself, and a person must approve it.
    #[must_use]
    pub fn are_loosened(self) -> bool {
        self.declared < self.in_force
    }
}

/// The digests of what waits for approval, or of what a person saw.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalSubject {
    /// SHA-256 of Terraform's plan file; absent when no plan waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_sha256: Option<String>,
    /// The document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// `plan 0123, document sha256:4567`.
impl fmt::Display for ApprovalSubject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = self.plan_sha256.as_ref().map(|plan| format!("plan {plan}"));
        let document = self.digest.map(|digest| format!("document {digest}"));
        formatter.write_str(&plan.into_iter().chain(document).collect::<Vec<_>>().join(", "))
    }
}

impl ApprovalSubject {
    /// Whether what waits is what a person saw. A plan belongs to one commit, so it stands for that commit's document too.
    #[must_use]
    pub fn is_what(&self, seen: &Self) -> bool {
        match &self.plan_sha256 {
            Some(_) => {
                self.plan_sha256 == seen.plan_sha256 && (seen.digest.is_none() || seen.digest == self.digest)
            }
            None => seen.plan_sha256.is_none() && seen.digest.is_some() && seen.digest == self.digest,
        }
    }
}

/// A person's approval of one change: a plan, a document, or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Approval {
    /// Who.
    pub actor: String,
    /// SHA-256 of the plan approved; empty when there was none.
    #[serde(default)]
    pub plan_sha256: String,
    /// Its [`PlanSummary::content`], a SHA-256 over what it changes: a plan made anew with the same content is approved too.
    #[serde(default)]
    pub content: String,
    /// The document approved. Absent: written by a version that knew only plans.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// When.
    pub at: Timestamp,
}

impl Rollout {
    /// Whether a person approved this plan, or one with the same content.
    #[must_use]
    pub fn approves(&self, plan: &PlanSummary) -> bool {
        self.approval.as_ref().is_some_and(|approval| {
            approval.plan_sha256 == plan.binding.plan_sha256 || approval.content == plan.content()
        })
    }

    /// Whether a person approved the document it brings.
    #[must_use]
    pub fn approves_document(&self) -> bool {
        let approved = self.approval.as_ref().and_then(|approval| approval.digest);
        approved.is_some() && approved == self.digest
    }

    /// What waits for a person's approval, if something does.
    #[must_use]
    pub fn waits_for_approval(&self) -> Option<ApprovalSubject> {
        let is_approved = match self.changing_plan() {
            Some(plan) => self.approves(plan),
            None => self.approves_document(),
        };
        (self.phase == Phase::AwaitingApproval && !is_approved).then(|| ApprovalSubject {
            plan_sha256: self.changing_plan().map(|plan| plan.binding.plan_sha256.clone()),
            digest: self.digest,
        })
    }
}
