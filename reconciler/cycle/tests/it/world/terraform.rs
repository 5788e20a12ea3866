//! A naive Terraform: it makes the world after the tree that it is given, as often as it is told to.

use moorline_cycle::facilities::{Run, RunFailed, TerraformRunner};
use moorline_model::declaration::Terraform;
use moorline_model::drift::{DriftKind, Finding, Lane, Severity};
use moorline_model::environment::StoredDocument;
use moorline_model::plan::{Action, PlanBinding, PlanSummary, ResourceChange};
use moorline_model::{CheckFailed, CommitId, EnvironmentName};
use moorline_plan::decide::PLAN_AGE_MAX;

use super::{Around, PlanOutcome, World};

impl TerraformRunner for Around {
    async fn plan(&self, run: &Run<'_>) -> Result<PlanSummary, RunFailed> {
        let mut world = self.world();
        // The lane's own look takes no outcome that a script has in store for a rollout.
        if run.id == "scheduled" { Ok(world.look(&run.commit)) } else { world.plan(&run.commit) }
    }

    async fn apply(&self, _run: &Run<'_>, plan: &PlanBinding) -> Result<(), RunFailed> {
        self.world().apply(plan)
    }

    fn clean_up(&self, _run: &Run<'_>) {}

    fn clean_up_all(&self, _name: &EnvironmentName, _terraform: &Terraform) {
        self.world().kept_plan = None;
    }

    fn blocked(&self, _name: &EnvironmentName, _terraform: Option<&Terraform>) -> Option<String> {
        self.world().blocked.clone()
    }
}

impl World {
    fn plan(&mut self, commit: &CommitId) -> Result<PlanSummary, RunFailed> {
        let outcome = if self.plan_outcomes.is_empty() {
            let is_other = self.live_tree != self.at(commit).unwrap().tree;
            PlanOutcome::Changes(usize::from(is_other || self.drifts.is_some()))
        } else {
            self.plan_outcomes.remove(0)
        };
        let change = |address: String, action| ResourceChange {
            resource_type: address.split('.').next().unwrap_or_default().to_owned(),
            address,
            action,
            attributes: vec!["limits".to_owned()],
        };
        let changes = match outcome {
            PlanOutcome::Fails { reason, class } => {
                return Err(RunFailed::Unchanged(CheckFailed::new(class, reason)));
            }
            PlanOutcome::Replaces(address) => vec![change(address, Action::Replace)],
            PlanOutcome::Changes(count) => {
                (0..count).map(|index| change(format!("aws_lb.{index}"), Action::Update)).collect()
            }
        };
        self.plans += 1;
        let plan = self.summary(commit, changes);
        self.kept_plan = Some(plan.clone());
        Ok(plan)
    }

    /// What the lane's own plan finds.
    fn look(&self, commit: &CommitId) -> PlanSummary {
        let finding = |address: &String| Finding {
            lane: Lane::Terraform,
            address: address.clone(),
            path: "limits".to_owned(),
            kind: DriftKind::Changed,
            severity: Severity::Warning,
            declared: Some("declared".to_owned()),
            live: Some("by hand".to_owned()),
            note: None,
        };
        let findings = self.drifts.iter().map(finding).collect();
        PlanSummary { findings, ..self.summary(commit, Vec::new()) }
    }

    fn summary(&self, commit: &CommitId, changes: Vec<ResourceChange>) -> PlanSummary {
        PlanSummary {
            binding: PlanBinding {
                commit: commit.clone(),
                plan_sha256: format!("plan-{}", self.plans),
                state_serial: Some(1),
                state_lineage: None,
                made_at: self.now,
            },
            changes,
            outputs: Vec::new(),
            findings: Vec::new(),
            resource_count: 10,
        }
    }

    fn apply(&mut self, declared: &PlanBinding) -> Result<(), RunFailed> {
        let stale = |because: &str| Err(RunFailed::Unchanged(CheckFailed::stalled(because)));
        if self.kept_plan.as_ref().is_none_or(|kept| kept.binding != *declared) {
            return stale("the plan file is gone");
        }
        if self.now.duration_since(declared.made_at) > PLAN_AGE_MAX {
            return stale("it is older than ten minutes");
        }
        self.applied_plans.push(declared.plan_sha256.clone());
        if let Some(reason) = self.apply_fails.take() {
            self.live_tree = Some("half done".to_owned());
            return Err(RunFailed::Changed(reason));
        }
        let commit = self.at(&declared.commit).unwrap().clone();
        self.live_tree = commit.tree;
        self.drifts = None;
        if commit.options["gateway"]["document"].is_object() {
            let (digest, document) = (commit.document.digest(), commit.document.value().clone());
            let kept = StoredDocument { digest, document, at: self.now };
            self.kept.insert(digest, kept.clone());
            self.handed_over = Some(kept);
        }
        Ok(())
    }
}
