//! Which Terraform a decision is about, and what an apply handed over.

use moorline_model::Revision;
use moorline_model::declaration::{Document, Environment};
use moorline_plan::advance::StepOutcome;
use moorline_plan::decide::Decision;
use moorline_plan::desired::Desired;

use crate::cycle::{Cycle, CycleError};
use crate::desired::Declared;
use crate::facilities::{Facilities, Run};
use crate::working_state::WorkingState;

impl<W: Facilities> Cycle<'_, W> {
    /// The Terraform that a decision is about: at the rollout's commit, or where it goes back to.
    pub(crate) async fn terraform_for(
        &self,
        working: &WorkingState,
        declared: &Declared,
        decision: &Decision,
    ) -> Option<Run<'_>> {
        let is_undo = match decision {
            Decision::PlanTerraform | Decision::ApplyTerraform => false,
            Decision::UndoPlan | Decision::UndoApply => true,
            _ => return None,
        };
        let rollout = working.state.rollout_under_way()?;
        if !is_undo {
            let current = declared.current.as_ref()?;
            return self.run_of(&current.environment, &rollout.revision, rollout.id.to_string());
        }
        let from = &rollout.from.as_ref()?.revision;
        let declaration = self.declaration(&from.commit).await.ok()?;
        self.run_of(declaration.environment(self.name)?, from, format!("{}-back", rollout.id))
    }

    /// The environment's Terraform at a commit; `None` when it declares none. `id` tells its run from others.
    pub(crate) fn run_of(
        &self,
        environment: &Environment,
        revision: &Revision,
        id: String,
    ) -> Option<Run<'_>> {
        let declared = environment.terraform.clone()?;
        Some(Run { name: self.name, declared, commit: revision.commit.clone(), id })
    }

    /// Adds to a successful apply the document that it brings: the one that Terraform handed over meanwhile, or the
    /// one in the repository.
    pub(crate) async fn with_document(
        &self,
        outcome: StepOutcome,
        declared: &Declared,
    ) -> Result<StepOutcome, CycleError> {
        if !matches!(outcome, StepOutcome::Applied(Ok(_))) {
            return Ok(outcome);
        }
        let digest = match declared.current.as_ref().map(|current| &current.environment.gateway.document) {
            Some(Document::Terraform { .. }) => self.world.unfinished(self.name).await?.handed_over,
            _ => declared.current.as_ref().and_then(document_digest),
        };
        Ok(StepOutcome::Applied(Ok(digest)))
    }

    /// Removes the folders of runs that no rollout needs any more.
    pub(crate) fn clean_up_runs(&self, declared: &Declared) {
        let terraform = declared.effective().and_then(|desired| desired.environment.terraform.as_ref());
        if let Some(terraform) = terraform {
            self.world.clean_up_all(self.name, terraform);
        }
    }
}

fn document_digest(desired: &Desired) -> Option<moorline_config::Digest> {
    desired.document.config().map(moorline_config::Config::digest)
}
