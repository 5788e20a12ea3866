//! Effects: what replicas and Terraform do when they are told.

use std::collections::BTreeMap;

use moorline_model::CommitId;
use moorline_model::config::{Digest, Percent};
use moorline_model::plan::{Action, PlanBinding, PlanSummary, ResourceChange};
use moorline_plan::{Acted, Decision};

use super::{Crash, PlanOutcome, Replica, World};

impl World {
    /// Carries a decision out; `None` when the daemon died over it.
    pub(super) fn act(&mut self, decision: &Decision) -> Option<Acted> {
        let has_effect = !matches!(
            decision,
            Decision::Rest { .. }
                | Decision::Begin { .. }
                | Decision::Move { .. }
                | Decision::Watch
                | Decision::Finish { .. }
        );
        if !has_effect {
            return Some(Acted::Rested);
        }
        self.journal = Some("a step".to_owned());
        match self.crash.take() {
            Some(Crash::BeforeEffect) => None,
            Some(Crash::AfterEffect) => {
                let _lost = self.effect(decision);
                None
            }
            None => Some(self.effect(decision)),
        }
    }

    fn effect(&mut self, decision: &Decision) -> Acted {
        let rollout = self.state.rollout.clone();
        let digest = rollout.as_ref().and_then(|rollout| rollout.digest);
        let reached = self.replicas.iter().all(|replica| replica.is_up);
        let (commit, from) = rollout.map_or((None, None), |rollout| {
            (Some(rollout.revision.commit), rollout.from.map(|from| from.revision.commit))
        });
        // One replica after the other: those that answer are changed, whatever the others do.
        let acted = match decision {
            Decision::PlanTerraform => self.plan(&commit.unwrap(), Acted::Planned),
            Decision::UndoPlan => self.plan(&from.unwrap(), Acted::UndoPlanned),
            Decision::ApplyTerraform => self.apply(false),
            Decision::UndoApply => self.apply(true),
            Decision::Heal { endpoints } => self.heal(endpoints),
            Decision::Stage => {
                let digest = digest.unwrap();
                for replica in self.replicas.iter_mut().filter(|replica| replica.is_up) {
                    let holds = replica.stable.as_ref().is_some_and(|(stable, _)| *stable == digest)
                        || replica.candidate.is_some_and(|(candidate, _)| candidate == digest);
                    if !holds {
                        replica.candidate = Some((digest, Percent::ZERO));
                    }
                }
                Acted::Staged { generations: BTreeMap::new() }
            }
            Decision::Shift { weight } => {
                for replica in self.replicas.iter_mut().filter(|replica| replica.is_up) {
                    replica.candidate = replica.candidate.map(|(digest, _)| (digest, *weight));
                }
                Acted::Shifted
            }
            Decision::Promote => {
                let digest = digest.unwrap();
                self.put_everywhere(digest);
                Acted::Promoted
            }
            Decision::UndoDocument { restore } => {
                for replica in self.replicas.iter_mut().filter(|replica| replica.is_up) {
                    replica.candidate = None;
                }
                if let Some(digest) = restore {
                    self.put_everywhere(*digest);
                }
                Acted::Undone
            }
            Decision::Restore { documents, .. } => {
                for replica in self.replicas.iter_mut().filter(|replica| replica.is_up) {
                    if let Some(digest) = documents.get(&replica.endpoint) {
                        replica.stable = Some((*digest, "manual".to_owned()));
                        replica.candidate = None;
                    }
                }
                Acted::Restored
            }
            Decision::Supersede { .. } => {
                for replica in self.replicas.iter_mut().filter(|replica| replica.is_up) {
                    replica.candidate = None;
                }
                Acted::Superseded
            }
            _ => Acted::Rested,
        };
        let is_on_gateways = matches!(
            decision,
            Decision::Stage
                | Decision::Shift { .. }
                | Decision::Promote
                | Decision::UndoDocument { .. }
                | Decision::Supersede { .. }
                | Decision::Restore { .. }
        );
        let writes = matches!(decision, Decision::Stage | Decision::Promote);
        if writes && !self.refusing.is_empty() {
            return Acted::ActFailed { reason: "the document is owned by another".to_owned() };
        }
        if is_on_gateways && !reached {
            return Acted::ActFailed { reason: "a replica does not answer".to_owned() };
        }
        acted
    }

    fn put_everywhere(&mut self, digest: Digest) {
        let refusing = &self.refusing;
        let may = |replica: &&mut Replica| replica.is_up && !refusing.contains(&replica.endpoint);
        for replica in self.replicas.iter_mut().filter(may) {
            if replica.stable.as_ref().is_none_or(|(stable, _)| *stable != digest) {
                replica.stable = Some((digest, "git".to_owned()));
                replica.generation += 1;
            }
            replica.candidate = None;
        }
    }

    fn heal(&mut self, endpoints: &[String]) -> Acted {
        let digest = self.state.applied.as_ref().unwrap().digest;
        let own = self.state.rollout_under_way().and_then(|rollout| rollout.digest);
        for replica in self.replicas.iter_mut().filter(|replica| endpoints.contains(&replica.endpoint)) {
            if !replica.is_up {
                return Acted::ActFailed { reason: "no answer".to_owned() };
            }
            replica.stable = Some((digest, "git".to_owned()));
            replica.candidate = replica.candidate.filter(|(candidate, _)| Some(*candidate) == own);
        }
        Acted::Healed
    }

    fn plan(&mut self, commit: &CommitId, planned: fn(PlanSummary) -> Acted) -> Acted {
        let tree = self.commits.values().find(|known| known.revision.commit == *commit).unwrap().tree.clone();
        let outcome = if self.plan_outcomes.is_empty() {
            PlanOutcome::Changes(usize::from(self.live_tree != tree))
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
            PlanOutcome::Fails { reason, transient } => return Acted::PlanFailed { reason, transient },
            PlanOutcome::Replaces(address) => vec![change(address, Action::Replace)],
            PlanOutcome::Changes(count) => {
                (0..count).map(|index| change(format!("aws_lb.{index}"), Action::Update)).collect()
            }
        };
        self.plans += 1;
        let plan = PlanSummary {
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
        };
        self.kept_plan = Some(plan.clone());
        planned(plan)
    }

    fn apply(&mut self, is_undo: bool) -> Acted {
        let wanted = self.state.rollout.as_ref().and_then(|rollout| rollout.terraform.clone()).unwrap();
        let stale = |reason: &str| Acted::PlanStale { reason: reason.to_owned() };
        match &self.kept_plan {
            Some(kept) if *kept == wanted => {}
            _ => return stale("the plan file is gone"),
        }
        if self.now.duration_since(wanted.binding.made_at) > moorline_plan::decide::PLAN_AGE_MAX {
            return stale("it is older than ten minutes");
        }
        // A naive Terraform: it would run the same plan twice if it were told to.
        self.applied_plans.push(wanted.binding.plan_sha256.clone());
        if let Some(reason) = self.apply_fails.take() {
            self.live_tree = Some("half done".to_owned());
            return Acted::ApplyFailed { reason };
        }
        let commit =
            self.commits.values().find(|known| known.revision.commit == wanted.binding.commit).unwrap();
        self.live_tree.clone_from(&commit.tree);
        let mut digest = None;
        if self.takes_document_from_terraform() {
            self.handed_over = Some(commit.document.value().clone());
            digest = Some(commit.document.digest());
        }
        if is_undo { Acted::UndoApplied } else { Acted::Applied { digest } }
    }
}
