//! A rollout: data in the record, moved one step a cycle by a pure function, so that a crash loses nothing and
//! repeats nothing.

mod approval;

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use moorline_config::{Digest, Percent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::approval::{Approval, ApprovalRules, ApprovalSubject};
use crate::changes::{Changes, PlanChanges};
use crate::declaration::{Rollback, Traffic, Verify};
use crate::environment::RequestedBy;
use crate::plan::PlanSummary;
use crate::{CommitId, FailureClass, Revision, RolloutId};

/// Why there is a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RolloutKind {
    /// A merged commit.
    Deploy,
    /// A person chose to go back from `from`.
    Rollback {
        /// The commit that is left, and held.
        from: CommitId,
        /// Who requested it.
        actor: String,
        /// Why.
        reason: String,
    },
    /// A person had Terraform restore what drifted from the commit in force.
    Heal {
        /// Who requested it.
        actor: String,
        /// Why; may be empty.
        reason: String,
        /// The head when it began. If that is not in force it has failed already, so it does not supersede this heal.
        head: Option<CommitId>,
    },
}

/// What is undone when a rollout failed, in order: the document first, Terraform second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// Drop the candidate, or put the verified document back as stable.
    Document,
    /// Plan Terraform at the verified commit; go on only if nothing would be deleted or replaced.
    Plan,
    /// Apply that plan.
    Apply,
    /// Wait until every replica attests the verified document.
    Attest,
}

/// Where a rollout is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// Wanted; its gates may still be closed.
    Pending,
    /// Terraform plans.
    Planning,
    /// A person must approve the plan, or the document.
    AwaitingApproval,
    /// Terraform applies.
    Applying,
    /// The candidate is put on every replica, with no traffic, and probed.
    Staging,
    /// The candidate gets the share of this step (0 is the first).
    Shifting {
        /// Index into the steps.
        step: usize,
    },
    /// The candidate becomes stable on every replica.
    Promoting,
    /// It serves everything and is watched.
    Baking,
    /// Verified healthy.
    Succeeded,
    /// It failed and is being undone.
    RollingBack {
        /// What is being undone.
        undo: Undo,
    },
    /// Undone; its commit is held.
    RolledBack,
    /// It failed and was not undone: people are called.
    Frozen,
    /// It failed, and nothing that it changed is left. A newer commit or `moorline sync` tries again.
    Failed,
    /// A newer commit took its place.
    Superseded,
}

impl Phase {
    /// The phases that a rollout ends in.
    pub const ENDS: [Self; 5] =
        [Self::Succeeded, Self::RolledBack, Self::Frozen, Self::Failed, Self::Superseded];

    /// Whether nothing more will happen.
    #[must_use]
    pub fn is_over(&self) -> bool {
        Self::ENDS.contains(self)
    }

    /// Whether a newer commit may take its place here: while it waits or is verified, never during an apply,
    /// a promotion or an undoing.
    #[must_use]
    pub const fn may_be_superseded(&self) -> bool {
        matches!(
            self,
            Self::Pending
                | Self::Planning
                | Self::AwaitingApproval
                | Self::Staging
                | Self::Shifting { .. }
                | Self::Baking
        )
    }

    /// Whether what replicas serve, or Terraform's resources, are being changed just now.
    #[must_use]
    pub const fn is_writing(&self) -> bool {
        matches!(self, Self::Applying | Self::Promoting | Self::RollingBack { .. })
    }

    /// The phase in a word, as shown and as metric label.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Planning => "planning",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Applying => "applying",
            Self::Staging => "staging",
            Self::Shifting { .. } => "shifting",
            Self::Promoting => "promoting",
            Self::Baking => "baking",
            Self::Succeeded => "succeeded",
            Self::RollingBack { .. } => "rolling_back",
            Self::RolledBack => "rolled_back",
            Self::Frozen => "frozen",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shifting { step } => write!(formatter, "shifting, step {}", step + 1),
            Self::AwaitingApproval => formatter.write_str("awaiting approval"),
            Self::RollingBack { .. } => formatter.write_str("rolling back"),
            Self::RolledBack => formatter.write_str("rolled back"),
            other => formatter.write_str(other.as_str()),
        }
    }
}

/// What verification concluded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Healthy over the whole window, with enough requests or probes.
    Passed,
    /// Not healthy; every reason.
    Failed {
        /// One sentence each.
        reasons: Vec<String>,
    },
    /// Not known yet: too few requests, or the window is not over. Never counts as passed.
    Inconclusive {
        /// What is missing.
        because: String,
    },
    /// It could not be checked. Asked again, and failed at the [`VERIFY_ERRORS_MAX`]th in a row.
    Error {
        /// What went wrong.
        because: String,
        /// Whether asking again helps. Absent in evidence of an earlier version.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<FailureClass>,
    },
}

