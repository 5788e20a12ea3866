//! What a cycle needs of the world, as the daemon has it: Git, gateways, Terraform, AWS, the record, the clock and the
//! daemon's environment. Each trait of [`moorline_cycle::facilities`] is implemented for [`Shared`].

mod aws;
pub mod checkouts;
mod fleet;
mod identity;
mod runs;
mod source;
mod store;
mod terraform;

use jiff::Timestamp;
use moorline_config::{Reference, Secret};
use moorline_cycle::facilities::{Clock, Listener, ResolveError, Secrets};
use moorline_model::declaration::Environment;
use moorline_model::{CommitId, EnvironmentName, Revision, RolloutId};
use moorline_plan::decide::Decision;
use moorline_plan::gates::SituationSnapshot;

pub use aws::AwsMemory;
pub use checkouts::Checkouts;
pub use fleet::Connections;
pub use identity::Identities;

use crate::clock;
use crate::shared::Shared;

impl Clock for Shared {
    fn now(&self) -> Timestamp {
        clock::now()
    }

    fn rollout_id(&self) -> RolloutId {
        clock::rollout_id()
    }
}

impl Secrets for Shared {
    fn secret(&self, reference: &Reference) -> Result<Secret, ResolveError> {
        self.secrets.declared(reference)
    }
}

impl Listener for Shared {
    fn observed(&self, name: &EnvironmentName, declared: &Environment) {
        self.event_streams.follow(name, declared, self);
    }

    fn decided(&self, name: &EnvironmentName, _decision: &Decision, read: SituationSnapshot) {
        self.explanations.note(name, read);
    }

    fn fast_forwarded(&self, name: &EnvironmentName, before: &CommitId, head: &Revision) {
        self.explanations.fast_forward(name, before, head);
    }

    fn notification_queued(&self) {
        self.outbox.notify_one();
    }
}
