//! Which Terraform a decision is about, and what an apply handed over.

use moorline_model::Revision;
use moorline_model::declaration::{Document, Environment};
use moorline_plan::advance::Acted;
use moorline_plan::decide::Decision;
use moorline_plan::desired::Desired;

use super::desired::Wanted;
use super::memory::Memory;
use super::{Cycle, CycleError};
use crate::act::{Runs, Terraform};
use crate::source::declaration;

impl Cycle<'_> {
    /// The Terraform that a decision is about: at the rollout's commit, or where it goes back to.
    pub(super) async fn terraform_for(
        &self,
        memory: &Memory,
        wanted: &Wanted,
        decision: &Decision,
    ) -> Option<Terraform<'_>> {
        let is_undo = match decision {
            Decision::PlanTerraform | Decision::ApplyTerraform => false,
            Decision::UndoPlan | Decision::UndoApply => true,
            _ => return None,
        };
        let rollout = memory.state.rollout_under_way()?;
        if !is_undo {
            let current = wanted.current.as_ref()?;
            return self.terraform(&current.environment, &rollout.revision, rollout.id.to_string());
        }
        let from = &rollout.from.as_ref()?.revision;
        let shared = self.shared;
        let declared = declaration(&shared.repository, &from.commit, &shared.declaration_path).await.ok()?;
        self.terraform(declared.environment(self.name)?, from, format!("{}-back", rollout.id))
    }

    /// The environment's Terraform at a commit; `None` when it declares none. `run` tells its folder from others'.
    pub(super) fn terraform(
        &self,
        environment: &Environment,
        revision: &Revision,
        run: String,
    ) -> Option<Terraform<'_>> {
        let shared = self.shared;
        Some(Terraform {
            runner: shared.runner.as_ref(),
            repository: &shared.repository,
            secrets: &shared.secrets,
            name: self.name,
            declared: environment.terraform.clone()?,
            commit: revision.commit.clone(),
            work_dir: &shared.work_dir,
            run,
            mirror: shared.mirror.clone(),
            cancel: self.stopping,
        })
    }

    /// Adds to a successful apply the document that it brings: the one that Terraform handed over meanwhile, or the
    /// one in the repository.
    pub(super) async fn with_document(&self, acted: Acted, wanted: &Wanted) -> Result<Acted, CycleError> {
        if !matches!(acted, Acted::Applied { .. }) {
            return Ok(acted);
        }
        let digest = match wanted.current.as_ref().map(|current| &current.environment.gateway.document) {
            Some(Document::Terraform { .. }) => {
                self.shared.record.handed_over(self.name).await?.map(|kept| kept.digest)
            }
            _ => wanted.current.as_ref().and_then(document_digest),
        };
        Ok(Acted::Applied { digest })
    }

    /// Removes the folders of runs that no rollout needs any more.
    pub(super) fn tidy_runs(&self, wanted: &Wanted) {
        let terraform = wanted.declared().and_then(|declared| declared.environment.terraform.as_ref());
        if let Some(terraform) = terraform {
            Runs::of(&self.shared.work_dir, self.name, terraform).remove_all();
        }
    }
}

fn document_digest(desired: &Desired) -> Option<moorline_config::Digest> {
    desired.document.config().map(moorline_config::Config::digest)
}
