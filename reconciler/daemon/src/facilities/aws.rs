//! The AWS lane, and what it keeps in memory from one look to the next.
//!
//! What Terraform manages is kept until its state moves: whether it did is one command, to read it again is another,
//! which starts the providers. Of the state only what is compared is kept.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use moorline_aws::{Connections, Managed};
use moorline_cycle::facilities::{AwsReads, Run, RunFailed, Source as _};
use moorline_model::drift::Finding;
use moorline_model::{EnvironmentName, declaration};
use moorline_terraform::{StateIdentity, StateRead};

use crate::shared::Shared;

/// What is kept from one look to the next.
#[derive(Debug, Default)]
pub struct AwsMemory {
    managed: Mutex<BTreeMap<EnvironmentName, Known>>,
    connections: Connections,
}

/// What Terraform manages, and what it was read of.
#[derive(Debug, Clone)]
struct Known {
    /// The identity of the Terraform code: with another version of a provider, the same state reads differently.
    code: String,
    state: StateIdentity,
    managed: Arc<Managed>,
}

impl AwsReads for Shared {
    async fn aws_findings(
        &self,
        run: &Run<'_>,
        declared: &declaration::Aws,
    ) -> Result<Vec<Finding>, RunFailed> {
        match self.managed(run).await? {
            Some(managed) => Ok(self.aws.connections.findings(declared, &managed).await),
            None => Ok(Vec::new()),
        }
    }
}

impl Shared {
    /// What the run's Terraform manages; `None` while it has no state.
    async fn managed(&self, run: &Run<'_>) -> Result<Option<Arc<Managed>>, RunFailed> {
        let code = self.terraform_identity(&run.commit, &run.declared).await.ok();
        let known = self.aws.known(run.name, code.as_deref());
        match self.state(run, known.as_ref().map(|known| &known.state)).await? {
            StateRead::Unmoved => Ok(known.map(|known| known.managed)),
            StateRead::Absent => Ok(None),
            StateRead::Moved { identity, state } => {
                let managed = Arc::new(moorline_aws::managed(&state));
                if let Some(code) = code {
                    self.aws.keep(run.name, Known { code, state: identity, managed: Arc::clone(&managed) });
                }
                Ok(Some(managed))
            }
        }
    }
}

impl AwsMemory {
    /// Forgets an environment.
    pub fn forget(&self, name: &EnvironmentName) {
        self.managed().remove(name);
    }

    fn keep(&self, name: &EnvironmentName, known: Known) {
        self.managed().insert(name.clone(), known);
    }

    /// What is known of an environment, if it was read with the same code.
    fn known(&self, name: &EnvironmentName, code: Option<&str>) -> Option<Known> {
        self.managed().get(name).filter(|known| Some(known.code.as_str()) == code).cloned()
    }

    fn managed(&self) -> MutexGuard<'_, BTreeMap<EnvironmentName, Known>> {
        self.managed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_was_read_with_other_code_is_not_known() {
        let (memory, name) = (AwsMemory::default(), "prod".parse().unwrap());
        let state = StateIdentity { serial: 3, lineage: "a".to_owned() };
        memory.keep(&name, Known { code: "one".to_owned(), state, managed: Arc::default() });
        let serial = |code| memory.known(&name, code).map(|known| known.state.serial);
        assert_eq!((serial(Some("one")), serial(Some("two")), serial(None)), (Some(3), None, None));
        memory.forget(&name);
        assert_eq!(memory.known(&name, Some("one")).map(|known| known.code), None);
    }
}