/// Errors in a row after which verification counts as failed.
pub const VERIFY_ERRORS_MAX: u32 = 4;

/// Requests of callers that a rollout's document answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RequestCounts {
    /// All of them.
    pub requests: u64,
    /// Those that failed through the document or an upstream.
    pub failed: u64,
}

/// A verdict on one phase, and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// The phase it is about; a verdict on another phase is worth nothing.
    pub phase: Phase,
    /// The verdict.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The numbers, by name (`candidate.requests`, `candidate.p99_ms`, `stable.error_rate`), as shown to people.
    pub facts: BTreeMap<String, String>,
    /// When it was reached.
    pub at: Timestamp,
    /// Requests of callers that the phase has seen so far. Absent where it sees none, and in evidence of an earlier version.
    #[serde(default)]
    pub callers: Option<RequestCounts>,
    /// Errors in a row, this one counted.
    #[serde(default)]
    pub errors_in_a_row: u32,
    /// Rounds in a row in which a probe was answered wrongly, this one counted.
    #[serde(default)]
    pub wrong_probes_in_a_row: u32,
}

/// What was in force before or after a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deployed {
    /// The commit.
    pub revision: Revision,
    /// The gateway document's identity.
    pub digest: Digest,
    /// Identity of its Terraform; absent when the environment has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terraform_tree: Option<String>,
    /// Since when.
    pub at: Timestamp,
}

impl Deployed {
    /// Whether nothing would change if one took the place of the other.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let same_tree = self.terraform_tree == other.terraform_tree;
        self.revision.commit == other.revision.commit || (self.digest == other.digest && same_tree)
    }
}

/// One rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rollout {
    /// Its id.
    pub id: RolloutId,
    /// Why there is one.
    pub kind: RolloutKind,
    /// The commit it brings.
    pub revision: Revision,
    /// What was verified when it began: where it goes back to.
    #[serde(default)]
    pub from: Option<Deployed>,
    /// Where it is.
    pub phase: Phase,
    /// When it began.
    pub started_at: Timestamp,
    /// When its phase began.
    pub phase_since: Timestamp,
    /// How it shifts traffic: what the strategy that its commit declares was lowered to when it began.
    #[serde(rename = "plan")]
    pub traffic: Traffic,
    /// When it counts as healthy, as declared at its commit when it began.
    pub verify: Verify,
    /// What happens when it is not, as declared at its commit when it began.
    #[serde(default)]
    pub rollback: Rollback,
    /// The rules by which a person must approve it, or need not.
    #[serde(default)]
    pub approval_rules: ApprovalRules,
    /// Identity of its Terraform at its commit. While it is unchanged, no plan is needed.
    #[serde(default)]
    pub terraform_tree: Option<String>,
    /// Who requested it now; opens the gate of `apply.auto: false`.
    #[serde(default, rename = "asked")]
    pub requested_by: Option<RequestedBy>,
    /// A person wants it undone.
    #[serde(default)]
    pub stop: Option<Stop>,
    /// Terraform's plan, once made.
    #[serde(default)]
    pub terraform: Option<PlanSummary>,
    /// What that plan changes, in words; unlike the plan it stays when the way back is planned.
    #[serde(default)]
    pub terraform_changes: Option<PlanChanges>,
    /// Whether Terraform has applied something for it, so that undoing must too.
    #[serde(default)]
    pub terraform_applied: bool,
    /// Who approved it, and what was approved.
    #[serde(default)]
    pub approval: Option<Approval>,
    /// The document it brings, once known.
    #[serde(default)]
    pub digest: Option<Digest>,
    /// What it changes in the document in force, once both are known.
    #[serde(default)]
    pub changes: Option<Changes>,
    /// Generation of that document on each replica, by admin URL.
    #[serde(default)]
    pub generations: BTreeMap<String, u64>,
    /// Whether the candidate became stable on any replica, so that undoing must put the old one back.
    #[serde(default)]
    pub promoted: bool,
    /// Requests of callers in the phases before the one in the evidence.
    #[serde(default)]
    pub callers_before: RequestCounts,
    /// The largest share of requests that it was given so far. Absent: written by a version that did not note it.
    #[serde(default)]
    pub share: Option<Percent>,
    /// What the last verification saw and concluded.
    #[serde(default)]
    pub evidence: Option<Evidence>,
    /// Why it failed, froze or was superseded.
    #[serde(default)]
    pub reason: Option<String>,
    /// Failed tries at its present phase.
    #[serde(default)]
    pub attempts: u32,
    /// After a failed try: not before this.
    #[serde(default)]
    pub retry_at: Option<Timestamp>,
    /// Whether trying again helps, of the try that failed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_failure: Option<FailureClass>,
    /// How often its plan turned out stale when it was to be applied.
    #[serde(default)]
    pub stale_plans: u32,
    /// When a person was asked to intervene, because its phase takes longer than `verify.patience`.
    #[serde(default)]
    pub person_asked_at: Option<Timestamp>,
    /// Whether people were notified of it, so that they are notified how it goes on and ends.
    #[serde(default, rename = "told")]
    pub is_announced: bool,
    /// Whether the last message asked a person for something that only this phase needs.
    #[serde(default, rename = "asks")]
    pub awaits_person: bool,
}

/// A person's request that a rollout be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stop {
    /// Who.
    pub actor: String,
    /// Why; may be empty.
    pub reason: String,
}

impl Rollout {
    /// How it ended, as the end of a sentence about its commit.
    #[must_use]
    pub fn ended(&self) -> &'static str {
        match self.phase {
            Phase::Succeeded => "is in force",
            Phase::RolledBack => "was rolled back and is held",
            Phase::Frozen => "is frozen",
            Phase::Failed if self.stop.is_some() => "was taken out",
            Phase::Failed if self.share == Some(Percent::ZERO) => "failed before it changed anything",
            // A first document that failed as a candidate: there is no other to go back to.
            Phase::Failed => "failed, and its candidate is gone",
            Phase::Superseded => "was superseded",
            _ => "is under way",
        }
    }

    /// Its plan, when it would change something.
    #[must_use]
    pub fn changing_plan(&self) -> Option<&PlanSummary> {
        self.terraform.as_ref().filter(|plan| !plan.is_empty())
    }

    /// Records evidence; whom an earlier phase reached is kept.
    pub fn record_evidence(&mut self, evidence: Evidence) {
        if let Some(before) = self.evidence.replace(evidence)
            && self.evidence.as_ref().is_some_and(|now| now.phase != before.phase)
        {
            self.keep_callers(&before);
        }
    }

    /// Adds whom a phase reached that is over.
    fn keep_callers(&mut self, over: &Evidence) {
        let callers = over.callers.unwrap_or_default();
        self.callers_before.requests = self.callers_before.requests.saturating_add(callers.requests);
        self.callers_before.failed = self.callers_before.failed.saturating_add(callers.failed);
    }

    /// Drops evidence of an earlier visit to the phase that begins.
    pub fn begin_phase(&mut self) {
        if let Some(stale) = self.evidence.take_if(|evidence| evidence.phase == self.phase) {
            self.keep_callers(&stale);
        }
    }

    /// Whether callers are affected, in one sentence.
    #[must_use]
    pub fn callers_sentence(&self) -> String {
        let is_counted = self.evidence.as_ref().is_some_and(|evidence| evidence.callers.is_some());
        let RequestCounts { requests, failed } = self.reached();
        let is_seen = self.promoted || self.share != Some(Percent::ZERO);
        match (is_seen, is_counted || requests > 0) {
            (false, _) => "Callers: 0 saw it".to_owned(),
            (true, false) => "Callers: some may have seen it; their requests were not counted".to_owned(),
            (true, true) if requests == 1 => format!("Callers: 1 request saw it, {failed} failed"),
            (true, true) => format!("Callers: {requests} requests saw it, {failed} failed"),
        }
    }

    /// Whom it reached so far.
    #[must_use]
    pub fn reached(&self) -> RequestCounts {
        let last = self.evidence.as_ref().and_then(|evidence| evidence.callers).unwrap_or_default();
        RequestCounts {
            requests: self.callers_before.requests.saturating_add(last.requests),
            failed: self.callers_before.failed.saturating_add(last.failed),
        }
    }

    /// Notes that it is given a share of requests.
    pub fn raise_share(&mut self, share: Percent) {
        self.share = Some(self.share.unwrap_or(Percent::ZERO).max(share));
    }

    /// The verdict on its present phase, if there is one.
    #[must_use]
    pub fn verdict(&self) -> Option<&Verdict> {
        let evidence = self.evidence.as_ref()?;
        (evidence.phase == self.phase).then_some(&evidence.verdict)
    }
}
